"""Work on several processors: a function over items, results in the order of the items, few of them in memory at once."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from xinstr_core.errors import StageError

THREADS = "OMP_NUM_THREADS"  # the one place where a user, or a build of several languages at once, says how many
_ITEMS_AHEAD = 2  # per worker: one at work, one waiting

Item = TypeVar("Item")
Result = TypeVar("Result")

_function: Callable[[Any], Any]  # of a worker process


def processors() -> int:
    """How many processors this process should keep busy: OMP_NUM_THREADS, or those that it may use."""
    told = os.environ.get(THREADS, "")
    return int(told) if told.isdecimal() and int(told) else cores()


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))


def ordered_map(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """`function` of every item, in order. With one worker, or one item, everything happens in this process.

    Both must be picklable. At most two items a worker are taken ahead, so neither items nor results pile up. Workers
    end with this process, however it ends. StageError when one of them is killed.
    """
    items = iter(items)
    first = list(islice(items, 2))
    if workers == 1 or len(first) < 2:
        yield from map(function, chain(first, items))
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (function,)) as pool:
        try:
            yield from in_order(pool, _work, chain(first, items), workers * _ITEMS_AHEAD)
        except BrokenProcessPool:
            raise StageError(
                "a worker process was killed (was memory short?): start again, finished work is kept"
            ) from None


def in_order(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """`function` of every item, by the workers of a pool, in order, of which so many items are taken ahead."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def end_with_parent() -> None:
    """End this process as soon as its parent is gone: what a killed command line started must not hold anything."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _start(function: Callable[[Any], Any]) -> None:
    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, and this process ends with it
    end_with_parent()
    _function = function


def _work(item: Any) -> Any:
    return _function(item)
