"""Whether Ctrl-C was pressed, whatever became of it on its way up."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """What tells whether SIGINT has arrived since, or SIGTERM, which Dagster takes for the same.

    Dagster puts its own handlers in place, and what they raise can be swallowed: DuckDB ends a query with an error of
    its own. So the signal itself is taken down, by the file descriptor that Python writes every signal's number to.
    Signals reach the main thread alone: in another nothing ever arrives.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received, written = os.pipe()
    os.set_blocking(received, False)
    os.set_blocking(written, False)
    before = signal.set_wakeup_fd(written, warn_on_full_buffer=False)

    def arrived() -> bool:
        try:
            return not {signal.SIGINT, signal.SIGTERM}.isdisjoint(os.read(received, 4096))
        except BlockingIOError:  # nothing was written
            return False

    try:
        yield arrived
    finally:
        signal.set_wakeup_fd(before)
        os.close(received)
        os.close(written)
