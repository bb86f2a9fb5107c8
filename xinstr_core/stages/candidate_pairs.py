"""candidate_pairs: for every text English instructions that it would answer. The text stays untouched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from xinstr_core.curation.instructions import ACCEPTED, instruction_status
from xinstr_core.curation.openings import OPENING_SCHEMA, common_openings, suit_openings
from xinstr_core.curation.self_contained import opening_flaw
from xinstr_core.engines.base import SCORED_ROWS, Completion, Decoding, Engine, Request
from xinstr_core.engines.resume import KEY, Load, RowLog, Rows, run_rows
from xinstr_core.identity import content_key, fingerprint, pair_key
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas import frame
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.text import printable

RAW_SCHEMA = pl.Schema(
    {
        KEY: pl.String,
        "raw_output": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "finished": pl.Boolean,
    }
)
PAIR_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "pair_id": pl.String,
        "doc_id": pl.String,
        "sample": pl.Int64,
        "opening": pl.String,
        "instruction": pl.String,
        "response": pl.String,
        "prompt_version": pl.String,
        "model": pl.String,
        "seed": pl.Int64,
        "raw_output": pl.String,
        "status": pl.String,
        "detail": pl.String,
    }
)


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


def run(run: StageRun) -> StageOutput:
    settings = run.settings.generation
    model = fingerprint({"base": run.model.fingerprint, "adapter": run.inputs["reverse_model"].version})
    documents = run.inputs["raw_corpus"].scan("documents").select("doc_id", "text").sort("doc_id")
    texts = [
        Text(doc_id, text, opening_flaw(text, run.language.tag) if settings.require_self_contained else "")
        for doc_id, text in documents.head(settings.maximum_documents).collect().iter_rows()
    ]
    whole = [text for text in texts if not text.flaw]
    suited, openings = _openings(run, whole, model)
    attempts = [attempt for text in whole for attempt in _attempts(run, text, suited.get(text.doc_id, []), model)]
    raw = _generate(run, attempts)
    rows = [*_judged(run, attempts, raw, model), *(_flawed(run, text, model) for text in texts if text.flaw)]
    tokens = raw.done.select(pl.col("prompt_tokens", "completion_tokens").sum()).row(0)
    return StageOutput(
        tables={"pairs": frame(rows, PAIR_SCHEMA).sort("pair_id"), "raw": raw.done, "openings": openings},
        figures={
            "funnel": _funnel(rows),
            "documents": len(texts),
            "texts that open in the middle": dict(Counter(text.flaw for text in texts if text.flaw)),
            "prompt tokens": tokens[0],
            "completion tokens": tokens[1],
        },
    )


def _reverse_model(run: StageRun) -> Load:
    return run.engines.reverse(run.inputs["reverse_model"].folder("adapter"))


def _openings(run: StageRun, texts: Sequence[Text], model: str) -> tuple[dict[str, list[str]], pl.DataFrame]:
    """The real users' openings that suit each text, by document, and the rows they were found in; none if none wanted."""
    settings = run.settings.generation
    wanted = settings.guided_candidates
    known = common_openings(run.inputs["seed_pairs"].read("seeds").sort("pair_id")["instruction"]) if wanted else []
    if not known:
        return {}, OPENING_SCHEMA.to_frame()
    identity = content_key(model, str(wanted), str(settings.seed), *known)
    keys = {content_key("opening", identity, text.text): text for text in texts}
    rows = run_rows(
        _reverse_model(run),
        [Request(key, prompt("reverse").render(text=text.text)) for key, text in keys.items()],
        lambda engine, batch: suit_openings(engine, batch, known, wanted, settings.seed),
        RowLog.open(run.rows / "openings", OPENING_SCHEMA, run.previous, "openings"),
        batch_rows=SCORED_ROWS,
        progress=run.progress,
        maximum_failed_share=settings.maximum_failed_share,
    )
    return {keys[key].doc_id: found for key, found in rows.done.iter_rows()}, rows.done


def _attempts(run: StageRun, text: Text, openings: Sequence[str], model: str) -> Iterator[Attempt]:
    """The instructions that are tried for a text: sampled freely, then from each opening."""
    settings = run.settings.generation
    asked = prompt("reverse").render(text=text.text)
    decoding = json.dumps(asdict(_decoding(run)))
    for sample, opening in enumerate([*[""] * settings.candidates, *openings]):
        key = content_key("generation", model, decoding, asked, opening, str(sample))
        yield Attempt(text, sample, opening, Request(key, asked, opening))


def _decoding(run: StageRun) -> Decoding:
    settings = run.settings.generation
    return Decoding(settings.maximum_new_tokens, settings.temperature, settings.top_p, settings.seed)


def _generate(run: StageRun, attempts: Sequence[Attempt]) -> Rows:
    """Raw answers, on disk before anything parses them: a better parser never costs a second generation."""
    settings = run.settings.generation

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return frame([_raw_row(completion) for completion in engine.generate(batch, _decoding(run))], RAW_SCHEMA)

    return run_rows(
        _reverse_model(run),
        [attempt.request for attempt in attempts],
        work,
        RowLog.open(run.rows / "raw", RAW_SCHEMA, run.previous, "raw"),
        batch_rows=settings.batch_rows,
        progress=run.progress,
        maximum_failed_share=settings.maximum_failed_share,
    )


def _raw_row(completion: Completion) -> dict[str, object]:
    return {
        KEY: completion.key,
        "raw_output": completion.text,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "finished": completion.finished,
    }


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
        )
        if status == ACCEPTED and (attempt.text.doc_id, instruction) in seen:
            status = "repeated"
        seen.add((attempt.text.doc_id, instruction))
        yield _row(run, attempt.text, model, attempt, answers[key]["raw_output"], instruction, status)


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
    sample = attempt.sample if attempt else 0
    version = prompt("reverse").version
    return {
        "language": run.language.tag,
        "pair_id": pair_key(text.doc_id, version, model, sample),
        "doc_id": text.doc_id,
        "sample": sample,
        "opening": (attempt.opening if attempt else "") or None,
        "instruction": instruction,
        "response": text.text,
        "prompt_version": version,
        "model": model,
        "seed": run.settings.generation.seed,
        "raw_output": raw_output,
        "status": status,
        "detail": detail,
    }


def _funnel(rows: Sequence[dict[str, object]]) -> dict[str, int]:
    statuses = Counter(str(row["status"]) for row in rows)
    lost = {f"- {status}": count for status, count in statuses.most_common() if status != ACCEPTED}
    return {"instructions": len(rows), **lost, "accepted": statuses[ACCEPTED]}


STAGE = Stage(
    "candidate_pairs",
    "4",
    run,
    upstream=("raw_corpus", "seed_pairs", "reverse_model"),
    settings=("generation",),
    prompts=("reverse",),
)
