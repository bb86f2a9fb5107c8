"""A row that cannot be done costs itself alone, and an engine that can do none stops the stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.core.engines.worker import FAULTS, REQUESTS, Worker, fault, keys, rows
from xinstr_core.engines.base import Engine, Request
from xinstr_core.errors import InputError, StageError
from xinstr_core.store import Partition


@pytest.mark.parametrize("bad", [(0,), (1,), (3,), (5,), (6,), (0, 2), (3, 4), (0, 4, 6)], ids=str)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_at_any_row_costs_that_row_only(tmp_path: Path, name: str, bad: tuple[int, ...]) -> None:
    found = Worker({key: fault(name) for key in keys(*bad)}).run(tmp_path)
    assert found.done.rows() == [row for number, row in enumerate(rows(range(7))) if number not in bad]
    error = fault(name)
    assert found.failed == {key: f"{type(error).__name__}: {error}" for key in keys(*bad)}


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(1),
        OSError(28, "No space left on device"),
        MemoryError(),
        AttributeError("a mistake of ours"),
        InputError("mend it"),
        StageError("garbage"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_no_row_can_be_blamed_for_is_not_swallowed(tmp_path: Path, error: BaseException) -> None:
    worker = Worker({"key-4": error})
    with pytest.raises(type(error)):
        worker.run(tmp_path)
    assert worker.batches == [keys(0, 1, 2), keys(3, 4, 5)]


def test_a_failed_row_is_tried_again_by_the_next_run_and_by_itself(tmp_path: Path) -> None:
    Worker({"key-1": ValueError("bad")}).run(tmp_path)
    again = Worker()
    found = again.run(tmp_path)
    assert (found.done.rows(), found.failed) == (rows(range(7)), {})
    assert again.batches == [["key-1"]]


@pytest.mark.parametrize("from_table", [True, False])
def test_rows_that_fail_together_a_second_time_still_cost_only_themselves(
    tmp_path: Path, stored: Callable[[pl.DataFrame], Partition], from_table: bool
) -> None:
    """All that is left to do is what failed: this is not an engine that fails on everything."""
    worker = Worker({key: ValueError("bad") for key in keys(3, 5)})
    first = worker.run(tmp_path / "log")
    again = worker.run(tmp_path / "other", previous=stored(first.done)) if from_table else worker.run(tmp_path / "log")
    assert again.done.rows() == rows([0, 1, 2, 4, 6])
    assert again.failed == dict.fromkeys(keys(3, 5), "ValueError: bad")


def test_the_longest_rows_may_all_fail_in_the_batch_that_they_share(tmp_path: Path) -> None:
    worker = Worker({key: fault("OutOfMemoryError") for key in keys(4, 5, 6)})
    found = worker.run(tmp_path, REQUESTS[1:])
    assert found.done.rows() == rows([1, 2, 3])
    assert sorted(found.failed) == keys(4, 5, 6)


def test_an_engine_that_fails_on_the_whole_first_batch_stops_the_stage(tmp_path: Path) -> None:
    worker = Worker({request.key: RuntimeError("no kernel") for request in REQUESTS})
    with pytest.raises(StageError, match=r"every row of a batch of 3, the first: key-0: RuntimeError: no kernel"):
        worker.run(tmp_path)
    assert set(worker.asked) == set(keys(0, 1, 2))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("batch_rows", [1, 3])
def test_an_engine_that_breaks_on_the_way_stops_the_stage_and_what_it_did_is_kept(
    tmp_path: Path, batch_rows: int
) -> None:
    class Breaking(Worker):
        def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
            if "key-3" in (request.key for request in batch):
                self.fails = {request.key: RuntimeError("the device is gone") for request in REQUESTS}
            return super().work(engine, batch)

    with pytest.raises(StageError, match="key-3: RuntimeError: the device is gone"):
        Breaking().run(tmp_path, batch_rows=batch_rows)
    again = Worker()
    assert again.run(tmp_path, batch_rows=batch_rows).done.rows() == rows(range(7))
    assert again.asked == keys(3, 4, 5, 6)


def test_the_only_row_there_is_may_fail(tmp_path: Path) -> None:
    found = Worker({"key-0": ValueError("bad")}).run(tmp_path, REQUESTS[:1])
    assert (found.done.rows(), found.failed) == ([], {"key-0": "ValueError: bad"})


def test_above_the_failed_share_the_stage_stops_at_once_with_the_numbers(tmp_path: Path) -> None:
    worker = Worker({key: ValueError(f"bad {key}") for key in keys(0, 1, 3)})
    with pytest.raises(
        StageError, match=r"failed on 2 of 7 rows, and 20\.0% may fail; the first: key-0: ValueError: bad key-0$"
    ):
        worker.run(tmp_path, share=0.2)
    assert not set(worker.asked) & set(keys(3, 4, 5, 6))
    again = Worker()
    again.run(tmp_path)
    assert "key-2" not in again.asked


def test_at_the_failed_share_the_stage_goes_on(tmp_path: Path) -> None:
    worker = Worker({key: ValueError("bad") for key in keys(0, 4)})
    assert sorted(worker.run(tmp_path, share=2 / 7).failed) == keys(0, 4)


def test_rows_that_were_there_count_in_the_share(tmp_path: Path, stored: Callable[[pl.DataFrame], Partition]) -> None:
    previous = stored(Worker().run(tmp_path / "first", REQUESTS[:5]).done)
    worker = Worker({"key-6": ValueError("bad")})
    assert worker.run(tmp_path / "second", previous=previous, share=0.2).failed == {"key-6": "ValueError: bad"}
