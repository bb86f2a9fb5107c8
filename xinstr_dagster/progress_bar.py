"""Progress bars on the terminal, fed by the stages wherever they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from xinstr_dagster.execution import Listener


@contextmanager
def progress_bar(console: Console) -> Iterator[Listener]:
    """A listener that shows one bar a stage, with its figures, for as long as the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[tuple[str, str], TaskID] = {}

        def listen(stage: str, language: str, done: int, total: int, figures: dict[str, float]) -> None:
            key = (language, stage)
            if key not in tasks:
                tasks[key] = progress.add_task(f"{language} {stage}", total=total or None, figures="")
            shown = " ".join(f"{name} {value:.4g}" for name, value in figures.items())
            progress.update(tasks[key], completed=done, total=total or None, figures=shown)

        yield listen
