"""A restart does what is missing, nothing else, and ends with the same frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.engines.base import Request, length_sorted_batches
from xinstr_core.engines.resume import run_batches
from xinstr_core.progress import silent
from xinstr_core.store import ShardLog

REQUESTS = [Request(f"key-{i}", "x" * i) for i in range(5)]
BATCHES = length_sorted_batches(REQUESTS, 2)


class Recorder:
    """An engine's stand-in and its work; counts loads and remembers which keys were worked on."""

    def __init__(self, die_at: str = "") -> None:
        self.loads = 0
        self.worked: list[str] = []
        self.die_at = die_at

    def load(self) -> Recorder:
        self.loads += 1
        return self

    def work(self, engine: Recorder, batch: list[Request]) -> pl.DataFrame:
        assert engine is self
        for request in batch:
            if request.key == self.die_at:
                raise Killed
            self.worked.append(request.key)
        return pl.DataFrame({"key": [r.key for r in batch], "length": [len(r.prompt) for r in batch]})

    def run(
        self, folder: Path, batches: list[list[Request]], progress: Callable[..., None] = silent
    ) -> list[pl.DataFrame]:
        return run_batches(self.load, batches, ShardLog(folder), self.work, progress)  # type: ignore[arg-type]


def test_frames_come_back_in_the_order_of_the_batches(tmp_path: Path) -> None:
    frames = Recorder().run(tmp_path, BATCHES)
    assert [frame.rows() for frame in frames] == [
        [("key-0", 0), ("key-1", 1)],
        [("key-2", 2), ("key-3", 3)],
        [("key-4", 4)],
    ]


def test_a_restart_repeats_no_finished_batch_and_ends_with_the_same_frames(tmp_path: Path) -> None:
    killed = Recorder(die_at="key-3")
    with pytest.raises(Killed):
        killed.run(tmp_path / "killed", BATCHES)
    restarted = Recorder()
    frames = restarted.run(tmp_path / "killed", BATCHES)
    assert restarted.worked == ["key-2", "key-3", "key-4"]
    assert restarted.loads == 1
    uninterrupted = Recorder().run(tmp_path / "whole", BATCHES)
    assert [f.rows() for f in frames] == [f.rows() for f in uninterrupted]
    shards = sorted(p.name for p in (tmp_path / "whole").iterdir())
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == shards
    for name in shards:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_no_engine_is_loaded_when_every_batch_is_there(tmp_path: Path) -> None:
    first = Recorder().run(tmp_path, BATCHES)
    again = Recorder()
    assert [f.rows() for f in again.run(tmp_path, BATCHES)] == [f.rows() for f in first]
    assert (again.loads, again.worked) == (0, [])


def test_the_engine_is_loaded_once_for_many_batches(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.run(tmp_path, BATCHES)
    assert recorder.loads == 1


def test_a_batch_of_other_keys_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    Recorder().run(tmp_path, [REQUESTS[:2]])
    other = Recorder()
    other.run(tmp_path, [REQUESTS[:3], REQUESTS[1::-1]])
    assert other.worked == ["key-0", "key-1", "key-2", "key-1", "key-0"]


def test_a_temporary_file_of_a_killed_write_is_no_finished_batch(tmp_path: Path) -> None:
    Recorder().run(tmp_path, BATCHES)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / f".{path.name}.1.tmp")
    again = Recorder()
    again.run(tmp_path, BATCHES)
    assert again.worked == ["key-0", "key-1", "key-2", "key-3", "key-4"]


def test_progress_counts_finished_batches_the_reused_ones_too(tmp_path: Path) -> None:
    Recorder().run(tmp_path, BATCHES[:2])
    seen: list[tuple[int, int]] = []
    Recorder().run(tmp_path, BATCHES, lambda done, total, **_: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_run_stopped_while_it_reports_has_kept_the_batch_it_reports(tmp_path: Path) -> None:
    def stop(done: int, total: int, **figures: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        Recorder().run(tmp_path, BATCHES, stop)
    again = Recorder()
    again.run(tmp_path, BATCHES)
    assert again.worked == ["key-2", "key-3", "key-4"]


def test_no_batches_give_no_frames_and_load_no_engine(tmp_path: Path) -> None:
    recorder = Recorder()
    assert recorder.run(tmp_path, []) == []
    assert recorder.loads == 0
