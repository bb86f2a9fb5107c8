"""The main text of an HTML page, in the characters in which somebody wrote it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

# References to control characters mean letters and signs of windows-1252 (HTML 13.2.5.80), which the parser does not know.
_CONTROL_REFERENCE = re.compile(r"&#(?:1[2-5]\d(?!\d)|x[89][0-9a-f](?![0-9a-f]));?", re.IGNORECASE)
# An escape of JSON for a character that is not to be seen: the extractor reads articles from scripts of linked data, too.
_ESCAPED = re.compile(r"\\u(?:200[b-f]|00ad|206[0-4]|feff)", re.IGNORECASE)
# Marks without a look of their own, for which the extractor has no rule: they stand in for what it would drop.
_STAND_INS = [chr(code) for code in range(0xE0100, 0xE01F0)]


def main_text(page: str) -> str | None:
    """The main text, paragraphs a line each, or None where there is none.

    The extractor drops every character that Python calls unprintable. Among them are the joiners with which Persian,
    Kurdish and the languages of India spell, and letters that are younger than this Python: all of them are kept.
    """
    import trafilatura

    tree = trafilatura.load_html(_CONTROL_REFERENCE.sub(lambda found: html.unescape(found[0]), page))
    if tree is None:
        return None
    stand_ins = _stand_ins("".join(_texts(tree)))
    if stand_ins:
        _translate(tree, {ord(dropped): mark for dropped, mark in stand_ins.items()})
    found = trafilatura.bare_extraction(tree, include_comments=False, include_tables=False, include_formatting=False)
    if found is None or not found.text:
        return None
    text = str(found.text)  # `extract` would also compose and decompose letters (NFC)
    return text.translate({ord(mark): dropped for dropped, mark in stand_ins.items()})


def _stand_ins(text: str) -> dict[str, str]:
    """For every character of a text that would be dropped a mark that the text does not have, as long as there are some."""
    present = set(text)
    dropped = sorted(one for one in present if not (one.isprintable() or one.isspace()))
    return dict(zip(dropped, (mark for mark in _STAND_INS if mark not in present), strict=False))


def _texts(tree: Any) -> Iterator[str]:
    for element in tree.iter():
        if element.tag == "script" and element.text:
            element.text = _ESCAPED.sub(lambda found: chr(int(found[0][2:], 16)), element.text)
        yield element.text or ""
        yield element.tail or ""


def _translate(tree: Any, table: Mapping[int, str]) -> None:
    for element in tree.iter():
        if element.text:
            element.text = element.text.translate(table)
        if element.tail:
            element.tail = element.tail.translate(table)
