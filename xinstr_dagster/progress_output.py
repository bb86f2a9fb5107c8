"""Progress of the stages on the command line, wherever they run: a line a language that is redrawn, lines now and then, or JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from enum import StrEnum
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from xinstr_core.progress import Event, Listener, Seldom

# Between two lines of a language where no terminal is: whoever follows a log wonders after a minute whether anything
# still happens, and a night's build of ten hours is no more than 600 lines a language.
LINE_SECONDS = 60.0
_STANDARD_OUTPUT = 1
JSON_SECONDS = 1.0  # a program that draws a bar of it wants no more


class Output(StrEnum):
    """How progress is told: for people, or as one JSON object a line on standard error."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def progress_output(
    console: Console, output: Output = Output.TEXT, clock: Callable[[], float] = time.monotonic
) -> Iterator[Listener]:
    """A listener that shows what it hears, for as long as the block runs.

    On a terminal every language that is being built has a line, which is redrawn. Where nobody watches, lines go to
    standard error: of every language one a minute, and one at the end of every stage.
    """
    if output is Output.JSON:
        yield Seldom(JSON_SECONDS, _json_lines(sys.stderr), clock)
    elif console.is_terminal and not console.is_dumb_terminal:
        printed = console.file is sys.stdout and os.isatty(_STANDARD_OUTPUT)
        own = _own_stream(console) if printed else nullcontext()
        with own, Live(console=console, transient=True, redirect_stderr=sys.stderr.isatty()) as live:
            yield _redrawn(live)
    else:
        yield Seldom(LINE_SECONDS, _lines(Console(stderr=True)), clock)


@contextmanager
def _own_stream(console: Console) -> Iterator[None]:
    """Let it write to the terminal itself: Dagster turns standard output into a file as long as a run of this process goes on."""
    with os.fdopen(os.dup(_STANDARD_OUTPUT), "w", encoding=sys.stdout.encoding, errors="replace") as terminal:
        console.file = terminal
        try:
            yield
        finally:
            console.file = sys.stdout


def _redrawn(live: Live) -> Listener:
    """A line of every language below all that is printed, as long as one of its stages runs."""
    told: dict[str, Event] = {}

    def listen(event: Event) -> None:
        before = _work_of(told)
        if event.ended:
            told.pop(event.language, None)
        else:
            told[event.language] = event
        lines = (Text(one.line(), no_wrap=True, overflow="ellipsis") for one in told.values())
        live.update(Group(*lines), refresh=_work_of(told) != before)  # else a few times a second

    return listen


def _work_of(told: dict[str, Event]) -> list[tuple[str, str, str]]:
    """What every language does."""
    return [(language, event.stage, event.doing) for language, event in told.items()]


def _lines(console: Console) -> Listener:
    """Lines one after the other. What failed is told by its error, and what had nothing to do by nobody."""

    def listen(event: Event) -> None:
        if event.ended != "failed" and (event.doing or not event.ended):
            console.print(Text(event.line()), soft_wrap=True)

    return listen


def _json_lines(stream: TextIO) -> Listener:
    def listen(event: Event) -> None:
        print(json.dumps(_rounded(asdict(event)), ensure_ascii=False), file=stream, flush=True)

    return listen


def _rounded(values: dict[str, object]) -> dict[str, object]:
    """A digit of seconds and three of a rate are more than anybody can tell."""
    return {
        name: round(value, 1 if "seconds" in name else 3) if isinstance(value, float) else value
        for name, value in values.items()
    }
