"""Which language a text is in: py3langid's probabilities and the share of letters in the expected script."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import regex

_NOT_LANGUAGE = regex.compile(r"https?://\S+|[\p{N}\p{P}\p{S}]+")
_LETTER = regex.compile(r"\p{L}")
UNKNOWN = "und"


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_DIR / MODEL_FILE, norm_probs=True)


@dataclass(frozen=True)
class Identification:
    """Probabilities over all languages that py3langid knows, best first; empty for a text without letters."""

    ranked: tuple[tuple[str, float], ...]

    @property
    def label(self) -> str:
        return self.ranked[0][0] if self.ranked else UNKNOWN

    @property
    def probability(self) -> float:
        return self.ranked[0][1] if self.ranked else 0.0

    def of(self, language: str) -> float:
        """The probability of one language; 0 where py3langid does not know it."""
        base = language.split("-")[0]
        return next((probability for label, probability in self.ranked if label == base), 0.0)


def identify(text: str) -> Identification:
    """Identify the letters of a text; numbers, punctuation and addresses say nothing about its language."""
    letters = _NOT_LANGUAGE.sub(" ", text).strip()
    ranked = _identifier().rank(letters) if _LETTER.search(letters) else []
    return Identification(tuple((str(label), float(probability)) for label, probability in ranked))


def knows(language: str) -> bool:
    return language.split("-")[0] in set(_identifier().labels)


@cache
def _script_of(character: str) -> str:
    name = unicodedata.name(character, "")
    return name.split(" ")[0] if name else ""


# First words of Unicode character names, by ISO 15924 code: enough to tell scripts apart without a table of ranges.
_NAMES = {
    "Arab": "ARABIC", "Armn": "ARMENIAN", "Beng": "BENGALI", "Cyrl": "CYRILLIC", "Deva": "DEVANAGARI", "Ethi": "ETHIOPIC",
    "Geor": "GEORGIAN", "Grek": "GREEK", "Gujr": "GUJARATI", "Guru": "GURMUKHI", "Hans": "CJK", "Hant": "CJK", "Hebr": "HEBREW",
    "Khmr": "KHMER", "Knda": "KANNADA", "Kore": "HANGUL", "Laoo": "LAO", "Latn": "LATIN", "Mlym": "MALAYALAM",
    "Mymr": "MYANMAR", "Orya": "ORIYA", "Sinh": "SINHALA", "Taml": "TAMIL", "Telu": "TELUGU", "Thai": "THAI",
    "Tibt": "TIBETAN",
}  # fmt: skip


def script_share(text: str, script: str) -> float:
    """Share of letters and marks that belong to the script (ISO 15924 code); 0 for a text without letters."""
    name = _NAMES[script]
    letters = [character for character in text if unicodedata.category(character)[0] in "LM"]
    inherited = sum(_script_of(character) == "COMBINING" for character in letters)
    own = sum(_script_of(character) == name for character in letters)
    return (own + inherited) / len(letters) if letters else 0.0


def symbol_share(text: str) -> float:
    """Share of visible characters that are neither letters nor marks; 1 for an empty text.

    Format characters are not visible: Khmer and Persian set them between words.
    """
    visible = [c for c in text if not c.isspace() and unicodedata.category(c) != "Cf"]
    return sum(unicodedata.category(c)[0] not in "LM" for c in visible) / len(visible) if visible else 1.0
