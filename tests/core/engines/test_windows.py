"""Requests that come window by window: the rows are those of one run, and memory is that of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.core.conftest import Killed
from tests.core.engines.worker import SCHEMA, ManyWorker, Worker, keys, rows
from xinstr_core.engines.base import Request
from xinstr_core.engines.resume import RowLog, Rows, run_windows
from xinstr_core.errors import StageError
from xinstr_core.progress import Progress, silent

WINDOWS = [[Request(f"key-{i}", "x" * i, "one two") for i in of] for of in ((8, 1, 2), (3,), (), (0, 5, 4), (7, 6))]


def run(
    worker: Worker,
    folder: Path,
    windows: Sequence[Sequence[Request]] = WINDOWS,
    progress: Progress = silent,
    share: float = 1.0,
    taken: list[int] | None = None,
) -> Iterator[tuple[Sequence[Request], Rows]]:
    def given() -> Iterator[Sequence[Request]]:
        for number, window in enumerate(windows):
            if taken is not None:
                taken.append(number)
            yield window

    return run_windows(
        worker.load,
        given(),
        lambda window: window,
        worker.work,
        RowLog.open(folder, SCHEMA),
        batch_rows=2,
        progress=progress,
        maximum_failed_share=share,
        windows_in_all=len(windows),
    )


@pytest.mark.parametrize("kind", [Worker, ManyWorker])
def test_every_window_comes_in_its_order_with_its_own_rows(tmp_path: Path, kind: type[Worker]) -> None:
    worker = kind()
    found = [*run(worker, tmp_path)]
    assert [window for window, _ in found] == WINDOWS
    expected = [rows([1, 2, 8]), rows([3]), [], rows([0, 4, 5]), rows([6, 7])]
    assert [of_window.done.rows() for _, of_window in found] == expected
    assert sorted(worker.batches) == [keys(0, 4), keys(1, 2), keys(3), keys(5), keys(6, 7), keys(8)]
    assert worker.loads == len(worker.batches)


@pytest.mark.parametrize(("kind", "ahead"), [(Worker, 0), (ManyWorker, 1)])
def test_no_more_windows_are_held_than_are_worked_on(tmp_path: Path, kind: type[Worker], ahead: int) -> None:
    """One that takes many rows at once has some of the next window under way while the last of one are waited for."""
    windows = [[Request(f"key-{n}-{i}", "x") for i in range(3 * ManyWorker.rows_at_once)] for n in range(5)]
    taken: list[int] = []
    for number, _ in enumerate(run(kind(), tmp_path, windows, taken=taken)):
        assert number + 1 <= len(taken) <= min(number + 1 + ahead, 5)


def test_windows_that_are_finished_load_no_engine_and_are_not_gathered(tmp_path: Path) -> None:
    first = [of_window.done.rows() for _, of_window in run(Worker(), tmp_path)]
    again, taken = Worker(), list[int]()
    for number, (_, of_window) in enumerate(run(again, tmp_path, taken=taken)):
        assert of_window.done.rows() == first[number]
        assert len(taken) == number + 1
    assert (again.loads, again.batches) == (0, [])


@pytest.mark.parametrize("number", range(9))
def test_a_restart_has_the_batches_of_an_uninterrupted_run(tmp_path: Path, number: int) -> None:
    whole, again = Worker(), Worker()
    expected = [of_window.done.rows() for _, of_window in run(whole, tmp_path / "whole")]
    with pytest.raises(Killed):
        [*run(Worker({f"key-{number}": Killed()}), tmp_path / "killed")]
    assert [of_window.done.rows() for _, of_window in run(again, tmp_path / "killed")] == expected
    first = next(place for place, batch in enumerate(whole.batches) if f"key-{number}" in batch)
    assert again.batches == whole.batches[first:]
    shards = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("whole", "killed")]
    assert shards[0] == shards[1]


def test_a_row_that_two_windows_ask_for_is_made_once_and_in_both(tmp_path: Path) -> None:
    worker = Worker()
    windows = [WINDOWS[0], [*WINDOWS[1], WINDOWS[0][1]]]
    assert [of_window.done.rows() for _, of_window in run(worker, tmp_path, windows)] == [
        rows([1, 2, 8]),
        rows([1, 3]),
    ]
    assert sorted(worker.asked) == keys(1, 2, 3, 8)


def test_faults_stand_with_their_window_and_their_share_is_of_all_rows_so_far(tmp_path: Path) -> None:
    worker = Worker({key: ValueError(f"bad {key}") for key in keys(0, 3)})
    found = [of_window.failed for _, of_window in run(worker, tmp_path / "some", share=2 / 7)]
    assert found == [{}, {"key-3": "ValueError: bad key-3"}, {}, {"key-0": "ValueError: bad key-0"}, {}]
    given = run(Worker(worker.fails), tmp_path / "few", share=0.25)
    with pytest.raises(StageError, match=r"failed on 2 of 7 rows, and 25\.0% may fail; the first: key-0: .*bad key-0$"):
        list(given)


def test_progress_is_out_of_as_much_as_there_will_be_if_windows_are_alike(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    [*run(Worker(), tmp_path, progress=lambda done, total, **_: told.append((done, total)))]
    assert told == [(0, 15), (0, 15), (2, 15), (3, 15), (4, 10), (6, 8), (7, 8), (9, 9)]


def test_what_is_under_way_comes_to_nothing_where_nobody_goes_on(tmp_path: Path) -> None:
    worker = ManyWorker()
    windows = [[Request(f"key-{n}-{i}", "x") for i in range(50)] for n in range(20)]
    given = run(worker, tmp_path, windows)
    next(given)
    given.close()  # type: ignore[attr-defined]
    assert worker.given_up
    assert worker.made < 1000
