"""Run keyed requests row by row: what is done is not done again, and a row that cannot be done costs itself alone.

A row's key names everything that its result depends on. So a result serves whoever asks for the same key: a restart
after a kill, and a later run with other settings, which finds in the partition it replaces what still holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import polars as pl

from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.crew import Crew
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.engines.row_index import RowIndex
from xinstr_core.errors import BudgetError, StageError
from xinstr_core.files import ShardLog
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress
from xinstr_core.schemas.shared import ROW_KEY
from xinstr_core.store import Partition

KEY = ROW_KEY.name
Given = TypeVar("Given")
Load = Callable[[], Engine]  # called before every batch, so that what was done is counted, and more may be refused
Work = Callable[[Engine, list[Request]], pl.DataFrame]


@dataclass(frozen=True)
class RowLog:
    """Where finished rows are: shards in `folder`, and a table of the partition that is replaced, which is never held whole.

    `schema` begins with KEY. Shards hold whole batches, written whole or not at all.
    """

    folder: Path
    schema: pl.Schema
    earlier: pl.LazyFrame

    @classmethod
    def open(cls, folder: Path, schema: pl.Schema, previous: Partition | None = None, table: str = "") -> RowLog:
        """The log in `folder`, with the rows of `table` in the previous partition where it has them in this schema."""
        if previous is not None and table in previous.tables:
            found = previous.scan(table)
            if schema.items() <= found.collect_schema().items():
                return cls(folder, schema, found.select(schema.names()))
        return cls(folder, schema, schema.to_frame().lazy())

    @cached_property
    def shards(self) -> ShardLog:
        return ShardLog(self.folder)

    @cached_property
    def index(self) -> RowIndex:
        return RowIndex(self.shards, self.schema)

    def read_earlier(self, keys: Iterable[str]) -> pl.DataFrame:
        """The rows of these keys that the replaced partition has."""
        asked = pl.DataFrame({KEY: list(keys)}, schema={KEY: pl.String})
        return self.earlier.join(asked.lazy(), on=KEY, how="semi").collect(engine="streaming")


@dataclass(frozen=True)
class Rows:
    """Finished rows in the order of their keys, and why the others failed, by key."""

    done: pl.DataFrame
    failed: dict[str, str] = field(default_factory=dict)


def run_rows(
    load: Load,
    requests: Sequence[Request],
    work: Work,
    log: RowLog,
    *,
    batch_rows: int,
    progress: Progress,
    maximum_failed_share: float = 1.0,
) -> Rows:
    """The row of every request, where all of them fit into memory. See run_windows."""
    [(_, rows)] = run_windows(
        load,
        [requests],
        lambda given: given,
        work,
        log,
        batch_rows=batch_rows,
        progress=progress,
        maximum_failed_share=maximum_failed_share,
    )
    return rows


def run_windows(
    load: Load,
    windows: Iterable[Given],
    asked: Callable[[Given], Sequence[Request]],
    work: Work,
    log: RowLog,
    *,
    batch_rows: int,
    progress: Progress,
    maximum_failed_share: float = 1.0,
    windows_in_all: int = 1,
) -> Generator[tuple[Given, Rows]]:
    """Every window, in order, with the rows of what is `asked` for it. The engine is loaded only when one is missing.

    A batch has rows of one window alone, and at most two windows are held at a time, so memory does not grow with their
    number. An engine that takes many has rows of the next one under way while the last ones of a window are waited for.

    `work` gives a frame of the log's schema for a batch, its rows in any order. After a kill the batches that are
    missing have the rows that they would have had, and so, to the last bit, the same numbers. A row that failed is
    tried again by the next run. Raises StageError as soon as the engine has failed on more than `maximum_failed_share`
    of the rows of all windows so far, or fails on a whole batch and on a row that is known to be good; BudgetError where
    rows are missing and `load` says that no money is left, once the batches under way are finished.
    """
    run = _Run(load, work, log, batch_rows, progress, maximum_failed_share, windows_in_all)
    held = deque[tuple[Given, _Window]]()
    try:
        for given in windows:
            window = run.open(asked(given))
            held.append((given, window))
            for batch in window.left:
                run.take(window, batch)
            while len(held) > 1 and not held[0][1].is_finished:
                run.wait()
            while held and held[0][1].is_finished:
                given, window = held.popleft()
                yield given, window.rows()
        run.finish()
    except BudgetError:
        run.finish()  # it is paid for
        load()  # which says what is spent with that
        raise
    except BaseException:
        run.give_up()
        raise
    for given, window in held:
        yield given, window.rows()


class _Window:
    """Requests with the rows that there are of them, and the batches that were missing when it was opened."""

    def __init__(self, requests: Sequence[Request], log: RowLog, batch_rows: int) -> None:
        self.wanted = {request.key: request for request in requests}
        earlier = log.read_earlier(self.wanted)
        held = set(earlier[KEY])
        missing = [request for key, request in self.wanted.items() if key not in held]
        batches = length_sorted_batches(missing, batch_rows)
        found = log.index.read(request.key for request in missing)
        finished = held | set(found[KEY])
        self.left = [some for batch in batches if (some := [one for one in batch if one.key not in finished])]
        self.ready = len(finished)
        self.good = next((request for key, request in self.wanted.items() if key in finished), None)
        self._frames, self._failed = [earlier, found], dict[str, str]()
        self._to_come = len(self.left)

    @property
    def is_finished(self) -> bool:
        return not self._to_come

    def add(self, rows: pl.DataFrame, faults: dict[str, str]) -> None:
        """What was made of one of the batches."""
        self._to_come -= 1
        self._frames.append(rows)
        self._failed |= faults

    def rows(self) -> Rows:
        return Rows(pl.concat(self._frames).unique(KEY, keep="first").sort(KEY), self._failed)


@dataclass(frozen=True)
class _Batch:
    """What was made of a batch: its rows, and the faults of others."""

    window: _Window
    requests: list[Request]
    rows: pl.DataFrame
    faults: dict[str, str]


@dataclass
class _Run:
    """What is counted over all windows, and the engine once it is needed."""

    load: Load
    work: Work
    log: RowLog
    batch_rows: int
    progress: Progress
    maximum_failed_share: float
    windows_in_all: int
    _windows: int = 0
    _wanted: int = 0
    _done: int = 0
    _found: int = 0
    _failed: int = 0
    _fault: tuple[str, str] | None = None  # the first by key, with its reason
    _good: Request | None = None
    _crew: Crew[_Batch] | None = None

    def open(self, requests: Sequence[Request]) -> _Window:
        window = _Window(requests, self.log, self.batch_rows)
        self._windows += 1
        self._wanted += len(window.wanted)
        self._good = self._good or window.good
        self._found += window.ready
        self._done += window.ready
        if window.left and self._crew is None:
            self._tell()
        return window

    def take(self, window: _Window, batch: list[Request]) -> None:
        """Have a batch made, and count those that are finished by now."""
        engine = self.load()
        if self._crew is None:
            self._crew = Crew(engine, self.batch_rows)
            self._tell()  # again: only now the rows' own time begins
        crew = self._crew
        for made in crew.make(lambda: self._made(crew.engine, window, batch)):
            self._count(made)

    def wait(self) -> None:
        """Wait until one of the batches under way is finished."""
        for made in self._crew.finished() if self._crew else ():
            self._count(made)

    def finish(self) -> None:
        """Wait for all that are under way."""
        for made in self._crew.rest() if self._crew else ():
            self._count(made)

    def give_up(self) -> None:
        if self._crew:
            self._crew.give_up()

    def _made(self, engine: Engine, window: _Window, batch: list[Request]) -> _Batch:
        rows, faults = _made(engine, batch, self.work, self.log.schema)
        if not rows.is_empty():
            self.log.shards.put(_shard(batch), rows)
        return _Batch(window, batch, rows, faults)

    def _count(self, made: _Batch) -> None:
        if made.rows.is_empty():
            assert self._crew
            _check_engine(self._crew.engine, made.requests, made.faults, self.work, self._good)
        else:
            self.log.index.add(_shard(made.requests), made.rows[KEY])
            self._good = self._good or next(one for one in made.requests if one.key not in made.faults)
        made.window.add(made.rows, made.faults)
        self._failed += len(made.faults)
        self._fault = min([*made.faults.items(), *([self._fault] if self._fault else [])], default=None)
        if self._fault and self._failed > self.maximum_failed_share * self._wanted:
            raise StageError(
                f"the engine failed on {self._failed} of {self._wanted} rows, and {self.maximum_failed_share:.1%} may "
                f"fail; the first: {': '.join(self._fault)}"
            )
        self._done += len(made.requests)
        self._tell()

    def _tell(self) -> None:
        """Progress, out of as many rows as there will be if the windows to come are like those so far."""
        rows = max(self._wanted, self._wanted * self.windows_in_all // self._windows)
        self.progress(self._done, rows, found=self._found)


def _shard(batch: Sequence[Request]) -> str:
    return content_key(*(request.key for request in batch))


def _made(engine: Engine, batch: list[Request], work: Work, schema: pl.Schema) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows of a batch, and the faults of those that fail by themselves."""
    frames, faults = [schema.to_frame()], dict[str, str]()
    for piece, rows in isolated(lambda part: _whole(engine, list(part), work), batch):
        if isinstance(rows, Fault):
            faults[piece[0].key] = rows.reason
        else:
            frames.append(rows)
    return pl.concat(frames), faults


def _whole(engine: Engine, batch: list[Request], work: Work) -> pl.DataFrame:
    rows = work(engine, batch)
    if set(rows[KEY]) != {request.key for request in batch}:
        raise ValueError(f"the engine gave {rows.height} rows, and not the {len(batch)} that it was asked for")
    return rows


def _check_engine(
    engine: Engine, batch: list[Request], faults: dict[str, str], work: Work, good: Request | None
) -> None:
    """Raise StageError when a batch has failed by the engine's fault: it fails on a row that was done before, too.

    The longest rows share a batch, and so do rows that failed in the run before: they may all fail by their own fault.
    """
    if good is None:  # a single row may fail by its own fault
        broken = len(batch) > 1
    else:
        broken = any(isinstance(made, Fault) for _, made in isolated(lambda part: work(engine, list(part)), [good]))
    if broken:
        raise StageError(f"the engine failed on every row of a batch of {len(batch)}, the first: {_first(faults)}")


def _first(failed: dict[str, str]) -> str:
    key = min(failed)
    return f"{key}: {failed[key]}"
