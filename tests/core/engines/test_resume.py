"""What is done is not done again, whoever did it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from tests.core.engines.worker import REQUESTS, SCHEMA, Worker, keys, rows
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import KEY, RowLog
from xinstr_core.files import ShardLog
from xinstr_core.store import Partition


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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


def test_an_engine_is_asked_for_before_every_batch_and_not_at_all_when_every_row_is_there(tmp_path: Path) -> None:
    first, again = Worker(), Worker()
    first.run(tmp_path)
    assert again.run(tmp_path).done.rows() == rows(range(7))
    assert (first.loads, again.loads, again.batches) == (3, 0, [])


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
    assert (again.asked, again.loads) == (keys(*range(finished, 7)), len(again.batches))
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
    def stop(done: int, total: int, **_: object) -> None:
        if done:
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


def test_progress_counts_rows_and_says_which_were_found(tmp_path: Path) -> None:
    """Before the engine is loaded, when it is, and after every batch, before which it is asked for; failed rows are done with, too."""
    seen: list[tuple[int, int, int, int]] = []
    Worker().run(tmp_path, REQUESTS[:3])
    worker = Worker({"key-5": ValueError("bad")})
    worker.run(tmp_path, progress=lambda done, total, *, found: seen.append((worker.loads, done, total, found)))
    assert seen == [(0, 3, 7, 3), (1, 3, 7, 3), (1, 6, 7, 3), (2, 7, 7, 3)]


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
    asked = keys(*range(7))
    assert RowLog.open(tmp_path, SCHEMA, partition, "done").read_earlier(asked).height == 7
    assert RowLog.open(tmp_path, SCHEMA, partition, "other").read_earlier(asked).equals(SCHEMA.to_frame())
    assert RowLog.open(tmp_path, SCHEMA).read_earlier(asked).equals(SCHEMA.to_frame())


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
