"""`xinstr status` and `xinstr lineage`: what was built, and where a pair comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from xinstr_core.errors import InputError, SettingsError
from xinstr_core.languages import read_languages
from xinstr_core.pocket.world import WORLDS
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import BaseModel, CorpusPath, Overrides, Preset, SeedsPath, choices_of
from xinstr_dagster.cli.output import console, plain, print_error

commands = CommandGroup(Panel.LOOK)


@commands.ending_with(*ORDINARY)
def status(
    corpus: CorpusPath = "",
    seeds: SeedsPath = "",
    base_model: BaseModel = "",
    preset: Preset = "",
    override: Overrides = None,
) -> None:
    """Which stages of which language are current, stale or missing, seen by a build with the same options."""
    from xinstr_dagster.board import CURRENT, MISSING, rows_of, short, states
    from xinstr_dagster.build import BuildRequest

    request = BuildRequest(**choices_of(corpus, seeds, base_model, preset, override))
    workspace = request.workspace(home_folder())
    for source in (request.corpus, request.seeds):
        if source not in ("", *WORLDS) and "://" not in source and not Path(source).exists():
            raise SettingsError(f"{source} does not exist: give the file or folder of the build")
    languages = read_languages(workspace.registry)
    for language in languages.values():
        workspace.settings(language)
        if request.base_model:  # else a look would fetch the models of languages that were never built
            workspace.model(language)
    shown: dict[str, dict[str, str]] = {}
    built: set[str] = set()
    for tag in sorted(languages):
        for stage, state in states(workspace, tag):
            built |= {tag} if state != MISSING else set()
            rows = rows_of(workspace, stage, tag)
            colour = {CURRENT: "green", MISSING: "dim"}.get(state, "yellow")
            text = f"[{colour}]{short(state)}{'' if rows is None else f' {rows}'}[/]"
            shown.setdefault(stage, {})[tag] = text
    tags = list(next(iter(shown.values()), {}))
    table = Table("stage", *tags, padding=0)  # stages down the side: ten languages fit 80 columns
    for stage, cells in shown.items():
        table.add_row(stage, *(cells[tag] for tag in tags))
    console.print(table)
    for tag in sorted(built):
        _say_of_model(workspace, tag)


def _say_of_model(workspace: Workspace, tag: str) -> None:
    """Why all of a language that was built is stale, where its base model cannot be found or is broken."""
    try:
        workspace.model(workspace.language(tag))
    except InputError as error:
        print_error(f"{tag}: {error}")


@commands.ending_with(*ORDINARY)
def lineage(pair_id: Annotated[str, typer.Argument(help="key of a pair, from any table or the UI")]) -> None:
    """Follow a pair: document, instruction, ratings, cluster, split, model."""
    from xinstr_core.catalogue import pair_lineage

    table = Table(show_header=False)
    for name, value in pair_lineage(Workspace(home_folder()).store, pair_id).items():
        table.add_row(name, "-" if value is None else plain(str(value)))
    console.print(table)
