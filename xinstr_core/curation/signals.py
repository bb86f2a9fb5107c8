"""What a pair shows to a reader of probabilities: numbers from which ratings are read. Nothing is sampled or parsed.

surprise    The untouched base model reads the response: does it hang together, and does it end? The evaluator's own
            adapter, which has learned to write the instruction of a text, reads the instruction, after its response and
            by itself: does it follow from this response, and is it an instruction at all? A model of a few million
            parameters cannot say in words that two subjects differ, and is surprised when they do (docs/decisions/0002).
grounding   Rare words of the instruction, names above all, stand in the response.
neighbours  The same is asked of the seeds whose texts are most alike, and both halves of the text are about one thing.
level       The label that an adapter would write which has learned to write the level of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.grounding import RareWords
from xinstr_core.curation.neighbours import Neighbours, halves
from xinstr_core.engines.base import SCORED_ROWS, Engine, Request, TokenScores
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import KEY, Load, RowLog, Rows, run_rows
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas import signals as declared
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.shared import LEVELS
from xinstr_core.schemas.signals import signal_table
from xinstr_core.store import Partition
from xinstr_core.text import printable

STRETCH = 8  # tokens, a few words: the seam between two texts is no longer
IMPOSSIBLE = -100.0  # nats: what an infinite or undefined surprise counts as, so that it is a flaw and not an error
LOWEST = 5  # tokens: one rare name is no flaw, five surprises are

RESPONSE, GIVEN, ALONE, GROUNDING, NEIGHBOURS, LEVEL = (
    tuple(column.name for column in columns)
    for columns in (
        declared.RESPONSE,
        declared.GIVEN,
        declared.ALONE,
        declared.GROUNDING,
        declared.NEIGHBOURS,
        declared.LEVEL,
    )
)
SIGNALS = {"surprise": (*GIVEN, *RESPONSE, *ALONE), "grounding": GROUNDING, "neighbours": NEIGHBOURS, "level": LEVEL}


@dataclass(frozen=True)
class Readers:
    """What reads the signals: `groups` of SIGNALS, adapters by task ("instruction", "level"), and tables of the seeds."""

    engines: Engines
    groups: tuple[str, ...]
    adapters: dict[str, Path]
    rare_words: RareWords
    neighbours: Neighbours

    @property
    def signals(self) -> list[str]:
        return [name for group in self.groups for name in SIGNALS[group]]


@dataclass(frozen=True)
class SignalLog:
    """Where read signals are kept: shards in `folder`, one table a reading, and those of the replaced partition.

    `read` gathers what was asked for through this log, by reading.
    """

    folder: Path
    previous: Partition | None = None
    read: dict[str, list[pl.DataFrame]] = field(default_factory=dict, compare=False)

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """All that was read through this log, by table: a later run that rates the same rows does not read them again."""
        return {signal_table(name).name: pl.concat(found).unique(KEY).sort(KEY) for name, found in self.read.items()}

    def open(self, reading: str) -> RowLog:
        table = signal_table(reading)
        return RowLog.open(self.folder / reading, table.schema, self.previous, table.name)


@dataclass(frozen=True)
class Signals:
    """`table`: pair_id and every signal, sorted, of the pairs that could be read; `failed`: why the others could not."""

    table: pl.DataFrame
    failed: dict[str, str]


def response_signals(scores: TokenScores) -> tuple[float, ...]:
    """(mean, weakest mean of STRETCH tokens in a row, mean of the LOWEST lowest, end of text), all in nats a token."""
    tokens = _finite(scores.tokens or (scores.end,))
    stretches = numpy.convolve(tokens, numpy.ones(min(STRETCH, len(tokens))), "valid") / min(STRETCH, len(tokens))
    return (
        float(tokens.mean()),
        float(stretches.min()),
        float(numpy.sort(tokens)[:LOWEST].mean()),
        float(_finite([scores.end])[0]),
    )


def given_signals(scores: TokenScores) -> tuple[float, ...]:
    """(mean, lowest) over the instruction's tokens and its end, in nats."""
    tokens = _finite([*scores.tokens, scores.end])
    return float(tokens.mean()), float(tokens.min())


def alone_signals(scores: TokenScores) -> tuple[float, ...]:
    """(mean, lowest, end) of an instruction for which no text stands, in nats."""
    tokens = _finite(scores.tokens or (scores.end,))
    return float(tokens.mean()), float(tokens.min()), float(_finite([scores.end])[0])


def _finite(log_probabilities: Sequence[float]) -> Any:
    return numpy.nan_to_num(numpy.array(log_probabilities), nan=IMPOSSIBLE, neginf=IMPOSSIBLE)


def read_signals(readers: Readers, pairs: Sequence[Pair], log: SignalLog, progress: Progress = silent) -> Signals:
    """Every signal of every pair. A row's key names text and reader: what has been read is not read again."""
    tables = [pl.DataFrame({"pair_id": [pair.key for pair in pairs]}, schema={"pair_id": pl.String})]
    failed: dict[str, str] = {}
    for reading in _readings(readers):
        requests = {pair.key: reading.request(pair) for pair in pairs}
        rows = _read(reading, requests.values(), log, progress)
        log.read.setdefault(reading.name, []).append(rows.done)
        keys = pl.DataFrame(
            {"pair_id": list(requests), KEY: [request.key for request in requests.values()]},
            schema={"pair_id": pl.String, KEY: pl.String},
        )
        tables.append(keys.join(rows.done, on=KEY).drop(KEY))
        failed |= {
            key: printable(rows.failed[request.key]) for key, request in requests.items() if request.key in rows.failed
        }
    joined = tables[0]
    for table in tables[1:]:
        joined = joined.join(table, on="pair_id")
    joined = _with_words(joined, readers, pairs)
    return Signals(joined.select("pair_id", *readers.signals).sort("pair_id"), failed)


def _with_words(read: pl.DataFrame, readers: Readers, pairs: Sequence[Pair]) -> pl.DataFrame:
    """The signals that compare words: no model reads for them, but for which seeds are near."""
    by_key = {pair.key: pair for pair in pairs}
    texts = [(by_key[key].instruction, by_key[key].response) for key in read["pair_id"]]
    if "grounding" in readers.groups:
        absent = [readers.rare_words.missing(*text) for text in texts]
        read = read.with_columns(pl.Series(GROUNDING[0], absent, dtype=pl.Float64))
    if "neighbours" in readers.groups:
        found = zip(texts, read["nearest"], strict=True)
        shared = [readers.neighbours.shared_request(*text, near, readers.rare_words) for text, near in found]
        read = read.with_columns(pl.Series(NEIGHBOURS[0], shared, dtype=pl.Float64))
    return read


@dataclass(frozen=True)
class _Reading:
    """One pass of one model over one side of the pairs."""

    name: str
    reader: str
    load: Load
    neighbours: Neighbours | None = None

    def request(self, pair: Pair) -> Request:
        reverse = prompt("reverse")
        if self.name in ("response", "neighbours"):
            return self._keyed("", pair.response)
        if self.name == "alone":
            return self._keyed(reverse.render(text=""), pair.instruction)
        if self.name == "given":
            return self._keyed(reverse.render(text=pair.response), pair.instruction)
        return self._keyed(prompt("rating").render(instruction=pair.instruction, text=pair.response), "")

    def _keyed(self, text: str, completion: str) -> Request:
        return Request(content_key(self.name, self.reader, text, completion), text, completion)

    def rows(self, engine: Engine, batch: list[Request]) -> Iterable[tuple[Any, ...]]:
        if self.name == "level":
            return [(scores.key, *_finite(scores.labels)) for scores in engine.score_labels(batch, LEVELS)]
        if self.neighbours is not None:
            texts = [request.completion for request in batch]
            first, second = (engine.embed(list(parts)) for parts in zip(*map(halves, texts), strict=True))
            near, alike = self.neighbours.nearest(engine.embed(texts)), self.neighbours.alike(first, second)
            return [(request.key, *row) for request, *row in zip(batch, near, alike, strict=True)]
        signals = {"response": response_signals, "given": given_signals, "alone": alone_signals}[self.name]
        return [(scores.key, *signals(scores)) for scores in engine.score(batch)]


def _readings(readers: Readers) -> list[_Reading]:
    engines, base, found = readers.engines, readers.engines.base, []
    if "surprise" in readers.groups:
        adapter = readers.adapters["instruction"]
        told = f"{base.fingerprint} {adapter_hash(adapter)}"
        load = engines.rater(adapter)
        found = [
            _Reading("response", base.fingerprint, engines.reader()),
            _Reading("given", told, load),
            _Reading("alone", told, load),
        ]
    if "neighbours" in readers.groups:
        seeds = readers.neighbours.table
        identity = content_key(
            base.fingerprint, *(text for row in seeds.select("pair_id", "response").iter_rows() for text in row)
        )
        found.append(_Reading("neighbours", identity, engines.reader(), readers.neighbours))
    if "level" in readers.groups:
        rater = readers.adapters["level"]
        identity = f"{base.fingerprint} {adapter_hash(rater)}"
        found.append(_Reading("level", identity, engines.rater(rater)))
    return found


def _read(reading: _Reading, requests: Iterable[Request], log: SignalLog, progress: Progress) -> Rows:
    rows = log.open(reading.name)

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        names = rows.schema.names()
        return frame([dict(zip(names, row, strict=True)) for row in reading.rows(engine, batch)], rows.schema)

    return run_rows(reading.load, list(requests), work, rows, batch_rows=SCORED_ROWS, progress=progress)
