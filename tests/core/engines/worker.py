"""An engine's stand-in for the tests of rows, and the rows that it makes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from tests.core.conftest import Killed
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.progress import Progress, silent
from xinstr_core.store import Partition

SCHEMA = pl.Schema({KEY: pl.String, "length": pl.Int64, "words": pl.List(pl.String)})
REQUESTS = [Request(f"key-{i}", "x" * i, "one two") for i in range(7)]  # batches of 3: 0-2, 3-5, 6
FAULTS = ["ValueError", "RuntimeError", "UnicodeError", "IndexError", "KeyError", "TypeError", "OutOfMemoryError"]


def keys(*numbers: int) -> list[str]:
    return [f"key-{number}" for number in numbers]


def fault(name: str) -> Exception:
    """An error by its name; torch's own where Python has none."""
    import builtins

    if name == "OutOfMemoryError":
        import torch

        return torch.OutOfMemoryError("bad")
    if name == "UnicodeError":
        return UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    error: Exception = getattr(builtins, name)("bad")
    return error


class Worker:
    """An engine's stand-in and its work; counts how often it is asked for, remembers batches, fails at the keys that it is told to."""

    def __init__(self, fails: dict[str, BaseException] | None = None) -> None:
        self.fails = fails or {}
        self.loads = 0
        self.batches: list[list[str]] = []

    @property
    def asked(self) -> list[str]:
        return [key for batch in self.batches for key in batch]

    def load(self) -> Engine:
        self.loads += 1
        return self  # type: ignore[return-value]  # the work below asks it for nothing

    def row(self, request: Request) -> tuple[str, int, list[str]]:
        return request.key, len(request.prompt), request.completion.split()

    def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
        assert engine is self  # type: ignore[comparison-overlap]
        self.batches.append([request.key for request in batch])
        for request in batch:
            if request.key in self.fails:
                raise self.fails[request.key]
        return pl.DataFrame([self.row(request) for request in reversed(batch)], schema=SCHEMA, orient="row")

    def run(
        self,
        folder: Path,
        requests: Sequence[Request] = REQUESTS,
        *,
        batch_rows: int = 3,
        previous: Partition | None = None,
        progress: Progress = silent,
        share: float = 1.0,
    ) -> Rows:
        log = RowLog.open(folder, SCHEMA, previous, "done")
        return run_rows(
            self.load,
            requests,
            self.work,
            log,
            batch_rows=batch_rows,
            progress=progress,
            maximum_failed_share=share,
        )


def rows(numbers: Iterable[int]) -> list[tuple[str, int, list[str]]]:
    return [(f"key-{i}", i, ["one", "two"]) for i in numbers]


class ManyWorker(Worker):
    """One that takes many: each row has one of `rows_at_once` places while it is made, for an uneven time; `made` counts rows."""

    rows_at_once = 64

    def __init__(self, fails: dict[str, BaseException] | None = None) -> None:
        super().__init__(fails)
        self.made = 0
        self.given_up = False
        self._places, self._lock = threading.BoundedSemaphore(self.rows_at_once), threading.Lock()
        self._rng = random.Random(0)

    def batches_at_once(self, batch_rows: int) -> int:
        return -(-2 * self.rows_at_once // batch_rows)

    def give_up(self) -> None:
        self.given_up = True

    def row(self, request: Request) -> tuple[str, int, list[str]]:
        with self._places:
            with self._lock:
                seconds = self._rng.uniform(0, 0.004)
            time.sleep(seconds)
            with self._lock:
                if self.given_up:
                    raise Killed
                if request.key in self.fails:
                    raise self.fails[request.key]
                self.made += 1
        return super().row(request)

    def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
        with self._lock:
            self.batches.append([request.key for request in batch])
        with ThreadPoolExecutor(len(batch)) as rows:
            return pl.DataFrame([*rows.map(self.row, batch)], schema=SCHEMA, orient="row")
