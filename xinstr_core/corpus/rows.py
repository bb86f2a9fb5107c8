"""Rows of the corpus stage: what is kept of a record, and what is said of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from xinstr_core.corpus.learned_filter import Verdict
from xinstr_core.corpus.personal_data import shown
from xinstr_core.corpus.quality import Features
from xinstr_core.corpus.readers import Reject

EXCERPT_CHARACTERS = 200  # of a reject: enough to see what it was


@dataclass(frozen=True)
class Document:
    """A kept span: `text` is record text [span_start:span_end], byte for byte; of the repaired text where `repaired`."""

    doc_id: str
    text: str
    source: str
    url: str
    licence: str
    place: str
    span_start: int
    span_end: int
    n_chars: int
    repaired: bool
    lid_label: str
    lid_score: float
    features: Features
    learned_filter: str | None = None
    learned_score: float | None = None

    def row(self, language: str) -> dict[str, object]:
        """The document as a row of the table DOCUMENTS."""
        values = {name: value for name, value in vars(self).items() if name != "features"}
        return {"language": language, **values, **{name: round(v, 4) for name, v in vars(self.features).items()}}


def reject_row(language: str, reject: Reject) -> dict[str, object]:
    """The reject as a row of a table of REJECT_COLUMNS, whoever refused it: no personal data is shown."""
    texts = {name: shown(getattr(reject, name), EXCERPT_CHARACTERS) for name in ("excerpt", "value")}
    return {"language": language, **vars(reject), **texts}


@dataclass(frozen=True)
class ScoredReject(Reject):
    """A span that a learned filter refuses."""

    learned_filter: str | None = None
    learned_score: float | None = None

    @classmethod
    def of(cls, reject: Reject, verdict: Verdict) -> ScoredReject:
        return cls(**vars(reject), learned_filter=verdict.name, learned_score=verdict.score)
