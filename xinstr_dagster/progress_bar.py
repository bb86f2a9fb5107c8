"""Progress of the stages, wherever they run: bars on the terminal, lines now and then where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from xinstr_dagster.execution import Listener

SILENT = 60.0  # seconds after which whoever reads a log wonders whether anything still happens
BRIEF = 30.0  # and up to which a stage needs no line of its own: what fails soon is one line


@contextmanager
def progress_bar(console: Console) -> Iterator[Listener]:
    """A listener that shows one bar a stage, with its figures, for as long as the block runs.

    Where nobody watches, it prints a line on standard error for every stage, and for every minute of one.
    """
    if not console.is_terminal:
        yield _lines(Console(stderr=True))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[tuple[str, str], TaskID] = {}

        def listen(stage: str, language: str, done: int, total: int, figures: dict[str, float]) -> None:
            key = (language, stage)
            if key not in tasks:
                tasks[key] = progress.add_task(f"{language} {stage}", total=total or None, figures="")
            progress.update(tasks[key], completed=done, total=total or None, figures=_shown(figures))

        yield listen


def _lines(console: Console) -> Listener:
    """A listener that prints the stage that a language is in, unless the line before is BRIEF, or of the same stage SILENT, old."""
    told: dict[str, tuple[str, float]] = {}

    def listen(stage: str, language: str, done: int, total: int, figures: dict[str, float]) -> None:
        now = time.monotonic()
        before, at = told.setdefault(language, ("", now))
        if now - at >= (SILENT if stage == before else BRIEF):
            told[language] = stage, now
            of = f" {done} of {total}" if total else ""
            console.print(f"{language} {stage}{of} {_shown(figures)}".rstrip(), soft_wrap=True, highlight=False)

    return listen


def _shown(figures: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in figures.items())
