"""The commands of `xinstr`, which are in modules of their own in `commands/`, found and put together."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module

import typer

from xinstr_core.disk import full_disk_told
from xinstr_core.errors import XinstrError
from xinstr_core.workspace import home_folder
from xinstr_dagster.cli import commands
from xinstr_dagster.cli.exit_codes import ExitCode, exit_codes_help
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.output import print_error


def command_line() -> typer.Typer:
    """Every group of `commands/`, by panel and then by the name of its module."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        help="Natural text in; curated pairs, a tuned model and a report out.",
        epilog=exit_codes_help(ExitCode),
    )
    order = list(Panel)
    for group in sorted(_groups(), key=lambda group: order.index(group.panel)):
        app.add_typer(group, rich_help_panel=group.panel)
    return app


def _groups() -> list[CommandGroup]:
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    return [import_module(f"{commands.__name__}.{name}").commands for name in names]


def run() -> None:
    """Run the command line; an error that the user can mend, of the file system too, is one line."""
    try:
        with full_disk_told(home_folder()):
            command_line()()
    except (XinstrError, OSError) as error:
        print_error(str(error))
        sys.exit(ExitCode.FAILED)
