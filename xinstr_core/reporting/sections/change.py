"""What is other than in the build before."""

from __future__ import annotations

from collections.abc import Iterator

from xinstr_core.errors import InputError
from xinstr_core.history import build_before, numbers
from xinstr_core.reporting.blocks import Cell, Listing, Paragraph, Section, cell
from xinstr_core.reporting.built import Built
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import declarations
from xinstr_core.store import Partition
from xinstr_core.text import without_folders


def section(built: Built) -> Section:
    try:
        return _compared(built)
    except InputError as error:  # a damaged history is no reason to show nothing
        return Section("change", "Beside the build before", [Paragraph(f"{error}.", "warning")])


def _compared(built: Built) -> Section:
    before = [row for partition in built.partitions.values() for row in _changes(partition)]
    if before:
        columns = ("stage", "figure", "before", "now", "difference")
        said = Listing("Figures that changed", columns, before)
        return Section("change", "Beside the build before", [*_built_before(built), said])
    known = [*_built_before(built)]
    nothing = "No figure changed." if known else "Each stage was built once: there is nothing to compare with."
    return Section("change", "Beside the build before", [*known, Paragraph(nothing)])


def _built_before(built: Built) -> Iterator[Listing]:
    rows = [
        [Cell(asset), Cell(f"{time:%Y-%m-%d %H:%M}"), cell(preset), cell(without_folders(changed or ""))]
        for asset, partition in built.partitions.items()
        for time, preset, changed in build_before(partition)
        .select("time", "preset", "changed_settings")
        .unique()
        .iter_rows()
    ]
    if rows:
        yield Listing("The builds before", ("stage", "ended", "preset", "changed settings"), rows, folded=True)


def _changes(partition: Partition) -> list[list[Cell]]:
    labels = {name: one.label for name, one in declarations(CONTRACTS[partition.asset].figures).items()}
    before = dict(build_before(partition).select("figure", "value").iter_rows())
    return [
        [
            Cell(partition.asset),
            Cell(_labelled(name, labels)),
            cell(before[name]),
            cell(now),
            _difference(now - before[name]),
        ]
        for name, now in numbers(partition.figures)
        if name in before and before[name] != now
    ]


def _difference(value: float) -> Cell:
    shown = cell(value)
    return Cell(f"+{shown.text}" if value > 0 else shown.text, number=True)


def _labelled(name: str, labels: dict[str, str]) -> str:
    """The figure's label, and after it the parts of its name that stand inside of it."""
    first, _, rest = name.partition(".")
    return f"{labels.get(first, first)}{f': {rest}' if rest else ''}"
