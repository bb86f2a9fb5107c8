"""Text that is not as somebody wrote it: decoded in a wrong encoding, with letters lost, or shown in another order."""

from __future__ import annotations

import re

_OVERRIDE = re.compile("[\u202d\u202e]")  # shows letters in another order than they stand; no script needs them
# Bytes of UTF-8 read one by one give a letter of Latin-1 and a character of Windows-1252's upper half.
_MOJIBAKE = re.compile("[\u0080-\u00ff\u0152-\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{2}")


def is_mojibake(text: str) -> bool:
    """Whether a text was decoded in a wrong encoding: ftfy finds it bad and can undo it.

    Only where two suspects stand together is it asked; and bad alone would be every Finnish quotation that opens with Ä.
    """
    import ftfy
    from ftfy.badness import is_bad

    return bool(_MOJIBAKE.search(text)) and bool(is_bad(text)) and str(ftfy.fix_encoding(text)) != text


def damage(text: str) -> tuple[str, str, str] | None:
    """(reason, value, threshold) of a text that is not as it was written."""
    if "\ufffd" in text:
        return "lost_characters", "U+FFFD", ""
    if override := _OVERRIDE.search(text):
        return "direction_override", f"U+{ord(override.group()):04X}", ""
    return ("mojibake", "", "corpus.repair_mojibake repairs it") if is_mojibake(text) else None
