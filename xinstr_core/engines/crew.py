"""Batches one after the other, or several at once for an engine that has use for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from xinstr_core.engines.base import Engine, TakesMany

Made = TypeVar("Made")


class Crew(Generic[Made]):
    """Has batches of `batch_rows` made by an engine, in this thread, or in any order by as many threads as it has use for."""

    def __init__(self, engine: Engine, batch_rows: int) -> None:
        self.engine = engine
        self._at_once, self._threads = 0, None
        if isinstance(engine, TakesMany):
            self._at_once = engine.batches_at_once(batch_rows)
            self._threads = ThreadPoolExecutor(self._at_once)
        self._under_way = set[Future[Made]]()

    def make(self, batch: Callable[[], Made]) -> Iterator[Made]:
        """Begin a batch; those that are finished by now."""
        if self._threads is None:
            yield batch()
            return
        self._under_way.add(self._threads.submit(batch))
        if len(self._under_way) >= self._at_once:
            yield from self.finished()

    def rest(self) -> Iterator[Made]:
        """Those that are still under way, as they finish."""
        while self._under_way:
            yield from self.finished()
        if self._threads is not None:
            self._threads.shutdown()

    def give_up(self) -> None:
        """Let what is under way come to nothing."""
        if isinstance(self.engine, TakesMany) and self._threads is not None:
            for one in self._under_way:
                one.cancel()
            self.engine.give_up()
            self._threads.shutdown()

    def finished(self) -> Iterator[Made]:
        """Wait until some of those under way are finished."""
        done, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
        for one in done:
            yield one.result()
