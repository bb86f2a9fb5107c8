"""eval_report: base against tuned on what both were never shown, what each stage lost, and one page that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import polars as pl

from xinstr_core.engines.base import SCORED_ROWS, Decoding, Request, length_sorted_batches
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.evaluation.gold import held_out_documents, judge_instruction, judge_pairs, judge_replies
from xinstr_core.evaluation.measures import MEASURE_SCHEMA, Measures, compare
from xinstr_core.evaluation.replies import ENGLISH, EvaluationPrompt, answer, is_wrong_language, read_prompts
from xinstr_core.languages import Language
from xinstr_core.prompts.render import Prompt, prompt
from xinstr_core.reporting.page import write_page
from xinstr_core.schemas import frame
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import ShardLog, StageOutput
from xinstr_core.workspace import Workspace


def run(run: StageRun) -> StageOutput:
    measures = Measures(run.language.tag, run.settings.evaluation)
    prompts = _prompts(run)
    tuned_on_seeds = run.inputs["tuned_model"].figures["seed rows"] > 0
    template = prompt("response_seed" if tuned_on_seeds else "response_web")
    replies = []
    for model, adapter in (("base", None), ("tuned", run.inputs["tuned_model"].folder("adapter"))):
        answers = _measure_model(run, model, adapter, prompts, template, measures)
        replies.append(answers.with_columns(language=pl.lit(run.language.tag), model=pl.lit(model)))
    if gold := run.workspace.gold_file(run.language):
        _measure_pairs(run, gold, measures)
        _measure_reverse_model(run, measures)

    rows = measures.rows
    table = frame([asdict(row) for row in rows], MEASURE_SCHEMA)
    asked = pl.DataFrame(
        [asdict(p) for p in prompts],
        schema={"prompt_id": pl.String, "instruction": pl.String, "prompt_language": pl.String},
    )
    samples = pl.concat(replies).join(asked, on="prompt_id", how="left", maintain_order="left")
    page = write_page(run.unfinished / "report", run.language, run.settings, run.inputs, rows, samples)
    comparisons = compare(rows)
    return StageOutput(
        tables={"measures": table, "replies": samples},
        folders={"report": page},
        figures={
            "measures": {f"{row.metric} | {row.model} | {row.prompts}": round(row.value, 4) for row in rows},
            "clearly better than base": sum(c.clear for c in comparisons),
            "compared": len(comparisons),
        },
    )


def _prompts(run: StageRun) -> list[EvaluationPrompt]:
    """Prompts of the language's file; else the held-out instructions, which are English."""
    maximum = run.settings.evaluation.maximum_prompts
    path = run.workspace.prompts_file(run.language)
    if path is None:
        rows = run.inputs["diversified_set"].scan("rows").filter(pl.col("split") == "heldout").sort("pair_id").collect()
        return [
            EvaluationPrompt(r["pair_id"], r["instruction"], ENGLISH) for r in rows.head(maximum).iter_rows(named=True)
        ]
    by_language: dict[str, list[EvaluationPrompt]] = {}
    for one in read_prompts(path):
        by_language.setdefault(one.prompt_language, []).append(one)
    return [one for prompts in by_language.values() for one in prompts[:maximum]]


def _measure_model(
    run: StageRun,
    model: str,
    adapter: Path | None,
    prompts: list[EvaluationPrompt],
    template: Prompt,
    measures: Measures,
) -> pl.DataFrame:
    engine = _loaded_once(lambda: TransformersEngine(run.model, adapter))
    shards = ShardLog(run.unfinished / f"replies-{model}")
    replies = answer(engine, prompts, template, run.language, run.settings.evaluation, shards, run.progress)
    gold = run.workspace.is_pocket(run.language)
    judged = judge_replies(replies, prompts, run.language.tag) if gold else None
    for asked_in in sorted({p.prompt_language for p in prompts}):
        ids = [p.prompt_id for p in prompts if p.prompt_language == asked_in]
        of_language = replies.filter(pl.col("prompt_id").is_in(ids))
        wrong = [float(is_wrong_language(reply, run.language)) for reply in of_language["reply"]]
        measures.add("wrong-language rate", model, wrong, prompts=asked_in, better="lower")
        if judged is not None:
            of_gold = judged.filter(pl.col("prompt_id").is_in(ids))
            measures.add(
                "right intent of reply", model, of_gold["right_intent"].cast(pl.Float64).to_list(), prompts=asked_in
            )
            measures.add(
                "right intent and subject of reply",
                model,
                of_gold["right_subject"].cast(pl.Float64).to_list(),
                prompts=asked_in,
            )
    measures.add("held-out log-likelihood per token", model, _likelihoods(run, engine), prompts=ENGLISH)
    return replies


def _likelihoods(run: StageRun, engine: Callable[[], TransformersEngine]) -> list[float]:
    """Mean natural log-probability per token of each held-out response under its own instruction."""
    web = prompt("response_web")
    rows = run.inputs["diversified_set"].scan("rows").filter(pl.col("split") == "heldout").sort("pair_id").collect()
    requests = [
        Request(row["pair_id"], web.render(instruction=row["instruction"], language=run.language.name), row["response"])
        for row in rows.iter_rows(named=True)
    ]
    scored = {s.key: s.tokens for batch in length_sorted_batches(requests, SCORED_ROWS) for s in engine().score(batch)}
    return [sum(scored[request.key]) / len(scored[request.key]) for request in requests]


def _measure_pairs(run: StageRun, gold: Path, measures: Measures) -> None:
    """What curation did, by gold: share of good pairs before and after, and how many good ones it kept."""
    pairs = run.inputs["refined_pairs"].read("pairs")
    judged = pairs.join(judge_pairs(pairs, gold, run.language.tag), on="pair_id", how="inner")
    good = pl.col("good").cast(pl.Float64)
    measures.add("good pairs", "accepted candidates", judged.select(good).to_series().to_list())
    measures.add("good pairs (precision)", "kept pairs", judged.filter("kept").select(good).to_series().to_list())
    kept = judged.filter("good")["kept"].cast(pl.Float64).to_list()
    measures.add("good pairs kept (recall)", "kept pairs", kept)


def _measure_reverse_model(run: StageRun, measures: Measures) -> None:
    """The reverse model on documents about held-out subjects."""
    gold = run.workspace.gold_file(run.language, ".heldout")
    assert gold is not None
    documents = {document.key: document for document in held_out_documents(gold, run.language.tag)}
    engine = TransformersEngine(run.model, run.inputs["reverse_model"].folder("adapter"))
    reverse = prompt("reverse")
    requests = [Request(key, reverse.render(text=document.text)) for key, document in documents.items()]
    intents, subjects = [], []
    for batch in length_sorted_batches(requests, run.settings.generation.batch_rows):
        for completion in engine.generate(batch, Decoding(run.settings.generation.maximum_new_tokens)):
            intent, subject = judge_instruction(completion.text.strip(), documents[completion.key].topic)
            intents.append(float(intent))
            subjects.append(float(subject))
    measures.add("right intent of instruction (held-out documents)", "reverse model", intents)
    measures.add("right intent and subject of instruction (held-out documents)", "reverse model", subjects)


def _loaded_once(load: Callable[[], TransformersEngine]) -> Callable[[], TransformersEngine]:
    loaded: list[TransformersEngine] = []

    def engine() -> TransformersEngine:
        if not loaded:
            loaded.append(load())
        return loaded[0]

    return engine


def files(workspace: Workspace, language: Language) -> dict[str, Path | None]:
    return {
        "prompts": workspace.prompts_file(language),
        "gold": workspace.gold_file(language),
        "held-out gold": workspace.gold_file(language, ".heldout"),
    }


STAGE = Stage(
    "eval_report",
    "2",
    run,
    upstream=(
        "raw_corpus",
        "seed_pairs",
        "reverse_model",
        "candidate_pairs",
        "evaluator",
        "refined_pairs",
        "diversified_set",
        "tuned_model",
    ),
    settings=("evaluation", "generation"),
    prompts=("response_web", "response_seed", "reverse"),
    files=files,
)
