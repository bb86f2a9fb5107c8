"""What a run that is interrupted again and again makes in all: little more than one that is not."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from tests.core.engines.worker import SCHEMA, ManyWorker, Worker
from xinstr_core import files
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import RowLog, run_rows
from xinstr_core.progress import silent

ROWS, BATCH_ROWS, KILLS = 5_000, 16, 5
REQUESTS = [Request(f"key-{i:05}", f"{i:05}" + "x" * (i % 100)) for i in range(ROWS)]
DEATHS = sorted(random.Random(7).sample(range(ROWS), KILLS))  # at so many rows it dies


class Mortal(Worker):
    """Makes a row at a time, and dies at one."""

    def __init__(self, dies_at: int) -> None:
        super().__init__()
        self.dies_at, self.made = dies_at, 0

    def row(self, request: Request) -> tuple[str, int, list[str]]:
        if self.made == self.dies_at:
            raise Killed
        self.made += 1
        return super().row(request)


class ManyMortal(ManyWorker):
    """Makes 64 rows at a time, and dies at one."""

    dies_at = -1

    def row(self, request: Request) -> tuple[str, int, list[str]]:
        if 0 <= self.dies_at <= self.made:
            raise Killed
        return super().row(request)


def finished(folder: Path) -> int:
    return sum(files.read_parquet(path).height for path in folder.glob("*.parquet"))


def go_on(worker: Worker, folder: Path) -> pl.DataFrame:
    log = RowLog.open(folder, SCHEMA)
    return run_rows(worker.load, REQUESTS, worker.work, log, batch_rows=BATCH_ROWS, progress=silent).done


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here: to wait for the disk six hundred times would take longer than all else."""
    monkeypatch.setattr(files, "sync", lambda path: None)


def test_an_engine_in_this_process_makes_at_most_a_batch_again_for_every_kill(tmp_path: Path, no_sync: None) -> None:
    made = kept = 0
    for death in DEATHS:
        worker = Mortal(death - kept)
        with pytest.raises(Killed):
            go_on(worker, tmp_path)
        assert finished(tmp_path) - kept <= worker.made < finished(tmp_path) - kept + BATCH_ROWS
        made, kept = made + worker.made, finished(tmp_path)
    last = Mortal(-1)
    assert go_on(last, tmp_path).height == ROWS
    made += last.made
    assert ROWS <= made <= ROWS + KILLS * BATCH_ROWS < 1.02 * ROWS


def test_an_engine_that_takes_many_makes_at_most_what_was_under_way_again_for_every_kill(
    tmp_path: Path, no_sync: None
) -> None:
    made = kept = 0
    for death in DEATHS:
        worker = ManyMortal()
        worker.dies_at = max(0, death - kept)
        with pytest.raises(Killed):
            go_on(worker, tmp_path)
        made, kept = made + worker.made, finished(tmp_path)
    last = ManyMortal()
    assert go_on(last, tmp_path).height == ROWS
    made += last.made
    assert ROWS <= made <= ROWS + KILLS * 2 * ManyWorker.rows_at_once


class Counting(Worker):
    """Writes a byte into a file for every row that it makes, so that it is known after a kill."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
        with self._file.open("ab") as made:
            made.write(b"." * len(batch))
        time.sleep(0.001)
        return super().work(engine, batch)


def test_a_process_that_is_killed_loses_at_most_a_batch(tmp_path: Path, no_sync: None) -> None:
    made, folder = tmp_path / "made", tmp_path / "rows"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import *; go_on(Counting(Path({str(made)!r})), Path({str(folder)!r}))"]
    )
    try:
        while not folder.exists() or len([*folder.glob("*.parquet")]) < 40:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 40 * BATCH_ROWS <= finished(folder) < ROWS
    assert go_on(Counting(made), folder).height == ROWS
    assert made.stat().st_size <= ROWS + BATCH_ROWS
