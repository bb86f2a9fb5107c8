"""Does a text open as one that can stand alone? No model: letters, list numbers and short lists of words (openers.toml)."""

from __future__ import annotations

import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex

_HEAD = 300  # characters: an opening is judged by its first sentence or so, whatever the length of the text
_PHRASE = 80  # characters that hold the longest listed phrase
_LETTERS = 60  # characters that show whether the script knows capitals

_FLAWS = {"continuing": "fragment", "connective": "connective", "reference": "reference", "independent": ""}

# What may stand before the first word of a good text: space, quotes, opening brackets, bullets, markup, emoji.
_ORNAMENT = regex.compile(r"[\s\p{Z}\p{Cf}\p{Ps}\p{Pi}\p{Pf}\p{Pd}\p{So}\p{Sk}\p{Sm}\p{Pc}\uFE0F\"'`´ʻʼ•·∙*#>/\\@§¿¡]*")
# What no text starts with: marks that close or continue, letters that only follow others. A stop may open a name (.NET).
_CLOSING = regex.compile(r"\p{Pe}|[,;:!?%،؛؟।॥۔…၊။。、，]|\.(?![\p{L}\p{N}])|\p{M}|[ะาำๅๆฯ]")
_ENUMERATOR = regex.compile(r"(?:(\d{1,2})[.)]|([ivxIVX]{1,4}|\p{L}\p{M}*)\))[\s\p{Z}]+(?=[\"'“‘(\[]?(\p{L}))")
_FIRST_NUMBERS = frozenset(["0", "1", "a", "i", "α", "а", "أ", "ا", "क", "अ", "ক", "அ", "ก"])
_BRACKET = regex.compile(r"[()\[\]]")
_ENUMERATED = regex.compile(r"(?:^|[\s\p{P}])[\p{L}\p{M}\p{N}]{1,4}$|[:;8=xX]['’-]?$")  # before a bracket: 2) b) :)
_CHUNK = regex.compile(r"\S+")
_HEADING = regex.compile(r"\p{L}+\n\n")
_CODE = regex.compile(r"[\p{Lu}\p{Lt}\p{N}_/\\(){}<>=$@]|\.\p{L}|^.[-‐‑]")  # iPhone, al-Qaida, www.x, f(x), e-mail
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’‐-][\p{L}\p{M}\p{N}]+)*")
_GAP = regex.compile(r"[^\S\n]*(,?)[^\S\n]*")
_JOINERS_AND_VOWEL_SIGNS = regex.compile("[\u064b-\u0652\u0670\u200c\u200d]")


@dataclass(frozen=True)
class _Openers:
    """Phrases of a language with the flaw that each gives away ("" for none), and the length of the longest."""

    flaws: dict[str, str]
    spaces: bool
    longest: int  # in words, or in characters where the script puts no spaces


def opening_flaw(text: str, language: str) -> str:
    """Why a text cannot stand alone, told by its opening: "fragment", "connective" or "reference"; "" when it can.

    A fragment begins in the middle of a sentence or a list; a connective joins to something said before (but, therefore, yes);
    a reference is a pronoun or the like whose referent is missing. Only the first characters are read. A language without a
    list gets the check for fragments alone; one with a region that of its base.
    """
    head = text.lstrip()[:_HEAD]
    start = _ORNAMENT.match(head).end()
    openers = _openers(language.split("-")[0])
    if _is_fragment(head, start):
        return "fragment"
    opening = _folded(head[start : start + _PHRASE])
    return _flaw_of_letters(opening, openers) if not openers.spaces else _flaw_of_words(opening, openers)


def _is_fragment(head: str, start: int) -> bool:
    return (
        _CLOSING.match(head, start) is not None
        or _continues_list(head, start)
        or _opens_small(head, start)
        or _closes_bracket(head)
    )


def _continues_list(head: str, start: int) -> bool:
    """2) or c) before a letter; 2. too, unless a small letter shows it to be an ordinal, as in Finnish or Turkish."""
    found = _ENUMERATOR.match(head, start)
    if found is None:
        return False
    number, letter, following = found.groups()
    first = str(int(number)) if number else letter.casefold()
    return first not in _FIRST_NUMBERS and not (head[found.end(1)] == "." and number and following.islower())


def _opens_small(head: str, start: int) -> bool:
    """A small letter, in a text whose script has capitals, that is not part of a name, of code, or of a heading of one word."""
    first = head[start : start + 1]
    if not first.islower() or first.title() == first or head[start - 1 : start] in ("@", "#"):
        return False
    letters = [c for c in head[start : start + _LETTERS] if c.isalpha()]
    has_capitals = 2 * sum(c.upper() != c.lower() for c in letters) > len(letters)
    return has_capitals and not _HEADING.match(head, start) and not _CODE.search(_CHUNK.match(head, start)[0])


def _closes_bracket(head: str) -> bool:
    found = _BRACKET.search(head)
    return found is not None and found[0] in ")]" and not _ENUMERATED.search(head[: found.start()])


def _flaw_of_words(opening: str, openers: _Openers) -> str:
    """Of the longest listed phrase; a phrase as it stands before one with a star."""
    keys: list[str] = []
    words: list[str] = []
    position = 0
    while len(words) < openers.longest and (word := _WORD.match(opening, position)):
        words.append(word[0])
        gap = _GAP.match(opening, word.end())
        position = gap.end()
        for phrase in (" ".join(["*", *words[1:]]), " ".join(words)):
            keys += [phrase, phrase + ","] if gap[1] else [phrase]
    return next((openers.flaws[key] for key in reversed(keys) if key in openers.flaws), "")


def _flaw_of_letters(opening: str, openers: _Openers) -> str:
    found = (opening[:length] for length in range(openers.longest, 0, -1))
    return next((openers.flaws[start] for start in found if start in openers.flaws), "")


def _folded(text: str) -> str:
    """Without case, composed, the letters of Turkish i and Arabic yeh and kaf as one, without joiners and vowel signs."""
    plain = text.casefold().replace("i\u0307", "i").replace("ı", "i").replace("ي", "ی").replace("ك", "ک")
    plain = _JOINERS_AND_VOWEL_SIGNS.sub("", plain.replace("،", ",").replace("’", "'"))
    return unicodedata.normalize("NFC", plain)


@cache
def _openers(language: str) -> _Openers:
    lists = tomllib.loads((files("xinstr_core.curation") / "openers.toml").read_text("utf-8")).get(language, {})
    flaws = {_folded(phrase): flaw for kind, flaw in _FLAWS.items() for phrase in lists.get(kind, [])}
    spaces = lists.get("spaces", True)
    longest = max((len(phrase.split()) if spaces else len(phrase) for phrase in flaws), default=0)
    return _Openers(flaws, spaces, longest)
