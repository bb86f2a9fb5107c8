"""Run keyed requests batch by batch, each finished batch kept in a shard, so that a restart repeats none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from xinstr_core.engines.base import Request
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress
from xinstr_core.store import ShardLog


def run_batches(
    engine: Callable[[], TransformersEngine],
    batches: Sequence[list[Request]],
    shards: ShardLog,
    work: Callable[[TransformersEngine, list[Request]], pl.DataFrame],
    progress: Progress,
) -> list[pl.DataFrame]:
    """The frames of all batches in their order. The engine is loaded only when a batch is missing.

    A whole batch is the unit: its composition, and with it every last bit of its numbers, is the same after a kill.
    """
    loaded: TransformersEngine | None = None
    frames = []
    for number, batch in enumerate(batches, start=1):
        key = content_key(*(request.key for request in batch))
        done = shards.get(key)
        if done is None:
            loaded = loaded or engine()
            done = work(loaded, batch)
            shards.put(key, done)
        frames.append(done)
        progress(number, len(batches))
    return frames
