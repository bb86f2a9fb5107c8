"""`xinstr explain`: a preset's values, and how surely each is the authors'."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from xinstr_core.presets.explain import AUTHORS_LEVELS, DECLARED, LEVELS, OUR_LEVELS, ExplainedSetting
from xinstr_core.presets.explain import explain as explained_settings
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.output import console

commands = CommandGroup(Panel.SET_UP)
_COLOURS = dict.fromkeys(AUTHORS_LEVELS, "green") | dict.fromkeys(OUR_LEVELS, "yellow") | {DECLARED: "dim"}
_MEANINGS = {
    "read": "seen in a primary source of the authors",
    "secondary": "seen in a review or summary",
    "recalled": "from memory, not read again",
    "inferred": "concluded from the evidence named",
    "ours": "our own choice",
    DECLARED: "not in the preset, as settings.py declares it",
}
_ROOM = 22  # columns of a value on a line of 80; longer ones are broken, hub ids after their owner


@commands.ending_with(*ORDINARY)
def explain(
    preset: Annotated[str, typer.Argument(help="preset of settings, e.g. faithful")],
    ours: Annotated[
        bool, typer.Option("--ours", help="only what is not known to be the authors': inferred, ours")
    ] = False,
) -> None:
    """Print a preset's values, how surely each is the authors' of the method, and why.

    What xinstr.toml or --set change is not shown: it is yours.
    """
    settings = explained_settings(preset)
    shown = [setting for setting in settings if not ours or setting.level in OUR_LEVELS]
    for section, members in groupby(shown, key=lambda setting: setting.key.rpartition(".")[0]):
        console.print(_table(section, list(members)))
        console.print()
    counts = Counter(setting.level for setting in settings)
    console.print(f"The {len(settings)} settings of [bold]{preset}[/]:")
    for level in LEVELS:
        if counts[level]:
            console.print(f"{counts[level]:4} {_coloured(f'{level:9}', level)}  {_MEANINGS[level]}")
    console.print(f"{sum(s.overridden for s in settings):4} *          other than settings.py declares")


def _table(section: str, settings: list[ExplainedSetting]) -> Table:
    room = max(_ROOM, console.width // 4)
    values = [_written(setting.value) + (" *" if setting.overridden else "") for setting in settings]
    values = [value if len(value) <= room else value.replace("/", "/\n") for value in values]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(section or "setting", no_wrap=True)
    table.add_column(
        "value", overflow="fold", width=min(room, max(len(line) for v in values for line in v.splitlines()))
    )
    table.add_column("certainty", no_wrap=True)
    table.add_column("why", overflow="fold")
    for setting, value in zip(settings, values, strict=True):
        name = setting.key.rpartition(".")[2]
        table.add_row(name, escape(value), _coloured(setting.level, setting.level), escape(setting.reason))
    return table


def _coloured(text: str, level: str) -> str:
    return f"[{_COLOURS[level]}]{text}[/]"


def _written(value: Any) -> str:
    """A value as a person reads it: without quotes, a list by its commas."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or value in ((), ""):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
