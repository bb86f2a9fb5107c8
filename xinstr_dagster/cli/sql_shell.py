"""The shell of `xinstr sql`: a person's queries to the catalogue, one after the other, and what there is to ask."""

from __future__ import annotations

import readline
import sys
from collections.abc import Iterator
from contextlib import suppress
from shutil import get_terminal_size
from sqlite3 import complete_statement

from rich.table import Table as Printed

from xinstr_core.catalogue import VIEWS
from xinstr_core.errors import XinstrError
from xinstr_core.sql import QueryError, Reader, Shape, explain, reader
from xinstr_core.workspace import Workspace
from xinstr_dagster.cli.output import console, plain, print_error, print_notice

EXAMPLE = "SELECT language, licence, count(*) AS pairs FROM lineage WHERE split = 'train' GROUP BY ALL;"
_GREETING = f"""Everything that was built, in DuckDB's SQL. A query ends with a semicolon; the Tab key completes names.
  .tables          what there is to ask         .describe VIEW   what its columns mean
  .again           read what was built since    .exit            or Ctrl-D
  .help            this text
For example:  {EXAMPLE}"""
_WORDS = (
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY ALL",
    "ORDER BY",
    "LIMIT",
    "JOIN",
    "USING",
    "DISTINCT",
    "DESC",
    "count(*)",
)
_AGAIN, _END = ".again", (".exit", ".quit")


def overview() -> Printed:
    """Every view and what it holds."""
    shown = Printed("view", "what it holds")
    for table in sorted(VIEWS, key=lambda table: table.view):
        shown.add_row(table.view, plain(table.meaning))
    return shown


def described(view: str) -> Printed:
    """Every column of a view with type, unit and meaning. InputError where there is no such view."""
    table, columns = explain(view)
    shown = Printed("column", "type", "unit", "meaning", title=f"{view}: {plain(table.meaning)}", title_justify="left")
    for column in columns:
        shown.add_row(column.name, plain(column.type), column.unit, plain(column.meaning))
    return shown


def print_query_error(error: QueryError) -> None:
    """What is wrong with a query, and below it DuckDB's own lines that point at where."""
    print_error(str(error))
    for line in error.place:  # as it stands: its spaces say where
        print(line, file=sys.stderr, flush=True)


def run_shell(workspace: Workspace, rows: int) -> None:
    """Answer what is typed until the person ends it; whatever goes wrong in a query, the next one can be typed."""
    _complete_names()
    _greet()
    typed = _typed()
    while True:
        with reader(workspace.store, workspace.home) as catalogue:
            if not _answer_until_again(catalogue, typed, rows):
                return


def _greet() -> None:
    console.print(_GREETING, markup=False, highlight=False, soft_wrap=True)


def _answer_until_again(catalogue: Reader, typed: Iterator[str], rows: int) -> bool:
    """Whether the catalogue shall be opened again; else the person has ended."""
    noticed = False
    for statement in typed:
        word, _, rest = statement.rstrip(";").partition(" ")
        if word in _END:
            return False
        if word == _AGAIN:
            return True
        try:
            if word == ".help":
                _greet()
            elif word == ".tables":
                console.print(overview())
            elif word == ".describe":
                console.print(described(rest.strip()))
            elif word.startswith("."):
                print_error(f"no {word}: there are .tables, .describe VIEW, {_AGAIN}, .help and {_END[0]}")
            else:
                for one in catalogue.statements(statement):
                    print(catalogue.shown(one, Shape(get_terminal_size().columns, rows)))
        except QueryError as error:
            print_query_error(error)
        except XinstrError as error:
            print_error(str(error))
        except KeyboardInterrupt:
            print_notice("interrupted")
        if catalogue.is_old and not noticed:
            noticed = True
            print_notice(f"something was built since this was opened: {_AGAIN} reads it")
    return False


def _typed() -> Iterator[str]:
    """Whole statements, and words with a point before them, until the end of what is typed. Ctrl-C forgets a line."""
    lines: list[str] = []
    while True:
        try:
            lines.append(input("   ...> " if lines else "xinstr> "))
        except KeyboardInterrupt:
            lines.clear()
            print()
            continue
        except EOFError:
            print()
            return
        text = "\n".join(lines)
        if complete_statement(text) or text.lstrip().startswith(".") or not text.strip():
            lines.clear()
            if text.strip():
                yield text.strip()


def _complete_names() -> None:
    names = sorted({*_WORDS, *(t.view for t in VIEWS), *(c.name for t in VIEWS for c in t.columns)})

    def complete(begun: str, number: int) -> str | None:
        found = [name for name in names if begun and name.lower().startswith(begun.lower())]
        return found[number] if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,;()=<>+-*/'\"")
    with suppress(AttributeError):  # libedit, which some systems have in its place, is told otherwise
        readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")
