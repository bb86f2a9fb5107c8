"""candidate_pairs: for every document one English instruction that it would answer. The document stays untouched."""

from __future__ import annotations

from collections import Counter

import polars as pl

from xinstr_core.curation.instructions import ACCEPTED, instruction_status
from xinstr_core.engines.base import Completion, Decoding, Request, length_sorted_batches
from xinstr_core.engines.resume import run_batches
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.identity import fingerprint, pair_key
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas import frame
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import ShardLog, StageOutput

RAW_SCHEMA = pl.Schema(
    {
        "pair_id": pl.String,
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
        "instruction": pl.String,
        "response": pl.String,
        "prompt_version": pl.String,
        "model": pl.String,
        "seed": pl.Int64,
        "raw_output": pl.String,
        "status": pl.String,
    }
)


def run(run: StageRun) -> StageOutput:
    settings = run.settings.generation
    reverse = prompt("reverse")
    adapter = run.inputs["reverse_model"]
    model = fingerprint({"base": run.model.fingerprint, "adapter": adapter.version})
    documents = (
        run.inputs["raw_corpus"]
        .scan("documents")
        .select("doc_id", "text")
        .sort("doc_id")
        .head(settings.maximum_documents)
        .collect()
    )
    texts = {pair_key(doc_id, reverse.version, model, 0): (doc_id, text) for doc_id, text in documents.iter_rows()}

    decoding = Decoding(settings.maximum_new_tokens, settings.temperature, settings.top_p, settings.seed)
    requests = [Request(pair_id, reverse.render(text=text)) for pair_id, (_, text) in texts.items()]
    # Raw answers are on disk before anything parses them: a better parser never costs a second generation.
    raw = run_batches(
        lambda: TransformersEngine(run.model, adapter.folder("adapter")),
        length_sorted_batches(requests, settings.batch_rows),
        ShardLog(run.unfinished / "raw"),
        lambda engine, batch: frame(
            [_raw_row(completion) for completion in engine.generate(batch, decoding)], RAW_SCHEMA
        ),
        run.progress,
    )
    rows = []
    for answer in pl.concat([RAW_SCHEMA.to_frame(), *raw]).sort("pair_id").iter_rows(named=True):
        doc_id, text = texts[answer["pair_id"]]
        instruction, status = instruction_status(
            answer["raw_output"],
            text,
            finished=answer["finished"],
            maximum_characters=settings.maximum_instruction_characters,
        )
        rows.append(
            {
                "language": run.language.tag,
                "pair_id": answer["pair_id"],
                "doc_id": doc_id,
                "instruction": instruction,
                "response": text,
                "prompt_version": reverse.version,
                "model": model,
                "seed": settings.seed,
                "raw_output": answer["raw_output"],
                "status": status,
            }
        )
    statuses = Counter(str(row["status"]) for row in rows)
    tokens = pl.concat([RAW_SCHEMA.to_frame(), *raw]).select(pl.col("prompt_tokens", "completion_tokens").sum()).row(0)
    return StageOutput(
        tables={"pairs": frame(rows, PAIR_SCHEMA)},
        figures={
            "funnel": {
                "documents": len(rows),
                **{f"- {status}": n for status, n in statuses.most_common() if status != ACCEPTED},
                "accepted": statuses[ACCEPTED],
            },
            "prompt tokens": tokens[0],
            "completion tokens": tokens[1],
        },
    )


def _raw_row(completion: Completion) -> dict[str, object]:
    return {
        "pair_id": completion.key,
        "raw_output": completion.text,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "finished": completion.finished,
    }


STAGE = Stage(
    "candidate_pairs",
    "2",
    run,
    upstream=("raw_corpus", "reverse_model"),
    settings=("generation",),
    prompts=("reverse",),
)
