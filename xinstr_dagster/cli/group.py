"""A group of commands: where `xinstr --help` lists them, and how each of them can end."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import typer

from xinstr_dagster.cli.exit_codes import ExitCode, exit_codes_help

Command = TypeVar("Command", bound=Callable[..., Any])


class Panel(StrEnum):
    """The panels of `xinstr --help`, in the order in which a newcomer needs them."""

    BUILD = "Build"
    LOOK = "Look at what was built"
    TAKE = "Take the data and the model, and try it"
    SET_UP = "Languages and settings"
    LABEL = "Label by hand"


class CommandGroup(typer.Typer):
    """The commands of one module: `xinstr NAME COMMAND`, or `xinstr COMMAND` for a group without a name."""

    def __init__(self, panel: Panel, name: str | None = None, help: str | None = None) -> None:
        super().__init__(name=name, help=help, no_args_is_help=True)
        self.panel = panel

    def ending_with(self, *codes: ExitCode, name: str | None = None) -> Callable[[Command], Command]:
        """Add a function as a command that can end with `codes`; its help says so. Unless told, `name` is the function's."""
        return self.command(name, epilog=exit_codes_help(codes), rich_help_panel=None if self.info.name else self.panel)
