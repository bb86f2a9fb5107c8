"""Cues of machine-made text: what translated and generated pages say of themselves. Silent ones are not found."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from importlib.resources import files


def machine_cue(text: str, language: str) -> tuple[str, str] | None:
    """(reason, the phrase that gave it away): machine_translated or machine_written; None without a cue."""
    folded = _folded(text)
    for reason, phrase in _phrases(language.split("-")[0]):
        if phrase in folded:
            return reason, phrase
    return None


def _folded(text: str) -> str:
    """Without case, composed; the dotted capital of Turkish is an i."""
    return unicodedata.normalize("NFC", text.casefold()).replace("i\u0307", "i")


@cache
def _phrases(language: str) -> tuple[tuple[str, str], ...]:
    cues = tomllib.loads((files("xinstr_core.corpus") / "machine_cues.toml").read_text("utf-8"))
    return tuple(
        (f"machine_{kind}", _folded(phrase))
        for kind, by_language in cues.items()
        for phrase in by_language["any"] + by_language.get(language, [])
    )
