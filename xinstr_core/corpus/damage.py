"""Text that is not as somebody wrote it: decoded in a wrong encoding, with letters lost or strewn in, or shown in another order."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import regex

from xinstr_core.corpus.characters import count_characters, has_letters_with, is_plain

_OVERRIDE = re.compile("[\u202d\u202e]")  # shows letters in another order than they stand; no script needs them
# Bytes of UTF-8 read one by one give a letter of Latin-1 and a character of Windows-1252's upper half.
_MOJIBAKE = re.compile("[\u0080-\u00ff\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{2}")
_C1_CONTROL = re.compile("[\u0080-\u0084\u0086-\u009f]")  # U+0085 ends a line
_WORD_SHOWN = 40  # characters: scripts without spaces have long ones
_UNREADABLE = regex.compile(r"[\p{Cc}\p{Co}\p{Cn}\uFFFC--\s]", regex.V1)
_INVISIBLE = regex.compile(r"[\p{Cf}\p{Default_Ignorable_Code_Point}]")
# Blanks in place of spaces, other than what typography sets between words or in numbers: thin ones in 0.5 % of a real text.
_BLANK = regex.compile(r"[\u1680\u2000-\u200a\u205f\u2800\u3164\uffa0]")
# Marks that no orthography sets on letters, and a third one on the same letter: in Yoruba, decomposed, 0.012.
_STREWN_MARK = regex.compile(
    r"[\u0305-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    r"--[\u034f\u0306-\u030c\u030f\u0311\u0313\u0314\u031b\u0323-\u0328\u032d\u032e\u0330\u0331\u0342\u0345]]"
    r"|(?<=[\u0300-\u036f]{2})[\u0300-\u036f]",
    regex.V1,
)
_STYLED_LETTER = regex.compile(r"[\U0001d400-\U0001d7ff]")  # bold and script letters of formulas, used as a font
_WIDE_LETTER = regex.compile(r"[\uff21-\uff3a\uff41-\uff5a]")  # of the Latin script, in one that has a width of its own
_FLOODS = (
    ("invisible_characters", _BLANK, 0.05),
    ("unreadable_characters", _STREWN_MARK, 0.03),
    ("unreadable_characters", _STYLED_LETTER, 0.1),
    ("unreadable_characters", _WIDE_LETTER, 0.1),
)
_WIDE_SCRIPTS = frozenset(["Bopo", "Hang", "Hani", "Hans", "Hant", "Hira", "Hrkt", "Jpan", "Kana", "Kore"])
_NAMED = 3  # characters, the most frequent ones
# Of all characters. One may be a slip, in a text of any length: five of 14,000 real texts have one or two, a page
# in a wrong encoding as many as it has quotes.
_MAXIMUM_UNREADABLE = 0.002
# Of all characters. Where spelling needs none: a page that hyphenates its long words has 0.03. Where letters are joined:
# Sorani that is typed with a non-joiner behind every e has above 0.1. Where words are parted by zero-width spaces: a sixth.
_MAXIMUM_INVISIBLE, _MAXIMUM_JOINERS, _MAXIMUM_WORD_BORDERS = 0.05, 0.15, 0.2


def with_encoding_repaired(text: str) -> str:
    """A text with what was decoded in a wrong encoding undone, as far as ftfy can."""
    import ftfy

    return str(ftfy.fix_encoding(text)) if _C1_CONTROL.search(text) or _misread(text) else text


def damage(text: str, script: str) -> tuple[str, str, str] | None:
    """(reason, value, threshold) of a text that is not as it was written; `script` is an ISO 15924 code."""
    if "\ufffd" in text:
        return "lost_characters", "U+FFFD", ""
    if override := _OVERRIDE.search(text):
        return "direction_override", _name(override.group()), ""
    if misread := _misread(text):
        return "mojibake", misread, "corpus.repair_mojibake repairs it"
    if flood := _flood(text, script):
        return flood
    if is_plain(text):
        return None
    counts, limit = count_characters(text, script), _most_invisible(script)
    if (share := (counts.controls - 1) / len(text)) > _MAXIMUM_UNREADABLE:
        return "unreadable_characters", f"{share:.3f} {_named(_UNREADABLE, text)}", str(_MAXIMUM_UNREADABLE)
    if (share := (counts.invisible - 1) / len(text)) > limit:
        return "invisible_characters", f"{share:.3f} {_named(_INVISIBLE, text)}", str(limit)
    return None


def _flood(text: str, script: str) -> tuple[str, str, str] | None:
    """What somebody reads well one by one and that no page is full of."""
    if text.isascii():
        return None
    for reason, characters, limit in _FLOODS:
        if characters is _WIDE_LETTER and script in _WIDE_SCRIPTS:
            continue
        share = (sum(1 for _ in characters.finditer(text)) - 1) / len(text)
        if share > limit:
            return reason, f"{share:.3f} {_named(characters, text)}", str(limit)
    return None


def _misread(text: str) -> str | None:
    """The first word that was decoded in a wrong encoding, as it is and as it was; None where ftfy finds none that it can undo.

    Only where two suspects stand together is it asked; and bad alone would be every Finnish quotation that opens with Ä.
    Single characters of Windows-1252 that were read as Latin-1 are no mojibake: they count as the control characters that they are.
    """
    import ftfy
    from ftfy.badness import is_bad
    from ftfy.fixes import fix_c1_controls

    if not _MOJIBAKE.search(text) or not is_bad(text):
        return None
    fixed = str(ftfy.fix_encoding(text))
    if fixed in (text, fix_c1_controls(text)):
        return None
    differs = next((at for at, (one, other) in enumerate(zip(text, fixed, strict=False)) if one != other), len(fixed))
    start = max(text.rfind(space, 0, differs) for space in " \n\t") + 1
    return " for ".join(repr(one[start : start + _WORD_SHOWN].partition(" ")[0]) for one in (text, fixed))


@cache
def _most_invisible(script: str) -> float:
    """By what Unicode says of the script's letters: words without spaces, letters that are joined, or neither."""
    if has_letters_with(script, r"\p{Line_Break=Complex_Context}"):
        return _MAXIMUM_WORD_BORDERS
    joined = r"\p{Joining_Type=Dual_Joining}\p{InSC=Virama}\p{InSC=Invisible_Stacker}\p{InSC=Pure_Killer}"
    return _MAXIMUM_JOINERS if has_letters_with(script, joined) else _MAXIMUM_INVISIBLE


def _named(characters: regex.Pattern[str], text: str) -> str:
    return ", ".join(_name(one) for one, _ in Counter(characters.findall(text)).most_common(_NAMED))


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"
