"""Where a text can be cut between sentences, in every script; and between clauses, in scripts that need not mark sentences.

The marks and most rules are those of Unicode's sentence boundaries (UAX #29). It leaves full stops of abbreviations to
others: here what could be one is taken for one, since a place to cut that is missed costs little and a name cut in two is
no text of anybody.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import regex

# Marks that end a sentence. The little section of Burmese is its comma; the shads of Tibetan are no sentence marks to
# Unicode, since they end clauses too; a bar after an Indic letter is a danda that a keyboard lacked, and a colon after an
# Armenian one its full stop.
_MARK = (
    r"(?:[\p{SB=STerm}\p{SB=ATerm}…།༎༏༐༑༔--၊]|፡፡|(?<=[\p{Deva}\p{Beng}\p{Guru}\p{Gujr}\p{Orya}]\s?)\||(?<=\p{Armn}):)"
)
_BORDER = regex.compile(
    rf"(?<!{_MARK})(?P<marks>{_MARK}++)"
    r"(?P<closed>(?:[\p{Pe}\p{Pf}\"']|\p{Pi}(?=\s)|\[\d{1,3}\])*+)"  # quotes and brackets that close, a footnote's number
    r"(?P<space>\s*+)"
    r"(?=[\p{Ps}\p{Pi}\p{Pf}\"'¿¡#@*]*+(?P<next>\S))",
    regex.V1,
)
_GOES_ON = regex.compile(r"[\p{Ll}\p{M}\p{SB=SContinue}\p{Pe}\p{SB=STerm}\p{SB=ATerm}…]", regex.V1)
_ASCII_OR_CLAUSE = regex.compile(r"[.․﹒!?…།༎༏༐༑༔|:]+")  # without a space behind it an address, a number, a clause
_STOPS = regex.compile(r"[.․﹒．…]+")
_CAPITAL = regex.compile(r"[\p{Lu}\p{Lt}]")
_LETTER = regex.compile(r"\p{L}")
_WORD_BEFORE = regex.compile(
    r"(?:\d\s(?=\d))?[^\s\p{Ps}\p{Pi}\p{Pd}\"'/]+$"
)  # of a number in groups more than the last one
_LONGEST_ABBREVIATION = 12  # characters
_ABBREVIATED = regex.compile(
    r"(?:\d{1,2}\.)*\d{1,2}"  # an ordinal, a list's number, a date
    r"|\P{L}*\p{L}|(?-i:[IVXLC]+)"  # an initial, a Roman numeral
    r"|(?:\p{L}\p{M}*){1,4}(?:\.(?:\p{L}\p{M}*){1,4})+"  # with stops inside
    r"|.*\p{LB=SA}"  # Thai and its like end sentences without marks
    r"|[bcdfghjklmnpqrstvwxzßđ]{2,4}|[бвгджзклмнпрстфхцчшщ]{2,4}",  # no word, since it has no vowel
    regex.IGNORECASE | regex.V1,
)
# Spaces in scripts that put none between words: between two runs of letters longer than a name or a title, and any.
_LETTERS_OF_CLAUSE = 12
_PHRASE_BORDER = r"(?<=[\p{LB=SA}]{%d})(?<!ฯ)\s++(?=[\p{LB=SA}--[ๆฯໆ]][\p{LB=SA}]{%d})"
_LONG_RUNS = regex.compile(_PHRASE_BORDER % (_LETTERS_OF_CLAUSE, _LETTERS_OF_CLAUSE - 1), regex.V1)
_ANY_RUNS = regex.compile(_PHRASE_BORDER % (1, 0), regex.V1)


def sentence_borders(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of what lies between two sentences of text[start:end]: white space, or nothing in scripts without it."""
    for border in _BORDER.finditer(text, start, end):
        if _ends_sentence(border, text, start):
            yield border.span("space")


def clause_borders(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the spaces that part clauses in Thai, Lao and other scripts without spaces between words."""
    return (border.span() for border in _LONG_RUNS.finditer(text, start, end))


def phrase_borders(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of all spaces between letters of these scripts, be it within a name."""
    return (border.span() for border in _ANY_RUNS.finditer(text, start, end))


def _ends_sentence(border: regex.Match[str], text: str, start: int) -> bool:
    marks, following = border["marks"], border["next"]
    if _GOES_ON.match(following):
        return False
    if not border["space"] and (following.isdigit() or _ASCII_OR_CLAUSE.fullmatch(marks)):
        return False
    if not _STOPS.fullmatch(marks):
        return True
    if len(marks) > 1 or marks == "…":  # a speaker who hesitates goes on without a capital
        return bool(_CAPITAL.match(following))
    return bool(_LETTER.match(following)) and not _is_abbreviation(text, start, border.start())


def _is_abbreviation(text: str, start: int, stop: int) -> bool:
    """Whether the word before a full stop is, or could be, a short form, an initial or a number."""
    word = _WORD_BEFORE.search(text, max(start, stop - _LONGEST_ABBREVIATION), stop)
    if not word:
        return False
    folded = unicodedata.normalize("NFC", word.group().casefold())
    return folded in _abbreviations() or bool(_ABBREVIATED.fullmatch(unicodedata.normalize("NFD", word.group())))


@cache
def _abbreviations() -> frozenset[str]:
    listed = tomllib.loads((files("xinstr_core.corpus") / "abbreviations.toml").read_text("utf-8"))
    return frozenset(unicodedata.normalize("NFC", word.casefold()) for words in listed.values() for word in words)
