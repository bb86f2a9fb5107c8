"""The reference page: what every asset takes and gives, from its declaration. `python -m xinstr_core.reference` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xinstr_core.catalogue import VIEWS
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import Column, Declared, FigureDeclaration, Table, declarations, inside
from xinstr_core.schemas.export import EXPORTED
from xinstr_core.schemas.metrics import METRICS
from xinstr_core.schemas.shared import Cost
from xinstr_core.stages import LINE
from xinstr_core.stages.stage import Stage

_OPENING = """# Reference

Made by `make reference` from `xinstr_core/schemas/`: what every asset takes, and what it gives: tables, folders and figures.
A table is `data/<asset>/language=<tag>/<table>-<hash>.parquet`; those with a view are in `data/catalog.duckdb`, where every view
and column has its comment (`DESCRIBE`, `duckdb_columns()`). Figures are in `manifest.json` under these names; every number of every build is a row of the view `history`, parts of a figure after points.
"""


def reference() -> str:
    """The page, in Markdown."""
    parts = [_OPENING, *(line for stage in LINE for line in _asset(stage))]
    metrics = [
        [metric.name, metric.meaning, metric.unit, f"{metric.better} is better" if metric.better else ""]
        for metric in METRICS
    ]
    parts += ["## What eval_report measures\n", _table(["metric", "meaning", "unit", ""], metrics)]
    parts += ["## Cost of every asset\n", *_figures(Cost)]
    parts += ["## What the catalogue adds\n"]
    parts += [line for table in VIEWS if table.asset not in CONTRACTS for line in _of_table(table)]
    parts += ["## What an export holds\n"]
    parts += [line for table in EXPORTED for line in _of_table(table)]
    return "\n".join(parts)


def _asset(stage: Stage) -> Iterator[str]:
    contract = stage.gives
    yield f"## {contract.asset}\n\n{contract.meaning}\n"
    yield f"Takes: {', '.join(stage.upstream) or 'what the language names'}. Settings: {', '.join(stage.settings)}.\n"
    for table in contract.tables:
        yield from _of_table(table)
    if contract.folders:
        yield _table(["folder", "what it holds"], [[f"`{folder.name}`", folder.meaning] for folder in contract.folders])
    yield from _figures(contract.figures)


def _of_table(table: Table) -> Iterator[str]:
    view = f" (view `{table.view}`)" if table.view else ""
    yield f"### {table.asset}.{table.name}{view}\n\n{table.meaning}\n"
    yield _table(["column", "type", "unit", "meaning", "holds"], [_column(column) for column in table.columns])


def _column(column: Column) -> list[str]:
    kind = str(column.dtype() if isinstance(column.dtype, type) else column.dtype)
    switched = "only where its signals or constructions are switched on" if column.optional else ""
    return [
        f"`{column.name}`",
        kind,
        column.unit,
        column.meaning,
        ", ".join(filter(None, (column.constraint, switched))),
    ]


def _figures(figures: type[Declared]) -> Iterator[str]:
    rows = [_figure(name, one) for name, one in _named(figures)]
    yield _table(["figure", "label", "unit", "meaning", "better", "compared with"], rows)


def _named(figures: type[Declared], prefix: str = "") -> Iterator[tuple[str, FigureDeclaration]]:
    """Every figure by its name, those inside of figures after it."""
    for name, one in declarations(figures).items():
        yield f"{prefix}{name}", one
        for kind in inside(figures, name):
            yield from _named(kind, f"{prefix}{name}.")


def _figure(name: str, one: FigureDeclaration) -> list[str]:
    return [f"`{name}`", one.label, one.unit, one.meaning, one.better or "", one.compared_with]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
