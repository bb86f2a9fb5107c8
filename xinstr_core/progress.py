"""How a stage tells how far it is: the same call serves a terminal, a Dagster log and a test."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then with what is done, out of how much, and figures worth watching."""

    def __call__(self, done: int, total: int, **figures: float) -> None: ...


def silent(done: int, total: int, **figures: float) -> None:
    """Tell nobody."""
