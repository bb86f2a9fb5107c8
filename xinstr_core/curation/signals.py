"""What a pair shows to a reader of probabilities: six signals, each a mean or a minimum of token log-probabilities.

The untouched base model reads the response: does it hang together, and does it end? The evaluator's own adapter, which
has learned to write the instruction of a text, reads the instruction: does it follow from this response? A model of a few
million parameters cannot say in words that two subjects differ, and is surprised when they do (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import polars as pl

from xinstr_core.curation.rating_set import Pair
from xinstr_core.engines.base import SCORED_ROWS, Request, TokenScores, length_sorted_batches
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.resume import run_batches
from xinstr_core.engines.transformers_engine import TransformersEngine, adapter_hash
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas import frame
from xinstr_core.store import ShardLog

STRETCH = 8  # tokens, a few words: the seam between two texts is no longer
IMPOSSIBLE = -100.0  # nats: what an infinite or undefined surprise counts as, so that it is a flaw and not an error
LOWEST = 5  # tokens: one rare name is no flaw, five surprises are

_RESPONSE_SCHEMA = pl.Schema(
    {
        "response_key": pl.String,
        "response_mean": pl.Float64,
        "response_weakest_stretch": pl.Float64,
        "response_lowest": pl.Float64,
        "response_end": pl.Float64,
    }
)
_INSTRUCTION_SCHEMA = pl.Schema(
    {"pair_id": pl.String, "instruction_mean": pl.Float64, "instruction_lowest": pl.Float64}
)
SIGNALS = (*_INSTRUCTION_SCHEMA.names()[1:], *_RESPONSE_SCHEMA.names()[1:])
SIGNAL_SCHEMA = pl.Schema({"pair_id": pl.String, **dict.fromkeys(SIGNALS, pl.Float64)})


def response_signals(scores: TokenScores) -> tuple[float, float, float, float]:
    """(mean, weakest mean of STRETCH tokens in a row, mean of the LOWEST lowest, end of text), all in nats a token."""
    tokens = _finite(scores.tokens or (scores.end,))
    stretches = numpy.convolve(tokens, numpy.ones(min(STRETCH, len(tokens))), "valid") / min(STRETCH, len(tokens))
    return (
        float(tokens.mean()),
        float(stretches.min()),
        float(numpy.sort(tokens)[:LOWEST].mean()),
        float(_finite([scores.end])[0]),
    )


def instruction_signals(scores: TokenScores) -> tuple[float, float]:
    """(mean, lowest) over the instruction's tokens and its end, in nats."""
    tokens = _finite([*scores.tokens, scores.end])
    return float(tokens.mean()), float(tokens.min())


def _finite(log_probabilities: Sequence[float]) -> Any:
    return numpy.nan_to_num(numpy.array(log_probabilities), nan=IMPOSSIBLE, neginf=IMPOSSIBLE)


def read_signals(
    base: ModelReference, adapter: Path, pairs: Sequence[Pair], folder: Path, progress: Progress = silent
) -> pl.DataFrame:
    """Signals of every pair, by key. Shards go to `folder`; a response that was read for another adapter is not read again."""
    if not pairs:
        return SIGNAL_SCHEMA.to_frame()
    responses = {pair.key: content_key("response", pair.response) for pair in pairs}
    texts = {responses[pair.key]: pair.response for pair in pairs}
    read = _read(
        lambda: TransformersEngine(base),
        [Request(key, "", text) for key, text in texts.items()],
        ShardLog(folder / "responses"),
        response_signals,
        _RESPONSE_SCHEMA,
        progress,
    )
    fits = _read(
        lambda: TransformersEngine(base, adapter),
        [Request(pair.key, prompt("reverse").render(text=pair.response), pair.instruction) for pair in pairs],
        ShardLog(folder / f"instructions-{adapter_hash(adapter)}"),
        instruction_signals,
        _INSTRUCTION_SCHEMA,
        progress,
    )
    keys = pl.DataFrame({"pair_id": list(responses), "response_key": list(responses.values())})
    joined = fits.join(keys, on="pair_id", how="left").join(read, on="response_key", how="left")
    return joined.select(SIGNAL_SCHEMA.names()).sort("pair_id")


def _read(
    engine: Callable[[], TransformersEngine],
    requests: Sequence[Request],
    shards: ShardLog,
    signals: Callable[[TokenScores], tuple[float, ...]],
    schema: pl.Schema,
    progress: Progress,
) -> pl.DataFrame:
    def work(loaded: TransformersEngine, batch: list[Request]) -> pl.DataFrame:
        rows = [(scores.key, *signals(scores)) for scores in loaded.score(batch)]
        return frame([dict(zip(schema.names(), row, strict=True)) for row in rows], schema)

    frames = run_batches(engine, length_sorted_batches(requests, SCORED_ROWS), shards, work, progress)
    return pl.concat([schema.to_frame(), *frames])
