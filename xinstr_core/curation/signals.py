"""What a pair shows to a reader of probabilities: numbers from which ratings are read. Nothing is sampled or parsed.

surprise    The untouched base model reads the response: does it hang together, and does it end? The evaluator's own
            adapter, which has learned to write the instruction of a text, reads the instruction, after its response and
            by itself: does it follow from this response, and is it an instruction at all? A model of a few million
            parameters cannot say in words that two subjects differ, and is surprised when they do (docs/decisions/0002).
gain        What does the response add to the instruction's likelihood, and does it add more than texts that are near it?
            What does the instruction add to how the response opens, for the untouched base model? A fluent question
            about anything is likely after every text; one that its text answers is likely after this one.
grounding   Rare words of the instruction, names above all, stand in the response.
neighbours  The same is asked of the seeds whose texts are most alike, and both halves of the text are about one thing.
level       The label that an adapter would write which has learned to write the level of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

NEAR_ROWS = 32  # instructions scored between two shards where texts that are near are read too: one text has as many
OPENING = 200  # characters of a response by which an instruction is held to it: some sentences, in every script

RESPONSE, GIVEN, ALONE, GAIN, GROUNDING, NEIGHBOURS, LEVEL = (
    tuple(column.name for column in columns)
    for columns in (
        declared.RESPONSE,
        declared.GIVEN,
        declared.ALONE,
        declared.GAIN,
        declared.GROUNDING,
        declared.NEIGHBOURS,
        declared.LEVEL,
    )
)
SIGNALS = {
    "surprise": (*GIVEN, *RESPONSE, *ALONE),
    "gain": GAIN,
    "grounding": GROUNDING,
    "neighbours": NEIGHBOURS,
    "level": LEVEL,
}
NEEDS_INSTRUCTIONS = frozenset({"surprise", "gain"})  # groups for which an adapter has learned to write instructions
NearTexts = Mapping[str, Sequence[str]]  # by pair


@dataclass(frozen=True)
class Readers:
    """What reads the signals: `groups` of SIGNALS, adapters by task ("instruction", "level"), and tables of the seeds.

    `language` is its English name, as prompts use it.
    """

    engines: Engines
    language: str
    groups: tuple[str, ...]
    adapters: dict[str, Path]
    rare_words: RareWords
    neighbours: Neighbours

    @property
    def reads_near_texts(self) -> bool:
        return "gain" in self.groups

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


def gain_signals(given: TokenScores, alone: TokenScores, near: Sequence[float]) -> tuple[float, ...]:
    """(mean, total, lowest) of given minus alone, and the mean of given minus the best mean of alone and `near`, in nats."""
    after, before = (_finite(scores.tokens or (scores.end,)) for scores in (given, alone))
    gained = after - before
    others = [float(before.mean()), *near]
    return float(gained.mean()), float(gained.sum()), float(gained.min()), float(after.mean() - max(others))


def _finite(log_probabilities: Sequence[float]) -> Any:
    return numpy.nan_to_num(numpy.array(log_probabilities), nan=IMPOSSIBLE, neginf=IMPOSSIBLE)


def read_signals(
    readers: Readers,
    pairs: Sequence[Pair],
    log: SignalLog,
    progress: Progress = silent,
    *,
    near: NearTexts | None = None,
) -> Signals:
    """Every signal of every pair. A row's key names text and reader: what has been read is not read again.

    `near` are the texts that are most like each pair's own, by pair.
    """
    failed: dict[str, str] = {}
    read: dict[str, dict[str, Any]] = {}  # by reading and pair
    others: dict[str, list[float]] = {}  # by pair: mean log-probability of its instruction after each near text
    beside = _near_pairs(pairs, near or {}) if readers.reads_near_texts else []
    for reading in _readings(readers):
        asked = {pair.key: reading.request(pair) for pair in pairs}
        more = [(key, reading.request(pair)) for key, pair in beside] if reading.name == "given" else []
        requests = [*asked.values(), *(request for _, request in more)]
        rows = _read(reading, requests, log, NEAR_ROWS if more else SCORED_ROWS, progress)
        log.read.setdefault(reading.name, []).append(rows.done)
        found = {key: values for key, *values in rows.done.iter_rows()}
        read[reading.name] = {key: found[r.key] for key, r in asked.items() if r.key in found}
        for key, request in more:
            if request.key in found:
                others.setdefault(key, []).append(alone_signals(_scores(found[request.key]))[0])
        failed |= {key: printable(rows.failed[r.key]) for key, r in asked.items() if r.key in rows.failed}
    by_key = {pair.key: pair for pair in pairs}
    whole = sorted(key for key in by_key if all(key in found for found in read.values()))
    rows_of = [(key, *_signals_of(readers, by_key[key], read, others.get(key, []))) for key in whole]
    schema = {"pair_id": pl.String, **dict.fromkeys(readers.signals, pl.Float64)}
    return Signals(pl.DataFrame(rows_of, schema=schema, orient="row"), failed)


def _near_pairs(pairs: Iterable[Pair], near: NearTexts) -> list[tuple[str, Pair]]:
    """Each instruction with each text that is near its own, under the key of its pair."""
    return [(pair.key, Pair(pair.key, pair.instruction, text)) for pair in pairs for text in near.get(pair.key, ())]


def _signals_of(
    readers: Readers, pair: Pair, read: Mapping[str, Mapping[str, Any]], near: Sequence[float]
) -> list[float]:
    """The signals of a pair, in the order of the readers', from what was read of it and after near texts."""
    values = dict[str, float]()
    for name, columns in (("response", RESPONSE), ("level", LEVEL)):
        if name in read:
            values |= zip(columns, read[name][pair.key], strict=True)
    if "given" in read:
        given, alone = (_scores(read[name][pair.key]) for name in ("given", "alone"))
        values |= zip((*GIVEN, *ALONE), (*given_signals(given), *alone_signals(alone)), strict=True)
    if "gain" in readers.groups:
        gained = (*gain_signals(given, alone, near), *read["answer"][pair.key])
        values |= zip(GAIN, gained, strict=True)
    if "grounding" in readers.groups:
        values[GROUNDING[0]] = readers.rare_words.missing(pair.instruction, pair.response)
    if "neighbours" in read:
        nearest, alike = read["neighbours"][pair.key]
        shared = readers.neighbours.shared_request(pair.instruction, pair.response, nearest, readers.rare_words)
        values |= zip(NEIGHBOURS, (shared, alike), strict=True)
    return [values[name] for name in readers.signals]


def _scores(read: Sequence[Any]) -> TokenScores:
    tokens, end = read
    return TokenScores("", tuple(tokens), end)


@dataclass(frozen=True)
class _Reading:
    """One pass of one model over one side of the pairs."""

    name: str
    reader: str
    load: Load
    neighbours: Neighbours | None = None
    language: str = ""

    def request(self, pair: Pair) -> Request:
        reverse = prompt("reverse")
        if self.name in ("response", "neighbours"):
            return self._keyed("", pair.response)
        if self.name == "alone":
            return self._keyed(reverse.render(text=""), pair.instruction)
        if self.name == "given":
            return self._keyed(reverse.render(text=pair.response), pair.instruction)
        if self.name == "answer":
            return self._keyed(self._asked(pair.instruction), pair.response[:OPENING])
        return self._keyed(prompt("rating").render(instruction=pair.instruction, text=pair.response), "")

    def _keyed(self, text: str, completion: str) -> Request:
        return Request(content_key(self.name, self.reader, text, completion), text, completion)

    def _asked(self, instruction: str) -> str:
        return prompt("response_seed").render(instruction=instruction, language=self.language)

    def rows(self, engine: Engine, batch: list[Request]) -> Iterable[tuple[Any, ...]]:
        if self.name == "level":
            return [(scores.key, *_finite(scores.labels)) for scores in engine.score_labels(batch, LEVELS)]
        if self.neighbours is not None:
            texts = [request.completion for request in batch]
            first, second = (engine.embed(list(parts)) for parts in zip(*map(halves, texts), strict=True))
            near, alike = self.neighbours.nearest(engine.embed(texts)), self.neighbours.alike(first, second)
            return [(request.key, *row) for request, *row in zip(batch, near, alike, strict=True)]
        if self.name == "response":
            return [(scores.key, *response_signals(scores)) for scores in engine.score(batch)]
        if self.name == "answer":
            return self._answer_gains(engine, batch)
        return [(scores.key, _finite(scores.tokens).tolist(), *_finite([scores.end])) for scores in engine.score(batch)]

    def _answer_gains(self, engine: Engine, batch: list[Request]) -> list[tuple[str, float]]:
        """Mean log-probability of each opening under its instruction, minus that under none."""
        openings = dict.fromkeys(request.completion for request in batch)
        unasked = [Request(text, self._asked(""), text) for text in openings]
        before = {scores.key: alone_signals(scores)[0] for scores in engine.score(unasked)}
        opening_of = {request.key: request.completion for request in batch}
        return [(s.key, alone_signals(s)[0] - before[opening_of[s.key]]) for s in engine.score(batch)]


def _readings(readers: Readers) -> list[_Reading]:
    engines, base, found = readers.engines, readers.engines.base, list[_Reading]()
    if "surprise" in readers.groups:
        found.append(_Reading("response", base.fingerprint, engines.reader()))
    if "gain" in readers.groups:
        found.append(_Reading("answer", base.fingerprint, engines.reader(), language=readers.language))
    if NEEDS_INSTRUCTIONS & {*readers.groups}:
        adapter = readers.adapters["instruction"]
        told = f"{base.fingerprint} {adapter_hash(adapter)}"
        load = engines.rater(adapter)
        found += [_Reading("given", told, load), _Reading("alone", told, load)]
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


def _read(reading: _Reading, requests: Iterable[Request], log: SignalLog, batch_rows: int, progress: Progress) -> Rows:
    rows = log.open(reading.name)

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        names = rows.schema.names()
        return frame([dict(zip(names, row, strict=True)) for row in reading.rows(engine, batch)], rows.schema)

    return run_rows(reading.load, list(requests), work, rows, batch_rows=batch_rows, progress=progress)
