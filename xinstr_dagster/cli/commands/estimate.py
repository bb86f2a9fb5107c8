"""`xinstr estimate`: what a build would take, before anything of it is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from xinstr_core.estimate.seen import rates
from xinstr_core.progress import duration
from xinstr_core.workspace import home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import BaseModel, CorpusPath, Overrides, Preset, SeedsPath, choices_of
from xinstr_dagster.cli.output import console, plain

if TYPE_CHECKING:
    from xinstr_core.estimate.cost import StageEstimate

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
    from xinstr_core.engines.roles import NEEDS, check_roles
    from xinstr_core.estimate.cost import estimate as estimated
    from xinstr_dagster.board import not_current
    from xinstr_dagster.build import BuildRequest

    workspace = BuildRequest(**choices_of(corpus, seeds, base_model, preset, override)).workspace(home_folder())
    language = workspace.language(tag)
    precision = workspace.precision(language)
    check_model(workspace.model(language))
    check_roles(workspace.settings(language), NEEDS)
    found = estimated(workspace, tag, machine_rate(precision.name))
    to_build = not_current(workspace, tag)
    seen = [stage.seen for stage in found.stages if stage.seen]
    prices = ["money"] if seen and workspace.settings(language).engines.have_prices else []
    headings = ("stage", "rows", "read", "written", "trained", "memory", "time", *prices)
    # With all columns it has just the 80 of a terminal that tells no width, and no stage is cut.
    table = Table(*headings, caption="tokens in thousands", pad_edge=False)
    for stage in found.stages:
        tokens = (stage.work.read_tokens, stage.work.written_tokens, stage.work.trained_tokens)
        shown = [f"{count / 1000:,.1f}" if count else "-" for count in tokens]
        takes = duration(stage.seconds) if stage.asset in to_build else "built"
        costs = [f"{stage.money:,.2f}" if stage.seen and stage.asset in to_build else "-"] if prices else []
        table.add_row(stage.asset, f"{stage.work.rows}", *shown, f"{stage.memory / 2**30:.1f} GiB", takes, *costs)
    console.print(table)
    total = duration(sum(stage.seconds for stage in found.stages if stage.asset in to_build))
    console.print(
        f"{plain(workspace.model(language).name)}: {found.parameters / 1e6:.0f} M parameters in {found.precision} ({plain(precision.reason)}); "
        f"{found.free_memory / 2**30:.1f} GiB are free; about {total} in all"
        f"{' of what is not built yet' if len(to_build) < len(found.stages) else ''}",
        soft_wrap=True,
        highlight=False,
    )
    for line in _as_seen(found.stages):
        console.print(plain(line), soft_wrap=True, highlight=False)
    if prices:
        money = _in_money([stage for stage in found.stages if stage.asset in to_build])
        console.print(money, soft_wrap=True, highlight=False)
    console.print(
        f"[yellow]does not fit: {plain(found.advice)}[/]" if found.advice else "[green]fits[/]", soft_wrap=True
    )


def _in_money(stages: Sequence[StageEstimate]) -> str:
    """What engines will cost in these stages, as far as builds have told it."""
    asked = [stage for stage in stages if stage.work.read_tokens or stage.work.written_tokens]
    unknown = [stage.asset for stage in asked if not stage.seen]
    known = f"{'at least' if unknown else 'about'} {sum(stage.money for stage in stages):,.2f} for engines"
    missing = f", and what no build has told yet: {', '.join(unknown)}" if unknown else ""
    return f"{known}{missing}; by the prices of the settings, without trainings"


def _as_seen(stages: Sequence[StageEstimate]) -> Iterator[str]:
    """Where times and money are from, and the rates there; nothing where no build has told any."""
    by_source: dict[str, list[str]] = {}
    for stage in stages:
        if stage.seen:
            source = f"as seen in {stage.seen.language}, {stage.seen.time.partition('T')[0]}"
            by_source.setdefault(source, []).append(stage.asset)
    for source, assets in by_source.items():
        yield f"{source}: {', '.join(assets)}"
    yield from rates(stage.seen for stage in stages if stage.seen)
