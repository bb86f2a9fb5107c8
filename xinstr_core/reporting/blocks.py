"""What a page is made of: sections of blocks, which the template sets without knowing what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from xinstr_core.schemas.shared import SHARE
from xinstr_core.text import printable

MISSING = "-"
_LONG_WORD = 20  # characters


@dataclass(frozen=True)
class Paragraph:
    """A paragraph: what is said, a note in small print, or what a reader must not overlook."""

    text: str
    look: Literal["said", "note", "warning"] = "said"
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Cell:
    """A cell of a table. `native` is text in the language of the report, `number` is one."""

    text: str
    number: bool = False
    native: bool = False
    link: str = ""

    @property
    def is_long(self) -> bool:
        """Whether a word of it is as long as a path: on paper it may be broken anywhere."""
        return any(len(word) > _LONG_WORD for word in self.text.split())


@dataclass(frozen=True)
class Listing:
    """A table. Its first column names the row."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False  # behind a line that opens it
    kind: Literal["listing"] = "listing"

    @property
    def numeric(self) -> list[bool]:
        """Of each column whether it is set to the right: where any row has a number in it."""
        return [any(row[place].number for row in self.rows) for place in range(len(self.columns))]


@dataclass(frozen=True)
class Drawn:
    """A chart: what Vega-Lite draws (JSON), a still picture (SVG) for where no script runs, and its numbers as a table.

    `height`, in pixels, is that of the drawing however wide it is: the page keeps so much room from the start.
    """

    key: str
    title: str
    specification: str
    picture: str
    height: int
    numbers: Listing
    note: str = ""
    kind: Literal["drawn"] = "drawn"


@dataclass(frozen=True)
class Text:
    """A labelled text inside of a sample; `native` as of a cell."""

    label: str
    text: str
    native: bool = False


@dataclass(frozen=True)
class Sample:
    """Texts that belong together, what is to be known of them, and the key to look them up by."""

    texts: Sequence[Text]
    known: Sequence[str] = ()
    key: str = ""


@dataclass(frozen=True)
class Samples:
    """Samples under a heading. `beside`: after the first text of each, the others stand beside each other."""

    title: str
    samples: Sequence[Sample]
    beside: bool = False
    kind: Literal["samples"] = "samples"


Block = Paragraph | Listing | Drawn | Samples


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading, and an entry in the table of contents by its key."""

    key: str
    title: str
    blocks: Sequence[Block] = field(default=())


def cell(value: object) -> Cell:
    """A value as a table shows it: numbers with three digits, what is not known as a dash."""
    if value is None or value == "":
        return Cell(MISSING)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, (int, float)):
        return Cell(number(value), number=True)
    return Cell(printable(" ".join(str(value).split())))


def number(value: float) -> str:
    """A whole number in full, with separators; another with three decimals, or three digits where it is large or tiny."""
    if isinstance(value, int) or value.is_integer() or abs(value) >= 1000:
        shown = f"{value:,.0f}"
    else:
        shown = f"{value:.3f}" if abs(value) >= 0.001 else f"{value:.3g}"
    return _with_minus(shown)


def counted(count: float, noun: str) -> str:
    """So many of a thing, in the singular or plural."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """A share for a sentence: whole percent, and no 0 % or 100 % for what is not none or all."""
    shown = f"{100 * share:.0f}"
    if shown in ("0", "100") and 0 < share < 1:
        return "less than 1 %" if share < 0.5 else "more than 99 %"
    return f"{shown} %"


def spoken(value: float, unit: str) -> str:
    """A value for a sentence: shares in percent, others with their unit."""
    return percent(value) if unit == SHARE else f"{number(value)}{f' {unit}' if unit else ''}"


def with_interval(value: float, low: float | None, high: float | None, sign: bool = False) -> Cell:
    """A value with its interval, or that it has none."""
    form = "{:+.3f}" if sign else "{:.3f}"
    of_interval = "(no interval)" if low is None or high is None else f"[{form.format(low)}, {form.format(high)}]"
    return Cell(_with_minus(f"{form.format(value)} {of_interval}"), number=True)


def _with_minus(shown: str) -> str:
    """A minus is as wide as a plus, and no hyphen at which a line may end."""
    return shown.replace("-", "\N{MINUS SIGN}")


def shares(counts: dict[str, int], most: int = 8) -> str:
    """Counts by name in a sentence, the largest first, with their share of all; beyond so many names the others together."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    others = sum(count for _, count in ordered[most:])
    named = [*ordered[:most], *([(f"{len(ordered) - most} others", others)] if others else [])]
    return ", ".join(f"{name} {count:,} ({percent(count / total)})" for name, count in named)
