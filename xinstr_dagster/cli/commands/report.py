"""`xinstr report`: the report of what was built, written anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from xinstr_core.disk import full_disk_told
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.reporting.render import render_reports, reported, reports_folder, write_pages
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY, ExitCode
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import absolute_path
from xinstr_dagster.cli.output import console, plain, print_error

commands = CommandGroup(Panel.LOOK)


@commands.ending_with(*ORDINARY)
def report(
    languages: Annotated[list[str] | None, typer.Argument(help="language keys; none: all that are built")] = None,
    to: Annotated[Path | None, typer.Option(help="folder to write; else data/reports")] = None,
) -> None:
    """Write the report of languages, and one across all, as pages that a browser opens without any server."""
    workspace = Workspace(home_folder())
    tags = list(dict.fromkeys(languages or reported(workspace.store)))
    if not tags:
        raise InputError("nothing to report: no language is built; `xinstr build LANGUAGE` builds one")
    folder = absolute_path(to) if to else reports_folder(workspace.store)
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is no folder: say another one with --to")
    pages, troubles = render_reports(workspace, tags)
    for trouble in troubles:
        print_error(trouble)
    if pages and not (languages and troubles):  # what was asked for by name is written whole or not at all
        for path in _written(workspace, pages, folder):
            console.print(plain(str(path)), soft_wrap=True, highlight=False)
    if troubles:
        raise typer.Exit(ExitCode.FAILED)


def _written(workspace: Workspace, pages: Mapping[str, str], folder: Path) -> list[Path]:
    """The pages in their folder; a folder that was made for them and got none is not left behind."""
    was_there = folder.exists()
    try:
        with full_disk_told(folder.parent):
            return write_pages(workspace, pages, folder)
    finally:
        if not was_there and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
