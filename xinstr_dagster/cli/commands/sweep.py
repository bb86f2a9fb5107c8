"""`xinstr sweep`: which learning rate tunes the model of a language best."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from xinstr_core.errors import SettingsError
from xinstr_core.evaluation.measures import Measure
from xinstr_core.progress import Reporter
from xinstr_core.workspace import home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import BaseModel, Overrides, Preset, choices_of
from xinstr_dagster.cli.output import console, plain
from xinstr_dagster.progress_output import progress_output

commands = CommandGroup(Panel.BUILD)
_MOST = 1.0  # above it no optimizer of this kind learns anything: a 3 that was meant as 3e-4


@commands.ending_with(*ORDINARY)
def sweep(
    tag: Annotated[str, typer.Argument(help="language key, e.g. sw")],
    rates: Annotated[str, typer.Option(help="comma-separated learning rates")] = "1e-4,3e-4,1e-3",
    base_model: BaseModel = "",
    preset: Preset = "",
    override: Overrides = None,
) -> None:
    """Train the tuned model at several learning rates, by likelihood and language of what none of them saw; a rerun goes on."""
    from xinstr_core.stages.sweep import sweep as swept
    from xinstr_dagster.build import BuildRequest

    wanted = _rates(rates)
    workspace = BuildRequest(**choices_of("", "", base_model, preset, override)).workspace(home_folder())
    with progress_output(console) as listen, Reporter("sweep", tag, [listen]) as progress:
        found = swept(workspace, tag, wanted, progress)
    table = Table(
        "rate", "held-out loss", "replies in another language", caption="loss in nats a token; 95 % intervals"
    )
    for one in found.results:
        mark = " *" if one is found.best else ""
        table.add_row(f"{one.rate:g}{mark}", _shown(one.likelihood, -1), _shown(one.wrong_language))
    console.print(table)
    console.print(
        f"learning_rate = {found.best.rate:g}  # in xinstr.toml, under [tuning]",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    console.print(plain(f"the trainings are kept in {found.folder}"), soft_wrap=True, highlight=False)


def _rates(given: str) -> list[float]:
    """SettingsError for what is no list of different rates."""
    try:
        rates = [float(rate) for rate in given.split(",")]
    except ValueError:
        rates = []
    if not rates or len(set(rates)) < len(rates) or not all(0 < rate <= _MOST for rate in rates):
        raise SettingsError(
            f"--rates {plain(given)!r}: write different learning rates between 0 and {_MOST:g} with commas between them, such as 1e-4,3e-4"
        )
    return rates


def _shown(measure: Measure, sign: int = 1) -> str:
    """A mean, or what it is with the other sign, with its interval where there is one."""
    if measure.low is None or measure.high is None:
        return f"{sign * measure.value:.3f}"
    low, high = sorted((sign * measure.low, sign * measure.high))
    return f"{sign * measure.value:.3f} ({low:.3f} to {high:.3f})"
