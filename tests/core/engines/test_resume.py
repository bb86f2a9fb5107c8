"""What is done is not done again, whoever did it; a row that cannot be done costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import KEY, RowLog, Rows, loaded_once, run_rows
from xinstr_core.errors import InputError, StageError
from xinstr_core.progress import Progress, silent
from xinstr_core.store import Partition, ShardLog, StageOutput, Store

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
    """An engine's stand-in and its work; counts loads, remembers batches, fails at the keys that it is told to."""

    fingerprint = "worker"

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


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[pl.DataFrame], Partition]:
    """Makes a finished partition whose table `done` is the frame."""

    def make(table: pl.DataFrame) -> Partition:
        return Store(tmp_path / "store").commit("asset", "sw", "f", {}, StageOutput({"done": table}))

    return make


# Rows and their keys


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("batch_rows", [1, 3, 100])
def test_rows_come_back_by_key_whatever_order_they_are_asked_or_made_in(
    tmp_path: Path, order: int, batch_rows: int
) -> None:
    found = Worker().run(tmp_path, REQUESTS[::order], batch_rows=batch_rows)
    assert found.done.schema == SCHEMA
    assert (found.done.rows(), found.failed) == (rows(range(7)), {})


def test_requests_of_one_key_are_one_row_and_asked_once(tmp_path: Path) -> None:
    worker = Worker()
    assert worker.run(tmp_path, [*REQUESTS, *REQUESTS[:4]]).done.rows() == rows(range(7))
    assert sorted(worker.asked) == keys(*range(7))


def test_no_requests_give_no_rows_and_load_no_engine(tmp_path: Path) -> None:
    told: list[int] = []
    worker = Worker()
    found = worker.run(tmp_path, [], progress=lambda done, total, **_: told.append(done), share=0.0)
    assert (found.done.rows(), found.done.schema, found.failed) == ([], SCHEMA, {})
    assert (worker.loads, told) == (0, [])


def test_an_engine_is_loaded_once_and_not_at_all_when_every_row_is_there(tmp_path: Path) -> None:
    first, again = Worker(), Worker()
    first.run(tmp_path)
    assert again.run(tmp_path).done.rows() == rows(range(7))
    assert (first.loads, again.loads, again.batches) == (1, 0, [])


def test_an_engine_loaded_once_is_the_same_for_everybody_and_not_loaded_for_nobody() -> None:
    worker = Worker()
    load = loaded_once(worker.load)
    assert worker.loads == 0
    assert load() is load()
    assert worker.loads == 1


@pytest.mark.parametrize(
    "made", [lambda frame: frame[1:], lambda frame: frame.with_columns(pl.lit("key-9").alias(KEY))]
)
def test_an_engine_that_loses_or_mistakes_a_row_is_asked_for_each_alone(
    tmp_path: Path, made: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    class Loser(Worker):
        def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
            frame = super().work(engine, batch)
            return made(frame) if len(batch) > 1 else frame

    assert Loser().run(tmp_path).done.rows() == rows(range(7))


def test_a_row_that_an_engine_never_gives_is_a_failed_row(tmp_path: Path) -> None:
    class Loser(Worker):
        def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
            return super().work(engine, batch).filter(pl.col(KEY) != "key-1")

    found = Loser().run(tmp_path)
    assert found.done.rows() == rows([0, 2, 3, 4, 5, 6])
    assert found.failed == {"key-1": "ValueError: the engine gave 0 rows, and not the 1 that it was asked for"}


# Kill and restart


@pytest.mark.parametrize("number", [0, 2, 4, 6])
def test_a_restart_repeats_no_finished_batch_and_ends_with_the_same_bytes(tmp_path: Path, number: int) -> None:
    killed, again = Worker({f"key-{number}": Killed()}), Worker()
    with pytest.raises(Killed):
        killed.run(tmp_path / "killed")
    finished = number // 3 * 3
    assert again.run(tmp_path / "killed").done.equals(Worker().run(tmp_path / "whole").done)
    assert (again.asked, again.loads) == (keys(*range(finished, 7)), 1)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole") != {}


def test_a_restart_has_the_batches_of_an_uninterrupted_run(tmp_path: Path) -> None:
    """Rows that share a batch share its rounding: other batches could be other bits."""
    whole, again = Worker(), Worker()
    whole.run(tmp_path / "whole", REQUESTS[::-1])
    with pytest.raises(Killed):
        Worker({"key-5": Killed()}).run(tmp_path / "killed")
    again.run(tmp_path / "killed", REQUESTS[::-1])
    assert again.batches == whole.batches[1:]


def test_a_run_stopped_while_it_reports_has_kept_the_batch_it_reports(tmp_path: Path) -> None:
    def stop(done: int, total: int, **figures: float) -> None:
        raise Killed

    again = Worker()
    with pytest.raises(Killed):
        Worker().run(tmp_path, progress=stop)
    again.run(tmp_path)
    assert again.asked == keys(3, 4, 5, 6)


def test_a_temporary_file_of_a_killed_write_is_no_finished_batch(tmp_path: Path) -> None:
    Worker().run(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / f".{path.name}.1.tmp")
    again = Worker()
    assert again.run(tmp_path).done.rows() == rows(range(7))
    assert again.asked == keys(*range(7))


def test_progress_counts_finished_batches_the_reused_ones_too(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    Worker().run(tmp_path, REQUESTS[:3])
    Worker().run(tmp_path, progress=lambda done, total, **_: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# Rows of other runs


def test_only_rows_that_the_replaced_partition_lacks_are_made(
    tmp_path: Path, stored: Callable[[pl.DataFrame], Partition]
) -> None:
    previous = stored(Worker().run(tmp_path / "first").done)
    changed = [*REQUESTS[:2], Request("new-2", "xx", "one"), *REQUESTS[3:6]]  # one text changed, one gone
    worker = Worker()
    found = worker.run(tmp_path / "second", changed, previous=previous)
    assert found.done.rows() == [*rows([0, 1, 3, 4, 5]), ("new-2", 2, ["one"])]
    assert worker.batches == [["new-2"]]


def test_the_replaced_partition_serves_without_shards_and_engine(
    tmp_path: Path, stored: Callable[[pl.DataFrame], Partition]
) -> None:
    done = Worker().run(tmp_path / "first").done
    with_more = done.select(pl.lit(1.5).alias("other"), "words", KEY, "length")  # columns that nobody asks for, moved
    worker, seen = Worker(), list[int]()
    found = worker.run(
        tmp_path / "second", previous=stored(with_more), progress=lambda done, *_, **__: seen.append(done)
    )
    assert found.done.equals(done)
    assert (worker.loads, contents(tmp_path / "second"), seen) == (0, {}, [])


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({KEY: keys(0), "length": [99]}),
        pl.DataFrame({KEY: keys(0), "length": ["ninety"], "words": [["other"]]}),
        pl.DataFrame({KEY: keys(0), "length": [99.5], "words": [["other"]]}),
        pl.DataFrame({KEY: keys(0), "length": [99], "words": ["other"]}),
        pl.DataFrame({KEY: [0], "length": [99], "words": [["other"]]}),
    ],
    ids=["no words", "text length", "float length", "plain words", "number key"],
)
def test_a_table_or_shard_in_another_schema_is_of_an_older_release_and_ignored(
    tmp_path: Path, stored: Callable[[pl.DataFrame], Partition], table: pl.DataFrame
) -> None:
    ShardLog(tmp_path / "log").put("older", table)
    worker = Worker()
    assert worker.run(tmp_path / "log", previous=stored(table)).done.rows() == rows(range(7))
    assert worker.asked == keys(*range(7))


def test_a_partition_without_the_table_serves_no_row(
    tmp_path: Path, stored: Callable[[pl.DataFrame], Partition]
) -> None:
    partition = stored(Worker().run(tmp_path / "first").done)
    assert RowLog.open(tmp_path, SCHEMA, partition, "done").earlier.height == 7
    assert RowLog.open(tmp_path, SCHEMA, partition, "other").earlier.equals(SCHEMA.to_frame())
    assert RowLog.open(tmp_path, SCHEMA).earlier.equals(SCHEMA.to_frame())


def test_rows_in_shards_of_a_run_with_other_settings_serve_by_their_keys(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        Worker({"key-6": Killed()}).run(tmp_path, batch_rows=2)  # other batches
    other = Worker()
    found = other.run(tmp_path, [Request("new-0", ""), *REQUESTS[1:]])
    assert other.asked == ["new-0", "key-6"]
    assert found.done.rows() == [*rows(range(1, 7)), ("new-0", 0, [])]


def test_the_replaced_partition_has_the_word_where_a_shard_disagrees(
    tmp_path: Path, stored: Callable[[pl.DataFrame], Partition]
) -> None:
    ShardLog(tmp_path / "log").put("a", pl.DataFrame([("key-0", 5, ["shard"])], schema=SCHEMA, orient="row"))
    previous = stored(pl.DataFrame([("key-0", 7, ["table"])], schema=SCHEMA, orient="row"))
    found = Worker().run(tmp_path / "log", REQUESTS[:1], previous=previous)
    assert found.done.rows() == [("key-0", 7, ["table"])]


# Faults


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
    assert contents(tmp_path) == {}


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
