"""candidate_pairs: for every text English instructions that it would answer. The text stays untouched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from xinstr_core.curation.gains import measure_gains, statuses_by_gain
from xinstr_core.curation.instructions import instruction_status
from xinstr_core.curation.openings import common_openings, suit_openings
from xinstr_core.curation.reverse import decoding_of, reverse_request, write_raw_instructions
from xinstr_core.curation.self_contained import opening_flaw
from xinstr_core.engines.base import SCORED_ROWS, Request
from xinstr_core.engines.resume import KEY, Load, Rows, run_rows
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


@stage(
    gives=CANDIDATE_PAIRS,
    takes=(RAW_CORPUS, SEED_PAIRS, REVERSE_MODEL),
    version="6",
    settings=("generation",),
    prompts=("reverse",),
    roles=("reverse",),
)
def write_instructions(run: StageRun) -> StageOutput:
    settings = run.settings.generation
    weights = fingerprint({"base": run.model.fingerprint, "adapter": run.inputs[REVERSE_MODEL.asset].version})
    model = run.engines.identity("reverse", weights)
    documents = run.scan(DOCUMENTS).select("doc_id", "text").sort("doc_id")
    texts = [
        Text(doc_id, text, opening_flaw(text, run.language.tag) if settings.require_self_contained else "")
        for doc_id, text in documents.head(settings.maximum_documents).collect().iter_rows()
    ]
    whole = [text for text in texts if not text.flaw]
    suited, openings = _openings(run, whole, model)
    attempts = [attempt for text in whole for attempt in _attempts(run, text, suited.get(text.doc_id, []), model)]
    raw = _generate(run, attempts)
    written = list(_judged(run, attempts, raw, model))
    gains = _choose_by_gain(run, written, model)
    rows = [*written, *(_flawed(run, text, model) for text in texts if text.flaw)]
    tokens = raw.done.select(pl.col("prompt_tokens", "completion_tokens").sum()).row(0)
    return StageOutput(
        tables={
            PAIRS.name: PAIRS.frame(rows).sort("pair_id"),
            RAW.name: raw.done,
            GAINS.name: gains,
            OPENINGS.name: openings,
        },
        figures=CandidateFigures(
            funnel=_funnel(rows),
            documents=len(texts),
            flawed_texts=dict(Counter(text.flaw for text in texts if text.flaw)),
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
        ),
    )


def _reverse_model(run: StageRun) -> Load:
    return run.engines.reverse(run.inputs[REVERSE_MODEL.asset].folder(ADAPTER.name))


def _openings(run: StageRun, texts: Sequence[Text], model: str) -> tuple[dict[str, list[str]], pl.DataFrame]:
    """The real users' openings that suit each text, by document, and the rows they were found in; none if none wanted."""
    settings = run.settings.generation
    wanted = settings.guided_candidates
    known = common_openings(run.read(SEEDS).sort("pair_id")["instruction"]) if wanted else []
    if not known:
        return {}, OPENINGS.schema.to_frame()
    identity = content_key(model, str(wanted), str(settings.seed), *known)
    keys = {content_key("opening", identity, text.text): text for text in texts}
    rows = run_rows(
        _reverse_model(run),
        [Request(key, prompt("reverse").render(text=text.text)) for key, text in keys.items()],
        lambda engine, batch: suit_openings(engine, batch, known, wanted, settings.seed),
        run.row_log(OPENINGS),
        batch_rows=SCORED_ROWS,
        progress=partial(run.progress, doing="finding openings"),
        maximum_failed_share=settings.maximum_failed_share,
    )
    return {keys[key].doc_id: found for key, found in rows.done.iter_rows()}, rows.done


def _attempts(run: StageRun, text: Text, openings: Sequence[str], model: str) -> Iterator[Attempt]:
    """The instructions that are tried for a text: sampled freely, then from each opening of seeds and of the settings."""
    settings = run.settings.generation
    asked = prompt("reverse").render(text=text.text)
    decoding = json.dumps(decoding_of(settings).identity())
    for sample, opening in enumerate([*[""] * settings.candidates, *openings, *settings.openings]):
        key = content_key("generation", model, decoding, asked, opening, str(sample))
        yield Attempt(text, sample, opening, reverse_request(key, text.text, opening))


def _generate(run: StageRun, attempts: Sequence[Attempt]) -> Rows:
    return write_raw_instructions(
        _reverse_model(run),
        [attempt.request for attempt in attempts],
        run.settings.generation,
        run.row_log(RAW),
        run.progress,
    )


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


def _choose_by_gain(run: StageRun, rows: Sequence[dict[str, Any]], model: str) -> pl.DataFrame:
    """Write gain and status into the rows that are accepted so far: of every text those go on that gain most. The rows of GAINS."""
    settings = run.settings.generation
    accepted = {row["pair_id"]: row for row in rows if row["status"] == ACCEPTED and settings.chooses_by_gain}
    gained = measure_gains(
        _reverse_model(run),
        model,
        [(key, row["response"], row["instruction"]) for key, row in accepted.items()],
        run.row_log(GAINS),
        run.progress,
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


def _funnel(rows: Sequence[dict[str, object]]) -> CandidateFunnel:
    statuses = Counter(str(row["status"]) for row in rows)
    lost = {status: count for status, count in statuses.most_common() if status != ACCEPTED}
    return CandidateFunnel(taken=len(rows), lost=lost, kept=statuses[ACCEPTED])
