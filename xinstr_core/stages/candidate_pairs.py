"""candidate_pairs: for every text English instructions that it would answer. The text stays untouched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl

from xinstr_core.curation.gains import measure_gains, statuses_by_gain
from xinstr_core.curation.instructions import instruction_status
from xinstr_core.curation.openings import common_openings, suit_openings
from xinstr_core.curation.reverse import decoding_of, reverse_prompt, reverse_request, write_raw_windows
from xinstr_core.curation.self_contained import opening_flaw
from xinstr_core.engines.base import SCORED_ROWS, Request
from xinstr_core.engines.resume import KEY, Load, RowLog, Rows, run_rows
from xinstr_core.files import SortedTable, scan_parquet
from xinstr_core.identity import content_key, fingerprint, pair_key
from xinstr_core.progress import Progress, part_of
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import (
    ACCEPTED,
    CANDIDATE_PAIRS,
    GAINS,
    OPENINGS,
    PAIRS,
    RAW,
    CandidateFigures,
    CandidateFunnel,
)
from xinstr_core.schemas.raw_corpus import DOCUMENTS, RAW_CORPUS
from xinstr_core.schemas.reverse_model import ADAPTER, REVERSE_MODEL
from xinstr_core.schemas.seed_pairs import SEED_PAIRS, SEEDS
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.text import printable

# Texts that are worked on at a time, with all that is tried for each: what is held in memory. More than a pocket language
# has or the preset `small` takes, so that their batches are those of all texts; few enough for any machine.
WINDOW_TEXTS = 4096
_BEGINNING = pl.col("doc_id").str.head(4)  # of 65,536 different ones


@dataclass(frozen=True)
class Text:
    """A document that gets instructions, or the flaw for which it gets none."""

    doc_id: str
    text: str
    flaw: str


@dataclass(frozen=True)
class Attempt:
    """One instruction to be generated for one text."""

    text: Text
    sample: int
    opening: str
    request: Request


@dataclass(frozen=True)
class Window:
    """Texts that are worked on together, what is tried for them, and how to tell how far that is."""

    texts: list[Text]
    attempts: list[Attempt]
    progress: Progress


@dataclass
class _Told:
    """What is counted over all windows."""

    statuses: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, window: Window, pairs: pl.DataFrame, raw: pl.DataFrame) -> None:
        self.statuses.update(pairs["status"])
        self.flaws.update(text.flaw for text in window.texts if text.flaw)
        self.documents += len(window.texts)
        read, written = raw.select(pl.col("prompt_tokens", "completion_tokens").sum()).row(0)
        self.prompt_tokens += read
        self.completion_tokens += written

    def figures(self) -> CandidateFigures:
        lost = {status: count for status, count in self.statuses.most_common() if status != ACCEPTED}
        return CandidateFigures(
            funnel=CandidateFunnel(taken=self.statuses.total(), lost=lost, kept=self.statuses[ACCEPTED]),
            documents=self.documents,
            flawed_texts=dict(self.flaws),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
        )


@stage(
    gives=CANDIDATE_PAIRS,
    takes=(RAW_CORPUS, SEED_PAIRS, REVERSE_MODEL),
    version="6",
    settings=("generation",),
    prompts=("reverse",),
    roles=("reverse",),
)
def write_instructions(run: StageRun) -> StageOutput:
    weights = fingerprint({"base": run.model.fingerprint, "adapter": run.inputs[REVERSE_MODEL.asset].version})
    model = run.engines.identity("reverse", weights)
    documents = _documents(run)
    count = -(-documents.select(pl.len()).collect().item() // WINDOW_TEXTS)
    keys = {PAIRS: "pair_id", RAW: KEY, GAINS: KEY, OPENINGS: KEY}
    tables = {
        table.name: SortedTable(run.unfinished / f"{table.name}-parts", table.schema, key)
        for table, key in keys.items()
    }
    gains_log, told = run.row_log(GAINS), _Told()
    answered = write_raw_windows(
        _reverse_model(run),
        _windows(run, documents, count, model, tables[OPENINGS.name]),
        lambda window: [attempt.request for attempt in window.attempts],
        run.settings.generation,
        run.row_log(RAW),
        run.progress,
        count,
    )
    with closing(answered):
        for window, raw in answered:
            written = list(_judged(run, window.attempts, raw, model))
            gains = _choose_by_gain(run, written, model, gains_log, window.progress)
            pairs = PAIRS.frame([*written, *(_flawed(run, text, model) for text in window.texts if text.flaw)])
            told.add(window, pairs, raw.done)
            for table, rows in ((PAIRS, pairs), (RAW, raw.done), (GAINS, gains)):
                tables[table.name].add(rows)
    finished = {name: table.finish(run.unfinished / f"{name}.parquet") for name, table in tables.items()}
    return StageOutput(tables=finished, figures=told.figures())


def _reverse_model(run: StageRun) -> Load:
    return run.engines.reverse(run.inputs[REVERSE_MODEL.asset].folder(ADAPTER.name))


def _documents(run: StageRun) -> pl.LazyFrame:
    """Key and text of the documents that are looked at, in the order of their keys: of random ones the first."""
    wanted = run.settings.generation.maximum_documents
    documents = run.scan(DOCUMENTS).select("doc_id", "text")
    counts = documents.group_by(_BEGINNING.alias("begins")).len().sort("begins").collect(engine="streaming")
    begins = counts.filter(pl.col("len").cum_sum() - pl.col("len") < wanted)["begins"].max()
    table = SortedTable(run.unfinished / "texts", documents.collect_schema(), "doc_id")
    taken = documents.filter(pl.lit(begins, dtype=pl.String) >= _BEGINNING)
    for some in taken.collect_batches(chunk_size=WINDOW_TEXTS, maintain_order=True):
        table.add(some)
    found = table.finish(run.unfinished / "texts.parquet")
    return (found.lazy() if isinstance(found, pl.DataFrame) else scan_parquet(found)).head(wanted)


def _windows(
    run: StageRun, documents: pl.LazyFrame, count: int, model: str, found_openings: SortedTable
) -> Iterator[Window]:
    """The documents, window by window, with the openings that suit each of them."""
    language, settings = run.language.tag, run.settings.generation
    known = common_openings(run.read(SEEDS).sort("pair_id")["instruction"]) if settings.guided_candidates else []
    log = run.row_log(OPENINGS)
    for number in range(count):
        progress = part_of(run.progress, number, count)
        rows = documents.slice(number * WINDOW_TEXTS, WINDOW_TEXTS).collect().iter_rows()
        texts = [
            Text(doc_id, text, opening_flaw(text, language) if settings.require_self_contained else "")
            for doc_id, text in rows
        ]
        whole = [text for text in texts if not text.flaw]
        suited = dict[str, list[str]]()
        if known:
            suited, openings = _openings(run, whole, model, known, log, progress)
            found_openings.add(openings)
        attempts = [attempt for text in whole for attempt in _attempts(run, text, suited.get(text.doc_id, []), model)]
        yield Window(texts, attempts, progress)


def _openings(
    run: StageRun, texts: Sequence[Text], model: str, known: Sequence[str], log: RowLog, progress: Progress
) -> tuple[dict[str, list[str]], pl.DataFrame]:
    """The known openings that suit each text, by document, and the rows they were found in."""
    settings = run.settings.generation
    wanted = settings.guided_candidates
    identity = content_key(model, str(wanted), str(settings.seed), *known)
    keys = {content_key("opening", identity, text.text): text for text in texts}
    rows = run_rows(
        _reverse_model(run),
        [Request(key, reverse_prompt(text.text)) for key, text in keys.items()],
        lambda engine, batch: suit_openings(engine, batch, known, wanted, settings.seed),
        log,
        batch_rows=SCORED_ROWS,
        progress=partial(progress, doing="finding openings"),
        maximum_failed_share=settings.maximum_failed_share,
    )
    return {keys[key].doc_id: found for key, found in rows.done.iter_rows()}, rows.done


def _attempts(run: StageRun, text: Text, openings: Sequence[str], model: str) -> Iterator[Attempt]:
    """The instructions that are tried for a text: sampled freely, then from each opening of seeds and of the settings."""
    settings = run.settings.generation
    asked = reverse_prompt(text.text)
    decoding = json.dumps(decoding_of(settings).identity())
    for sample, opening in enumerate([*[""] * settings.candidates, *openings, *settings.openings]):
        key = content_key("generation", model, decoding, asked, opening, str(sample))
        yield Attempt(text, sample, opening, reverse_request(key, asked, opening))


def _judged(run: StageRun, attempts: Sequence[Attempt], raw: Rows, model: str) -> Iterator[dict[str, object]]:
    """A row an attempt: accepted, or the reason against it. The same instruction twice for a text counts once."""
    answers = {row[KEY]: row for row in raw.done.iter_rows(named=True)}
    seen: set[tuple[str, str]] = set()
    for attempt in attempts:
        key = attempt.request.key
        if key in raw.failed:
            yield _row(run, attempt.text, model, attempt, status="failed", detail=printable(raw.failed[key]))
            continue
        instruction, status = instruction_status(
            answers[key]["raw_output"],
            attempt.text.text,
            finished=answers[key]["finished"],
            maximum_characters=run.settings.generation.maximum_instruction_characters,
            opening=attempt.opening,
        )
        if status == ACCEPTED and (attempt.text.doc_id, instruction) in seen:
            status = "repeated"
        seen.add((attempt.text.doc_id, instruction))
        yield _row(run, attempt.text, model, attempt, answers[key]["raw_output"], instruction, status)


def _choose_by_gain(
    run: StageRun, rows: Sequence[dict[str, Any]], model: str, log: RowLog, progress: Progress
) -> pl.DataFrame:
    """Write gain and status into the rows that are accepted so far: of every text those go on that gain most. The rows of GAINS."""
    settings = run.settings.generation
    accepted = {row["pair_id"]: row for row in rows if row["status"] == ACCEPTED and settings.chooses_by_gain}
    gained = measure_gains(
        _reverse_model(run),
        model,
        [(key, row["response"], row["instruction"]) for key, row in accepted.items()],
        log,
        progress,
        maximum_failed_share=settings.maximum_failed_share,
    )
    statuses = statuses_by_gain(gained.values, {key: row["doc_id"] for key, row in accepted.items()}, settings)
    for key, status in statuses.items():
        accepted[key].update(gain=gained.values[key], status=status)
    for key, reason in gained.failed.items():
        accepted[key].update(status="failed", detail=printable(reason))
    return gained.rows


def _flawed(run: StageRun, text: Text, model: str) -> dict[str, object]:
    return _row(run, text, model, status="not_self_contained", detail=text.flaw)


def _row(
    run: StageRun,
    text: Text,
    model: str,
    attempt: Attempt | None = None,
    raw_output: str | None = None,
    instruction: str = "",
    status: str = "",
    detail: str | None = None,
) -> dict[str, object]:
    version = prompt("reverse").version
    return {
        "language": run.language.tag,
        "pair_id": pair_key(text.doc_id, version, attempt.request.key if attempt else model),
        "doc_id": text.doc_id,
        "sample": attempt.sample if attempt else 0,
        "opening": (attempt.opening if attempt else "") or None,
        "instruction": instruction,
        "response": text.text,
        "prompt_version": version,
        "model": model,
        "seed": run.settings.generation.seed,
        "raw_output": raw_output,
        "gain": None,
        "status": status,
        "detail": detail,
    }
