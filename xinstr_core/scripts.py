"""Scripts by their ISO 15924 code, and the Unicode scripts whose letters each writes with."""

from __future__ import annotations

import re

import regex

# Codes that stand for a use of other scripts, or for a style of one: Unicode has no letters under their names.
_MADE_OF = {
    "Aran": ("Arab",),
    "Cyrs": ("Cyrl",),
    "Geok": ("Geor",),
    "Hanb": ("Hani", "Bopo"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jamo": ("Hang",),
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Latf": ("Latn",),
    "Latg": ("Latn",),
    "Syre": ("Syrc",),
    "Syrj": ("Syrc",),
    "Syrn": ("Syrc",),
}
# Z: common, inherited, unknown and no script at all; Q: private use.
_CODE = re.compile("[A-PR-Y][a-z]{3}")


def unicode_scripts(code: str) -> tuple[str, ...]:
    """The Unicode scripts of an ISO 15924 code; none for what is no code of a script that Unicode has letters of."""
    if code in _MADE_OF:
        return _MADE_OF[code]
    if not _CODE.fullmatch(code):
        return ()
    try:
        regex.compile(rf"\p{{scx={code}}}")
    except regex.error:
        return ()
    return (code,)
