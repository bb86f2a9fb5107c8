"""`xinstr sql`: questions to everything that was built."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from shutil import copyfileobj, get_terminal_size
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from xinstr_core.errors import InputError
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY, ExitCode
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.output import console

if TYPE_CHECKING:
    from xinstr_core.sql import Reader

commands = CommandGroup(Panel.LOOK)


class Format(StrEnum):
    """How rows are given: for people, or as one of FORMATS in xinstr_core/sql.py."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


@commands.ending_with(*ORDINARY)
def sql(
    query: Annotated[str, typer.Argument(help="what to ask; without it a shell, or what standard input holds")] = "",
    kind: Annotated[
        Format | None, typer.Option("--format", help="how rows are given; table on a terminal, else csv")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="file for the rows, in the format that its name ends in")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a file that is there already")] = False,
    rows: Annotated[int, typer.Option(min=1, help="rows of a table that are shown at most")] = 40,
    tables: Annotated[bool, typer.Option("--tables", help="say what there is to ask")] = False,
    describe: Annotated[str, typer.Option(metavar="VIEW", help="say what the columns of a view mean")] = "",
) -> None:
    """Ask everything that was built, in DuckDB's SQL: it only reads, also while something is built.

    Ten questions with their answers: docs/questions.md.
    """
    from xinstr_core.sql import QueryError, reader
    from xinstr_dagster.cli.sql_shell import described, overview, print_query_error, run_shell

    if tables or describe:
        console.print(described(describe) if describe else overview())
        return
    workspace = Workspace(home_folder())
    if not query and sys.stdin.isatty():
        run_shell(workspace, rows)
        return
    try:
        with reader(workspace.store, workspace.home) as catalogue:
            _answer(catalogue, query or sys.stdin.read(), _format(kind, to), to, rows, overwrite)
    except QueryError as error:
        print_query_error(error)
        raise typer.Exit(ExitCode.FAILED) from None


def _format(kind: Format | None, to: Path | None) -> Format:
    """The format that was asked for. InputError where the rows cannot be given in it."""
    if to is None:
        found = kind or (Format.TABLE if sys.stdout.isatty() else Format.CSV)
        if found is Format.PARQUET:
            raise InputError("Parquet is no text: say with --to FILE where it shall be")
        return found
    named = kind or to.suffix.removeprefix(".")
    data = [str(one) for one in Format if one is not Format.TABLE]
    if named not in data:
        raise InputError(f"{to} is to hold data: give it a name that ends in one of {', '.join(data)}, or a --format")
    return Format(named)


def _answer(catalogue: Reader, text: str, kind: Format, to: Path | None, rows: int, overwrite: bool) -> None:
    from xinstr_core.sql import Shape

    statements = catalogue.statements(text)
    if not statements:
        raise InputError("nothing is asked: give a query, as in xinstr sql 'FROM lineage LIMIT 3'")
    kept = [statement for statement in statements if not catalogue.has_rows(statement)]
    if kind is Format.TABLE or (to is None and len(kept) == len(statements)):
        for statement in statements:
            print(catalogue.shown(statement, Shape(get_terminal_size((120, 40)).columns, rows)))
        return
    if kept:
        raise InputError(f"{kind} holds the rows of a query, and this gives none: {' '.join(kept[0].split())[:60]}")
    if len(statements) > 1:
        raise InputError(f"{kind} holds the rows of one query, and {len(statements)} were asked")
    if to is not None:
        catalogue.write(statements[0], to, kind, overwrite)
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        catalogue.write(statements[0], path, kind)
        with path.open("rb") as stream:
            copyfileobj(stream, sys.stdout.buffer)
