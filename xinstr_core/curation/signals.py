"""What a pair shows to a reader of probabilities: numbers from which ratings are read. Nothing is sampled or parsed.

surprise    The untouched base model reads the response: does it hang together, and does it end? The evaluator's own
            adapter, which has learned to write the instruction of a text, reads the instruction, after its response and
            by itself: does it follow from this response, and is it an instruction at all? A model of a few million
            parameters cannot say in words that two subjects differ, and is surprised when they do (docs/decisions/0002).
gain        What does the response add to the instruction's likelihood, and does it add more than texts that are near it?
            What does the instruction add to how the response opens, for the untouched base model? A fluent question
            about anything is likely after every text; one that its text answers is likely after this one.
coherence   Is the response one text? Are its words likelier in their order than in another, does its first half make the
            second likelier, and does each half by itself ask for the instruction?
grounding   Rare words of the instruction, names above all, stand in the response.
neighbours  The same is asked of the seeds whose texts are most alike, and both halves of the text are about one thing.
level       The label that an adapter would write which has learned to write the level of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.grounding import RareWords
from xinstr_core.curation.neighbours import Neighbours, halves, shared_runs
from xinstr_core.curation.readings import Reading
from xinstr_core.curation.token_scores import IMPOSSIBLE, alone_signals, gain_signals, given_signals
from xinstr_core.engines.base import SCORED_ROWS, Engine, Request, TokenScores
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress, silent
from xinstr_core.schemas import signals as declared
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.signals import signal_table
from xinstr_core.store import Partition
from xinstr_core.text import printable

NEAR_ROWS = 32  # instructions scored between two shards where texts that are near are read too: one text has as many

RESPONSE, GIVEN, ALONE, GAIN, COHERENCE, GROUNDING, NEIGHBOURS, LEVEL = (
    tuple(column.name for column in columns)
    for columns in (
        declared.RESPONSE,
        declared.GIVEN,
        declared.ALONE,
        declared.GAIN,
        declared.COHERENCE,
        declared.GROUNDING,
        declared.NEIGHBOURS,
        declared.LEVEL,
    )
)
SIGNALS = {
    "surprise": (*GIVEN, *RESPONSE, *ALONE),
    "gain": GAIN,
    "coherence": COHERENCE,
    "grounding": GROUNDING,
    "neighbours": NEIGHBOURS,
    "level": LEVEL,
}
NEEDS_INSTRUCTIONS = frozenset(
    {"surprise", "gain", "coherence"}
)  # groups for which an adapter has learned to write instructions
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
    def reads_halves(self) -> bool:
        return "coherence" in self.groups

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
    after: dict[tuple[str, str], float] = {}  # by pair and text: mean log-probability of its instruction after the text
    beside = _beside(readers, pairs, near or {})
    for reading in _readings(readers):
        asked = {pair.key: reading.request(pair) for pair in pairs}
        more = beside if reading.name == "given" else []
        further = [(pair.key, pair.response, reading.request(pair)) for pair in more]
        requests = [*asked.values(), *(request for *_, request in further)]
        rows = _read(reading, requests, log, NEAR_ROWS if more else SCORED_ROWS, progress)
        log.read.setdefault(reading.name, []).append(rows.done)
        found = {key: values for key, *values in rows.done.iter_rows()}
        read[reading.name] = {key: found[r.key] for key, r in asked.items() if r.key in found}
        for key, text, request in further:
            if request.key in found:
                after[key, text] = alone_signals(_scores(found[request.key]))[0]
        failed |= {key: printable(rows.failed[r.key]) for key, r in asked.items() if r.key in rows.failed}
    by_key = {pair.key: pair for pair in pairs}
    whole = sorted(key for key in by_key if all(key in found for found in read.values()))
    rows_of = []
    for key in whole:
        others = [after[key, text] for text in (near or {}).get(key, ()) if (key, text) in after]
        parts = [after.get((key, half), IMPOSSIBLE) for half in halves(by_key[key].response)]
        rows_of.append((key, *_signals_of(readers, by_key[key], read, others, parts)))
    schema = {"pair_id": pl.String, **dict.fromkeys(readers.signals, pl.Float64)}
    return Signals(pl.DataFrame(rows_of, schema=schema, orient="row"), failed)


def _beside(readers: Readers, pairs: Iterable[Pair], near: NearTexts) -> list[Pair]:
    """Each instruction with the texts that it is read after beside its own: those that are near, and both halves of its own."""
    wanted = [
        (
            pair,
            [
                *(near.get(pair.key, ()) if readers.reads_near_texts else ()),
                *(halves(pair.response) if readers.reads_halves else ()),
            ],
        )
        for pair in pairs
    ]
    return [Pair(pair.key, pair.instruction, text) for pair, texts in wanted for text in texts]


def _signals_of(
    readers: Readers, pair: Pair, read: Mapping[str, Mapping[str, Any]], near: Sequence[float], parts: Sequence[float]
) -> list[float]:
    """The signals of a pair, in the order of the readers', from what was read of it, after near texts and after its halves."""
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
    if "coherence" in readers.groups:
        asked = (part - values["alone_mean"] for part in parts)
        hangs = (*read["order"][pair.key], *read["ending"][pair.key], shared_runs(*halves(pair.response)))
        values |= zip(COHERENCE, (*hangs, *asked), strict=True)
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


def _readings(readers: Readers) -> list[Reading]:
    engines, base, found = readers.engines, readers.engines.base.fingerprint, list[Reading]()
    reader = engines.identity("reader", base)
    if "surprise" in readers.groups:
        found.append(Reading("response", reader, engines.reader()))
    if "gain" in readers.groups:
        found.append(Reading("answer", reader, engines.reader(), language=readers.language))
    if readers.reads_halves:
        found += [Reading(name, reader, engines.reader()) for name in ("order", "ending")]
    if NEEDS_INSTRUCTIONS & {*readers.groups}:
        adapter = readers.adapters["instruction"]
        told = engines.identity("rater", f"{base} {adapter_hash(adapter)}")
        load = engines.rater(adapter)
        found += [Reading("given", told, load), Reading("alone", told, load)]
    if "neighbours" in readers.groups:
        seeds = readers.neighbours.table
        texts = (text for row in seeds.select("pair_id", "response").iter_rows() for text in row)
        identity = engines.identity("encoder", content_key(base, *texts))
        found.append(Reading("neighbours", identity, engines.embedder(), readers.neighbours))
    if "level" in readers.groups:
        adapter = readers.adapters["level"]
        told = engines.identity("rater", f"{base} {adapter_hash(adapter)}")
        found.append(Reading("level", told, engines.rater(adapter)))
    return found


def _read(reading: Reading, requests: Iterable[Request], log: SignalLog, batch_rows: int, progress: Progress) -> Rows:
    rows = log.open(reading.name)

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        names = rows.schema.names()
        return frame([dict(zip(names, row, strict=True)) for row in reading.rows(engine, batch)], rows.schema)

    told = partial(progress, doing=f"reading signals ({reading.name})")
    return run_rows(reading.load, list(requests), work, rows, batch_rows=batch_rows, progress=told)
