from __future__ import annotations

import math
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.conftest import Killed
from xinstr_core.errors import StageError
from xinstr_core.parallel import ordered_map, processors

both = pytest.mark.parametrize("workers", [1, 2])


@pytest.fixture(autouse=True)
def no_worker_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker finds the functions of this file, and is gone at the end of every test."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    yield
    assert multiprocessing.active_children() == []


def slow_first(n: int) -> int:
    time.sleep(0.3 if n == 0 else 0)
    return n * n


def process(n: int) -> int:
    return os.getpid()


def killed_at_three(n: int) -> int:
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def counted(total: int, taken: list[int]) -> Iterator[int]:
    for n in range(total):
        taken.append(n)
        yield n


@both
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(ordered_map(slow_first, range(9), workers)) == [0, 1, 4, 9, 16, 25, 36, 49, 64]


@both
@pytest.mark.parametrize(("items", "results"), [([], []), ([4], [2.0]), ([4, 9], [2.0, 3.0])])
def test_no_item_one_item_and_two_items_are_mapped(workers: int, items: list[int], results: list[float]) -> None:
    assert list(ordered_map(math.sqrt, items, workers)) == results


def test_one_worker_or_one_item_needs_no_other_process() -> None:
    assert set(ordered_map(process, range(5), 1)) == {os.getpid()}
    assert list(ordered_map(process, [1], 4)) == [os.getpid()]


def test_several_workers_leave_the_work_to_other_processes() -> None:
    used = set(ordered_map(process, range(20), 2))
    assert 1 <= len(used) <= 2
    assert os.getpid() not in used


@both
def test_only_a_few_items_are_taken_ahead_of_the_results(workers: int) -> None:
    taken: list[int] = []
    for done, _ in enumerate(ordered_map(abs, counted(30, taken), workers), 1):
        assert len(taken) <= done + 2 * workers
    assert taken == list(range(30))


@both
def test_items_and_results_do_not_pile_up(workers: int) -> None:
    items = ("x" * (1 << 20) + str(n) for n in range(40))
    tracemalloc.start()
    try:
        assert sum(map(len, ordered_map(operator.methodcaller("upper"), items, workers))) > 40 << 20
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@both
def test_an_exception_of_the_function_comes_out_after_the_results_before_it(workers: int) -> None:
    results = ordered_map(math.sqrt, [1, 4, -1, 9], workers)
    assert [next(results), next(results)] == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        next(results)


def test_a_killed_worker_is_told_with_what_to_do() -> None:
    with pytest.raises(StageError, match=r"worker process was killed .*memory.*: start again, finished work is kept"):
        list(ordered_map(killed_at_three, range(50), 2))


def test_a_consumer_that_stops_early_leaves_no_worker_and_no_further_work(tmp_path: Path) -> None:
    taken: list[int] = []
    results = ordered_map(abs, counted(1000, taken), 2)
    assert next(results) == 0
    assert multiprocessing.active_children() != []
    results.close()
    assert multiprocessing.active_children() == []
    assert len(taken) <= 5


@both
def test_the_end_of_the_reader_ends_the_map(workers: int) -> None:
    def broken() -> Iterator[int]:
        yield from range(6)
        raise Killed

    with pytest.raises(Killed):
        list(ordered_map(abs, broken(), workers))


KILLED_PARENT = """
import multiprocessing, os, signal, sys, time
from xinstr_core.parallel import ordered_map
if __name__ == "__main__":
    for _ in ordered_map(time.sleep, [0, 0, 60, 60, 60, 60], 2):
        print(*[child.pid for child in multiprocessing.active_children()], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(KILLED_PARENT, "utf-8")
    ended = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, check=False, timeout=30)
    workers = [int(pid) for pid in ended.stdout.split()]
    assert ended.returncode == -signal.SIGKILL
    assert len(workers) >= 1
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in workers if is_running(pid)] == []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("told", "used"), [("3", 3), ("1", 1), ("", None), ("0", None), ("-2", None), ("many", None)])
def test_processors_are_those_that_the_environment_tells_or_those_allowed(
    monkeypatch: pytest.MonkeyPatch, told: str, used: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert processors() == (used or len(os.sched_getaffinity(0)))
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert processors() == len(os.sched_getaffinity(0))
