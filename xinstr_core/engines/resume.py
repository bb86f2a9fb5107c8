"""Run keyed requests row by row: what is done is not done again, and a row that cannot be done costs itself alone.

A row's key names everything that its result depends on. So a result serves whoever asks for the same key: a restart
after a kill, and a later run with other settings, which finds in the partition it replaces what still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import polars as pl

from xinstr_core.engines.base import Engine, Request, TakesMany
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.errors import BudgetError, StageError
from xinstr_core.files import ShardLog, read_parquet
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress
from xinstr_core.schemas.shared import ROW_KEY
from xinstr_core.store import Partition

KEY = ROW_KEY.name
Load = Callable[[], Engine]  # called before every batch, so that what was done is counted, and more may be refused
Work = Callable[[Engine, list[Request]], pl.DataFrame]
Batch = tuple[list[Request], pl.DataFrame, dict[str, str]]  # with its rows, and the faults of others


@dataclass(frozen=True)
class RowLog:
    """Where finished rows are: shards in `folder`, and a table of the partition that is replaced.

    `schema` begins with KEY. Shards hold whole batches, written whole or not at all.
    """

    folder: Path
    schema: pl.Schema
    earlier: pl.DataFrame

    @classmethod
    def open(cls, folder: Path, schema: pl.Schema, previous: Partition | None = None, table: str = "") -> RowLog:
        """The log in `folder`, with the rows of `table` in the previous partition where it has them in this schema."""
        earlier = schema.to_frame()
        if previous is not None and table in previous.tables:
            found = previous.scan(table)
            if schema.items() <= found.collect_schema().items():
                earlier = found.select(schema.names()).collect()
        return cls(folder, schema, earlier)


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
    """The row of every request. The engine is loaded only when one is missing.

    `work` gives a frame of the log's schema for a batch, its rows in any order. After a kill the batches that are
    missing have the rows that they would have had, and so, to the last bit, the same numbers. A row that failed is
    tried again by the next run. Raises StageError as soon as the engine has failed on more than `maximum_failed_share`
    of the rows, or fails on a whole batch and on a row that is known to be good; BudgetError where rows are missing and
    `load` says that no money is left, once the batches under way are finished.
    """
    wanted = {request.key: request for request in requests}
    keys = pl.DataFrame({KEY: list(wanted)}, schema={KEY: pl.String})
    earlier = log.earlier.join(keys, on=KEY, how="semi")
    held = set(earlier[KEY])
    batches = length_sorted_batches([r for key, r in wanted.items() if key not in held], batch_rows)
    shards = ShardLog(log.folder)
    found = _finished(shards, log.schema).join(keys, on=KEY, how="semi")
    finished, failed, frames = held | set(found[KEY]), dict[str, str](), [earlier, found]
    left = [missing for batch in batches if (missing := [r for r in batch if r.key not in finished])]
    if not left:
        return Rows(pl.concat(frames).unique(KEY, keep="first").sort(KEY))
    ready = done = len(finished)
    progress(done, len(wanted), found=ready)
    engine = load()
    progress(done, len(wanted), found=ready)  # again: only now the rows' own time begins
    refused = list[BudgetError]()

    def affordable() -> Iterator[list[Request]]:
        yield left[0]
        for batch in left[1:]:
            try:
                load()
            except BudgetError as error:  # not raised here: what is under way is paid for
                refused.append(error)
                return
            yield batch

    def made(batch: list[Request]) -> Batch:
        rows, faults = _made(engine, batch, work, log.schema)
        if not rows.is_empty():
            shards.put(content_key(*(request.key for request in batch)), rows)
        return batch, rows, faults

    for batch, rows, faults in _several(engine, affordable(), made, batch_rows):
        if rows.is_empty():
            good = next((request for key, request in wanted.items() if key in finished), None)
            _check_engine(engine, batch, faults, work, good)
        frames.append(rows)
        finished |= set(rows[KEY])
        failed |= faults
        if len(failed) > maximum_failed_share * len(wanted):
            raise StageError(
                f"the engine failed on {len(failed)} of {len(wanted)} rows, and {maximum_failed_share:.1%} may fail; "
                f"the first: {_first(failed)}"
            )
        done += len(batch)
        progress(done, len(wanted), found=ready)
    if refused:
        raise refused[0]
    return Rows(pl.concat(frames).unique(KEY, keep="first").sort(KEY), failed)


def _several(
    engine: Engine, batches: Iterable[list[Request]], made: Callable[[list[Request]], Batch], batch_rows: int
) -> Iterator[Batch]:
    """What is made of the batches, one after the other, or several at once and in any order by an engine that takes many."""
    if not isinstance(engine, TakesMany):
        yield from map(made, batches)
        return
    at_once = -(-2 * engine.rows_at_once // batch_rows)  # twice: while the last rows of a batch are waited for
    following = iter(batches)
    with ThreadPoolExecutor(at_once) as threads:
        under_way = {threads.submit(made, batch) for batch in islice(following, at_once)}
        try:
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                under_way |= {threads.submit(made, batch) for batch in islice(following, len(done))}
                for one in done:
                    yield one.result()
        except BaseException:
            for one in under_way:
                one.cancel()
            engine.give_up()
            raise


def _finished(shards: ShardLog, schema: pl.Schema) -> pl.DataFrame:
    """All rows of the shards. Shards in another schema are of an older release: their rows are made anew."""
    found = [read_parquet(path) for path in sorted(shards.folder.glob("*.parquet"))]
    return pl.concat([schema.to_frame(), *(rows for rows in found if rows.schema == schema)])


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
