"""Is a generated instruction one at all? Cheap checks before any rating; each failure is a status of the row."""

from __future__ import annotations

import regex

from xinstr_core.corpus.identification import identify
from xinstr_core.identity import normalised
from xinstr_core.schemas.candidate_pairs import ACCEPTED
from xinstr_core.text import ENGLISH_FUNCTION_WORDS, is_storable, printable

_WORD = regex.compile(r"[\p{L}\p{M}]+")
_COPIED_RUN = 8  # words: no instruction of ours or of the published sets quotes eight words of its answer


def instruction_status(
    raw: str, response: str, *, finished: bool, maximum_characters: int, opening: str = ""
) -> tuple[str, str]:
    """(the instruction, ACCEPTED or the reason against it) for what a reverse model wrote about `response`, from an `opening` on."""
    instruction = raw.strip()
    if instruction in ("", opening.strip()):
        return instruction, "empty"
    if not is_storable(instruction) or "\ufffd" in instruction:  # the mark of bytes that are no character
        return instruction.replace("\x00", "\ufffd"), "not_text"
    if len(instruction.splitlines()) > 1:
        return instruction, "several_lines"
    if not finished:
        return instruction, "unfinished"
    if printable(instruction) != instruction:
        return instruction, "control_characters"
    if len(instruction) > maximum_characters:
        return instruction, "too_long"
    if _is_copied(instruction, response):
        return instruction, "copied"
    if not is_english(instruction, response):
        return instruction, "not_english"
    return instruction, ACCEPTED


def _is_copied(instruction: str, response: str) -> bool:
    form, text = normalised(instruction), normalised(response)
    words = form.split()
    runs = [" ".join(words[i : i + _COPIED_RUN]) for i in range(len(words) - _COPIED_RUN + 1)]
    return form in text or any(run in text for run in runs)


def is_english(instruction: str, response: str) -> bool:
    """English once the names it takes over from the response, in whatever script, are left out."""
    names = set(_WORD.findall(response.casefold()))
    words = [
        word for word in _WORD.findall(instruction.casefold()) if word not in names or word in ENGLISH_FUNCTION_WORDS
    ]
    if not words:
        return False
    latin = sum(word.isascii() for word in words) / len(words)
    function = sum(word in ENGLISH_FUNCTION_WORDS for word in words) / len(words)
    return latin >= 0.8 and (function >= 0.2 or identify(" ".join(words)).label == "en")
