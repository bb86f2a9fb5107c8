"""candidate_pairs: for every text English instructions that it would answer. The text stays untouched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
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
from xinstr_core.engines.resume import KEY, Load, Rows, run_windows
from xinstr_core.files import SortedTable, scan_parquet
from xinstr_core.identity import content_key, fingerprint, pair_key
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


@dataclass
class Window:
    """Texts that are worked on together, and what is made of them step by step: rows of tables, and rows of PAIRS to be."""

    texts: list[Text]
    openings: pl.DataFrame = field(default_factory=OPENINGS.schema.to_frame)
    attempts: list[Attempt] = field(default_factory=list)
    raw: pl.DataFrame = field(default_factory=RAW.schema.to_frame)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def whole(self) -> list[Text]:
        """Those that get instructions."""
        return [text for text in self.texts if not text.flaw]


@dataclass
class _Told:
    """What is counted over all windows."""

    statuses: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, window: Window) -> None:
        self.statuses.update(row["status"] for row in window.rows)
        self.flaws.update(text.flaw for text in window.texts if text.flaw)
        self.documents += len(window.texts)
        read, written = window.raw.select(pl.col("prompt_tokens", "completion_tokens").sum()).row(0)
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
        table: SortedTable(run.unfinished / f"{table.name}-parts", table.schema, key) for table, key in keys.items()
    }
    told = _Told()
    with (
        closing(_with_openings(run, _windows(run, documents, count), model, count)) as opened,
        closing(_with_answers(run, opened, model, count)) as answered,
        closing(_with_gains(run, answered, model, count)) as gained,
    ):
        for window, gains in gained:
            window.rows += [_flawed(run, text, model) for text in window.texts if text.flaw]
            told.add(window)
            tables[PAIRS].add(PAIRS.frame(window.rows))
            tables[RAW].add(window.raw)
            tables[GAINS].add(gains)
            tables[OPENINGS].add(window.openings)
    finished = {table.name: rows.finish(run.unfinished / f"{table.name}.parquet") for table, rows in tables.items()}
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


def _windows(run: StageRun, documents: pl.LazyFrame, count: int) -> Iterator[Window]:
    language, settings = run.language.tag, run.settings.generation
    for number in range(count):
        rows = documents.slice(number * WINDOW_TEXTS, WINDOW_TEXTS).collect()
        yield Window(
            [
                Text(doc_id, text, opening_flaw(text, language) if settings.require_self_contained else "")
                for doc_id, text in rows.iter_rows()
            ]
        )


def _with_openings(run: StageRun, windows: Iterable[Window], model: str, count: int) -> Generator[Window]:
    """The windows with what is tried for their texts: the real users' openings that suit each come in, if any are wanted."""
    settings = run.settings.generation
    wanted = settings.guided_candidates
    known = common_openings(run.read(SEEDS).sort("pair_id")["instruction"]) if wanted else []
    identity = content_key(model, str(wanted), str(settings.seed), *known)

    def asked(window: Window) -> list[Request]:
        return [Request(_opening_key(identity, text), reverse_prompt(text.text)) for text in window.whole if known]

    for window, rows in run_windows(
        _reverse_model(run),
        windows,
        asked,
        lambda engine, batch: suit_openings(engine, batch, known, wanted, settings.seed),
        run.row_log(OPENINGS),
        batch_rows=SCORED_ROWS,
        progress=partial(run.progress, doing="finding openings"),
        maximum_failed_share=settings.maximum_failed_share,
        windows_in_all=count,
    ):
        window.openings = rows.done
        suited = dict(rows.done.iter_rows())
        for text in window.whole:
            window.attempts += _attempts(run, text, suited.get(_opening_key(identity, text), []), model)
        yield window


def _opening_key(identity: str, text: Text) -> str:
    return content_key("opening", identity, text.text)


def _attempts(run: StageRun, text: Text, openings: Sequence[str], model: str) -> Iterator[Attempt]:
    """The instructions that are tried for a text: sampled freely, then from each opening of seeds and of the settings."""
    settings = run.settings.generation
    asked = reverse_prompt(text.text)
    decoding = json.dumps(decoding_of(settings).identity())
    for sample, opening in enumerate([*[""] * settings.candidates, *openings, *settings.openings]):
        key = content_key("generation", model, decoding, asked, opening, str(sample))
        yield Attempt(text, sample, opening, reverse_request(key, asked, opening))


def _with_answers(run: StageRun, windows: Iterable[Window], model: str, count: int) -> Generator[Window]:
    """The windows with what the reverse model wrote, and what is to be said of it before gains are known."""
    for window, raw in write_raw_windows(
        _reverse_model(run),
        windows,
        lambda window: [attempt.request for attempt in window.attempts],
        run.settings.generation,
        run.row_log(RAW),
        run.progress,
        count,
    ):
        window.raw = raw.done
        window.rows = list(_judged(run, window.attempts, raw, model))
        yield window


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


def _with_gains(
    run: StageRun, windows: Iterable[Window], model: str, count: int
) -> Generator[tuple[Window, pl.DataFrame]]:
    """The windows, gain and status written into the rows that were accepted so far, with the rows of GAINS.

    Of every text those go on that gain most.
    """
    settings = run.settings.generation

    def accepted(window: Window) -> list[dict[str, Any]]:
        return [row for row in window.rows if row["status"] == ACCEPTED and settings.chooses_by_gain]

    for window, gained in measure_gains(
        _reverse_model(run),
        model,
        windows,
        lambda window: [(row["pair_id"], row["response"], row["instruction"]) for row in accepted(window)],
        run.row_log(GAINS),
        run.progress,
        maximum_failed_share=settings.maximum_failed_share,
        windows_in_all=count,
    ):
        chosen = {row["pair_id"]: row for row in accepted(window)}
        statuses = statuses_by_gain(gained.values, {key: row["doc_id"] for key, row in chosen.items()}, settings)
        for key, status in statuses.items():
            chosen[key].update(gain=gained.values[key], status=status)
        for key, reason in gained.failed.items():
            chosen[key].update(status="failed", detail=printable(reason))
        yield window, gained.rows


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
