"""Language packs: the limits, stop words and profile of one language, in a file that a person can read and edit.

A pack is fitted from the language's own text by one rule. A limit from above is half as much again as the 99th
percentile of its documents, a limit from below half of their first percentile (cohesion: all of it), so that a text is
refused for being unlike the language's own and not for being unlike English. No limit leaves the range declared here:
little text cannot make one too strict, dirty text cannot make one that lets everything pass. Of fewer than 200 documents a
limit goes half of the way from the loosest to where the rule puts it: what a fit may cost is bounded by what it has seen.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xinstr_core.corpus.identification import UNKNOWN, Identification, Identifier
from xinstr_core.corpus.learned_filter import FilterName, FittedFilter
from xinstr_core.corpus.quality import measure, units
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.spans import cut_spans
from xinstr_core.corpus.taught import TaughtLanguage, teach
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.files import write_text
from xinstr_core.settings import CorpusSettings
from xinstr_core.text import is_storable

STOP_WORDS = 100  # of fifty, agglutinative languages found hardly one in a clean text about another matter
_SOURCES_NAMED = 5
PROFILE_RUNS = 400  # as long as Cavnar and Trenkle's profiles at their best
LEAST_DOCUMENTS = 30
_MANY_DOCUMENTS = 200  # of fewer the first percentile is the least document's, or hardly more
_LOST_BY_TEACHING = 0.02  # share of its own text that a language may lose by being taught; one document of fifty
_LABELS_NAMED = 3

# What a limit may be: (strictest, loosest). The loosest is what a language without a pack gets. They were chosen by what
# the rule gives on 9,543 clean documents of twelve languages, and by what noisy ones have (decision 0004).
_MAXIMA = {
    "link_share": (0.03, 0.10),
    "markup_share": (0.04, 0.15),
    "symbol_share": (0.20, 0.30),
    "digit_share": (0.10, 0.20),
    "menu_share": (0.15, 0.90),
    "bare_line_share": (0.10, 0.60),
    "spaced_mark_share": (0.35, 0.50),
    "repeated_line_share": (0.15, 0.40),
    "repeated_phrase_share": (0.15, 0.40),
}
_MINIMA = {
    "script_share": (0.60, 0.80),
    "stop_word_share": (0.0, 0.02),
    "language_score": (0.30, 0.60),
}
_COHESION = (0.0, 0.15)


class Limits(BaseModel):
    """One number a measure. What a person writes here is taken as it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Maxima(Limits):
    link_share: float = Field(default=_MAXIMA["link_share"][1], ge=0, le=1)
    markup_share: float = Field(default=_MAXIMA["markup_share"][1], ge=0, le=1)
    symbol_share: float = Field(default=_MAXIMA["symbol_share"][1], ge=0, le=1)
    digit_share: float = Field(default=_MAXIMA["digit_share"][1], ge=0, le=1)
    menu_share: float = Field(default=_MAXIMA["menu_share"][1], ge=0, le=1)
    bare_line_share: float = Field(default=_MAXIMA["bare_line_share"][1], ge=0, le=1)
    spaced_mark_share: float = Field(default=_MAXIMA["spaced_mark_share"][1], ge=0, le=1)
    repeated_line_share: float = Field(default=_MAXIMA["repeated_line_share"][1], ge=0, le=1)
    repeated_phrase_share: float = Field(default=_MAXIMA["repeated_phrase_share"][1], ge=0, le=1)
    foreign_share: float = Field(default=0.33, ge=0, le=1)  # not fitted: a page is not a language's for quoting another


class Minima(Limits):
    script_share: float = Field(default=_MINIMA["script_share"][0], ge=0, le=1)
    stop_word_share: float = Field(default=_MINIMA["stop_word_share"][0], ge=0, le=1)
    language_score: float = Field(default=0.5, ge=0, le=1)  # half of the voters' weight, where no text says better
    cohesion_share: float = Field(default=_COHESION[0], ge=0, le=1)


class LanguagePack(BaseModel):
    """What documents of one language look like. `taught` is of languages that the voters do not know or tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: int = Field(
        default=0, ge=0, description="how many documents it was fitted from; 0: none, the loosest limits"
    )
    source: str = Field(default="", description="which text that was")
    maximum: Maxima = Maxima()
    minimum: Minima = Minima()
    stop_words: tuple[str, ...] = Field(default=(), description="the units that occur in most documents")
    profile: tuple[str, ...] = Field(
        default=(), description="the most frequent letter triples: with which letters it is spelled"
    )
    taught: TaughtLanguage | None = Field(default=None, description="what the second voter learned of the language")
    filters: dict[FilterName, FittedFilter] = Field(default={}, description="learned filters, by what they refuse")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The pack of a file. SettingsError names the key that is wrong."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            sections: dict[str, type[BaseModel]] = {
                "maximum": Maxima,
                "minimum": Minima,
                "taught": TaughtLanguage,
                "filters": FittedFilter,
            }
            known = sections.get(str(first["loc"][0]), cls).model_fields
            raise SettingsError(
                f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; known: {', '.join(known)}"
            ) from None

    def write(self, path: Path) -> None:
        document = tomlkit.document()
        document.add(
            tomlkit.comment(
                "Fitted by `xinstr languages fit`; edit it as you like. What each measure is: xinstr_core/corpus/quality.py"
            )
        )
        empty = None if self.filters else {"filters"}
        for key, value in self.model_dump(mode="json", exclude=empty).items():
            if value is not None:
                document[key] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, tomlkit.dumps(document))


NO_PACK = LanguagePack()


def bundled_pack(language: str) -> Path | None:
    """The pack that ships for a language, or None."""
    path = Path(__file__).parent / "languages" / f"{language}.toml"
    return path if path.is_file() else None


def letter_triples(text: str) -> Iterable[str]:
    """Runs of three characters of words, word borders included."""
    for word in text.casefold().split():
        padded = f" {word} "
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))


def fit_from_records(
    records: Iterable[Record | Reject], identifier: Identifier, script: str, settings: CorpusSettings
) -> LanguagePack:
    """The pack of a language from records of it; `source` tells whose text that is."""
    texts, sources = [], Counter[str]()
    for record in records:
        text = record.values.get("text") if isinstance(record, Record) else None
        if isinstance(record, Record) and isinstance(text, str) and is_storable(text):
            texts.append(text)
            sources[f"{record.values.get('source') or 'unnamed'} ({record.values.get('licence') or 'unknown'})"] += 1
    named = ", ".join(f"{count} of {source}" for source, count in sources.most_common(_SOURCES_NAMED))
    return fit_pack(texts, identifier, script, named, settings)


def fit_pack(
    texts: Iterable[str], identifier: Identifier, script: str, source: str, settings: CorpusSettings | None = None
) -> LanguagePack:
    """The pack of a language from documents of it, by the rule above. InputError when they are too few or in another one.

    The documents are cut and the pieces measured as the stage will do it; around personal data they are not cut.
    """
    shortest, longest = (settings or CorpusSettings()).span_bounds
    kept = [
        text[start:end]
        for text in texts
        for start, end in cut_spans(text, shortest, longest)
        if shortest <= end - start <= longest
    ]
    if len(kept) < LEAST_DOCUMENTS:
        raise InputError(
            f"{len(kept)} documents of {shortest} to {longest} characters are too few to fit {identifier.language} from: "
            f"give at least {LEAST_DOCUMENTS}"
        )
    stop_words = _most_common((set(units(text, script)) for text in kept), STOP_WORDS)
    known = frozenset(stop_words)
    rows = [asdict(measure(text, script, known)) for text in kept]
    taught, scores = _identification(kept, identifier)
    for row, score in zip(rows, scores, strict=True):
        row["language_score"] = score
    maxima = {name: _above([row[name] for row in rows], *span) for name, span in _MAXIMA.items()}
    minima = {name: _below([row[name] for row in rows], *span) for name, span in _MINIMA.items()}
    minima["cohesion_share"] = _least_cohesion([row["cohesion_share"] for row in rows if row["cohesion_share"] < 1])
    if len(kept) < _MANY_DOCUMENTS:
        maxima = {name: _half_way(loosest, maxima[name]) for name, (_, loosest) in _MAXIMA.items()}
        minima = {
            name: _half_way(loosest, minima[name])
            for name, (loosest, _) in {**_MINIMA, "cohesion_share": _COHESION}.items()
        }
    return LanguagePack(
        documents=len(kept),
        source=source,
        maximum=Maxima(**maxima),
        minimum=Minima(**minima),
        stop_words=stop_words,
        profile=_most_common((letter_triples(text) for text in kept), PROFILE_RUNS),
        taught=taught,
    )


def _identification(texts: Sequence[str], identifier: Identifier) -> tuple[TaughtLanguage | None, list[float]]:
    """What the second voter is taught, if anything, and the score of every text by what it did not teach itself.

    InputError where most texts are in another language. A language that the second voter knows, or the first can tell, is not taught.
    """
    found = [identifier.identify(text) for text in texts]
    scores = [identifier.score(one) for one in found]
    alike = [score >= _MINIMA["language_score"][0] for score in scores]
    if sum(alike) < len(texts) / 2:
        raise InputError(_not_alike(identifier, found, alike))
    if not identifier.can_be_taught:
        return None, scores
    own = sorted(text for text, is_alike in zip(texts, alike, strict=True) if is_alike)
    by_text: dict[str, float] = {}
    for part, other in ((own[::2], own[1::2]), (own[1::2], own[::2])):
        if (taught := teach(other)) is None:
            return None, scores
        learned = Identifier(identifier.language, taught=taught)
        by_text |= {text: learned.score(learned.identify(text)) for text in part}
    lost = sum(score < _MINIMA["language_score"][0] for score in by_text.values())
    if lost > _LOST_BY_TEACHING * len(by_text):
        return None, scores
    return teach(own), [by_text.get(text, score) for text, score in zip(texts, scores, strict=True)]


def _not_alike(identifier: Identifier, found: Sequence[Identification], alike: Sequence[bool]) -> str:
    """What the texts look like instead, and what helps where that is what the identifiers call the language."""
    labels = Counter(one.best for one, is_alike in zip(found, alike, strict=True) if not is_alike)
    named = labels.most_common(_LABELS_NAMED)
    said = (
        f"only {sum(alike)} of {len(alike)} documents look like {identifier.language}: the identifiers find "
        f"{', '.join(f'{label} in {count}' for label, count in named)}. Fit it from text of its own"
    )
    if named[0][0] in ("en", UNKNOWN):
        return said
    return (
        f"{said}; or if that is what they call {identifier.language}, "
        f'put identified_as = ["{named[0][0]}"] into its entry of languages.toml'
    )


def _most_common(found: Iterable[Iterable[str]], count: int) -> tuple[str, ...]:
    """The most frequent, ties by themselves."""
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(one)
    return tuple(sorted(counts, key=lambda unit: (-counts[unit], unit))[:count])


def _above(values: list[float], strictest: float, loosest: float) -> float:
    return round(min(loosest, max(strictest, 1.5 * float(np.quantile(values, 0.99)))), 3)


def _below(values: list[float], loosest: float, strictest: float, part: float = 0.5) -> float:
    return round(min(strictest, max(loosest, part * float(np.quantile(values, 0.01)))), 3)


def _half_way(loosest: float, limit: float) -> float:
    return round((loosest + limit) / 2, 3)


def _least_cohesion(values: list[float]) -> float:
    """The whole of the first percentile: half of it would find far fewer documents of random sentences (decision 0004)."""
    return _below(values, *_COHESION, part=1) if len(values) >= LEAST_DOCUMENTS else _COHESION[0]
