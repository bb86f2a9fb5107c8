"""Markdown of cards: whatever is set into a template is text, and made to stay so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from xinstr_core.text import printable

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SIGNS = re.compile(r"([\\`*_\[\]{}|#~!$])")


class Markdown(str):
    """What is Markdown already."""

    __slots__ = ()


def escaped(value: Any) -> str:
    """A value as one line of text in which no sign means anything to Markdown or HTML."""
    if isinstance(value, Markdown):
        return value
    text = "".join(_HTML.get(character, character) for character in printable(" ".join(str(value).split())))
    return _SIGNS.sub(r"\\\1", text)


def code_block(text: str, language: str = "") -> Markdown:
    """A text as it is, between fences that are longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}{language}\n{text}\n{fence}")


def code(text: str) -> Markdown:
    """A name in a code span, where no sign means anything; none of ours holds a backtick."""
    return Markdown("`" + text.replace("`", "'").replace("|", "\\|") + "`")


def render(package: str, template: str, values: Mapping[str, Any]) -> str:
    """A template of a package; every value in it is escaped unless it is Markdown. An unknown name is an error."""
    import jinja2

    environment = jinja2.Environment(
        finalize=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.from_string((files(package) / template).read_text("utf-8")).render(**values)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markdown:
    """A table whose cells are text, or Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return Markdown(
        "\n".join(
            "| " + " | ".join(cell if line is lines[1] else escaped(cell) for cell in line) + " |" for line in lines
        )
    )
