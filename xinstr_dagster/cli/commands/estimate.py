"""`xinstr estimate`: what a build would take, before anything of it is loaded."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from xinstr_core.progress import duration
from xinstr_core.workspace import home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import BaseModel, CorpusPath, Overrides, Preset, SeedsPath, choices_of
from xinstr_dagster.cli.output import console, plain

commands = CommandGroup(Panel.BUILD)


@commands.ending_with(*ORDINARY)
def estimate(
    tag: Annotated[str, typer.Argument(help="language key, e.g. sw")],
    corpus: CorpusPath = "",
    seeds: SeedsPath = "",
    base_model: BaseModel = "",
    preset: Preset = "",
    override: Overrides = None,
) -> None:
    """Rows, tokens, memory and time of every stage of a build with these options, and whether it fits this machine."""
    from xinstr_core.engines.machine import machine_rate
    from xinstr_core.engines.models import check_model
    from xinstr_core.estimate.cost import estimate as estimated
    from xinstr_dagster.board import not_current
    from xinstr_dagster.build import BuildRequest

    workspace = BuildRequest(**choices_of(corpus, seeds, base_model, preset, override)).workspace(home_folder())
    language = workspace.language(tag)
    precision = workspace.precision(language)
    check_model(workspace.model(language))
    found = estimated(workspace, tag, machine_rate(precision.name))
    to_build = not_current(workspace, tag)
    table = Table("stage", "rows", "read", "written", "trained", "memory", "time", caption="tokens in thousands")
    for stage in found.stages:
        tokens = (stage.work.read_tokens, stage.work.written_tokens, stage.work.trained_tokens)
        shown = [f"{count / 1000:,.1f}" if count else "-" for count in tokens]
        takes = duration(stage.seconds) if stage.asset in to_build else "built"
        table.add_row(stage.asset, f"{stage.work.rows}", *shown, f"{stage.memory / 2**30:.1f} GiB", takes)
    console.print(table)
    total = duration(sum(stage.seconds for stage in found.stages if stage.asset in to_build))
    console.print(
        f"{plain(workspace.model(language).name)}: {found.parameters / 1e6:.0f} M parameters in {found.precision} ({plain(precision.reason)}); "
        f"{found.free_memory / 2**30:.1f} GiB are free; about {total} in all"
        f"{' of what is not built yet' if len(to_build) < len(found.stages) else ''}",
        soft_wrap=True,
        highlight=False,
    )
    console.print(
        f"[yellow]does not fit: {plain(found.advice)}[/]" if found.advice else "[green]fits[/]", soft_wrap=True
    )
