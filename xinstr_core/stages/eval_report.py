"""eval_report: base against tuned on what both were never shown, what each stage lost, and one page that says so.

The arms that the settings ask for are tuned and measured here too: see stages/arms.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from xinstr_core.curation.audit import audit_file, read_audit
from xinstr_core.curation.instructions import ACCEPTED, instruction_status
from xinstr_core.engines.base import SCORED_ROWS, Decoding, Request, length_sorted_batches
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import Load, RowLog
from xinstr_core.errors import InputError
from xinstr_core.evaluation.agreement import Agreement, agreement
from xinstr_core.evaluation.arms import GAP_SCHEMA, SELECTED, gaps
from xinstr_core.evaluation.gold import held_out_documents, judge_instruction, judge_pairs, judge_replies
from xinstr_core.evaluation.measures import MEASURE_SCHEMA, Measures, compare
from xinstr_core.evaluation.replies import (
    ENGLISH,
    REPLY_SCHEMA,
    EvaluationPrompt,
    answer,
    is_wrong_language,
    read_prompts,
)
from xinstr_core.identity import content_key
from xinstr_core.languages import Language
from xinstr_core.pocket.documents import write_instruction
from xinstr_core.prompts.render import prompt
from xinstr_core.reporting.page import Findings, write_page
from xinstr_core.schemas import frame
from xinstr_core.stages.arms import arm_folder, kept_folders, train_arms
from xinstr_core.stages.stage import TRAINED_ON, Stage, StageRun
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace


@dataclass(frozen=True)
class Subject:
    """A model that is measured: the base model (no adapter) or a tuned one, asked as it was taught to be."""

    name: str
    adapter: Path | None
    template: str


def run(run: StageRun) -> StageOutput:
    measures = Measures(run.language.tag, run.settings.evaluation)
    prompts = _prompts(run)
    arms = train_arms(run)
    tuned = run.inputs["tuned_model"]
    template = "response_seed" if tuned.figures["seed rows"] > 0 else "response_web"
    subjects = [
        Subject("base", None, template),
        Subject("tuned", tuned.folder("adapter"), template),
        *(Subject(arm.arm, arm.adapter, arm.template) for arm in arms),
    ]
    replies = pl.concat([_measure_model(run, subject, prompts, measures) for subject in subjects])
    if gold := run.workspace.gold_file(run.language):
        _measure_pairs(run, gold, measures)
        _measure_reverse_model(run, measures)

    asked = pl.DataFrame(
        [asdict(p) for p in prompts],
        schema={"prompt_id": pl.String, "instruction": pl.String, "prompt_language": pl.String},
    )
    replies = replies.join(asked, on="prompt_id", how="left", maintain_order="left")
    found = gaps(measures.scores, run.settings.evaluation)
    taught, foreign = _training_instructions(run)
    audit, audit_note = _audit(run)
    findings = Findings(
        measures.rows,
        replies,
        taught,
        foreign,
        arms={arm.arm: asdict(arm) for arm in arms},
        gaps=found,
        audit=audit,
        audit_note=audit_note,
    )
    page = write_page(run.unfinished / "report", run.language, run.settings, run.inputs, findings)
    comparisons, kept = compare(measures.rows), kept_folders(arms, run.settings.tuning)
    return StageOutput(
        tables={
            "measures": frame([asdict(row) for row in measures.rows], MEASURE_SCHEMA),
            "scores": measures.scores,
            "gaps": frame([{**asdict(gap), "clear": gap.clear} for gap in found], GAP_SCHEMA),
            "replies": replies,
        },
        folders={"report": page, **kept},
        figures={
            "measures": {f"{row.metric} | {row.model} | {row.prompts}": round(row.value, 4) for row in measures.rows},
            "clearly better than base": sum(c.clear for c in comparisons),
            "compared": len(comparisons),
            "arms": {arm.arm: {"pairs": arm.pairs, "seeds": arm.seeds, "rows": arm.rows} for arm in arms},
            "gaps clearly in favour of the selection": sum(gap.clear for gap in found if gap.reference == SELECTED),
            "gaps": sum(gap.reference == SELECTED for gap in found),
            "training instructions": taught,
            "training instructions not in English": foreign,
            TRAINED_ON: {arm_folder(arm.arm): arm.identity for arm in arms if arm_folder(arm.arm) in kept},
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
    run: StageRun, subject: Subject, prompts: list[EvaluationPrompt], measures: Measures
) -> pl.DataFrame:
    """Measure one model and return its replies, with its name and the language beside them."""
    engine = run.engines.tuned(subject.adapter)
    model = content_key(run.model.fingerprint, adapter_hash(subject.adapter) if subject.adapter else "")
    log = RowLog.open(run.rows / "replies", REPLY_SCHEMA, run.previous, "replies")
    settings, template = run.settings.evaluation, prompt(subject.template)
    replies = answer(engine, model, prompts, template, run.language, settings, log, run.progress)
    judged = judge_replies(replies, prompts, run.language.tag) if run.workspace.is_pocket(run.language) else None
    for asked_in in sorted({p.prompt_language for p in prompts}):
        ids = [p.prompt_id for p in prompts if p.prompt_language == asked_in]
        of_language = replies.filter(pl.col("prompt_id").is_in(ids)).select("prompt_id", "reply")
        wrong = {case: float(is_wrong_language(reply, run.language)) for case, reply in of_language.iter_rows()}
        measures.add("wrong-language rate", subject.name, wrong, prompts=asked_in, better="lower")
        if judged is not None:
            of_gold = judged.filter(pl.col("prompt_id").is_in(ids))
            measures.add("right intent of reply", subject.name, _by_case(of_gold, "right_intent"), prompts=asked_in)
            measures.add(
                "right intent and subject of reply", subject.name, _by_case(of_gold, "right_subject"), prompts=asked_in
            )
    held_out = _likelihoods(engine, _held_out_requests(run))
    measures.add("held-out log-likelihood per token", subject.name, held_out, prompts=ENGLISH)
    if judged is not None:
        of_gold_documents = _likelihoods(engine, _gold_requests(run, subject.template))
        measures.add("gold log-likelihood per token", subject.name, of_gold_documents, prompts=ENGLISH)
    return replies.with_columns(language=pl.lit(run.language.tag), model=pl.lit(subject.name))


def _by_case(rows: pl.DataFrame, column: str, case: str = "prompt_id") -> dict[str, float]:
    return dict(rows.select(case, pl.col(column).cast(pl.Float64)).iter_rows())


def _held_out_requests(run: StageRun) -> list[Request]:
    """Each held-out response under its own instruction."""
    web = prompt("response_web")
    rows = run.inputs["diversified_set"].scan("rows").filter(pl.col("split") == "heldout").sort("pair_id").collect()
    return [
        Request(row["pair_id"], web.render(instruction=row["instruction"], language=run.language.name), row["response"])
        for row in rows.iter_rows(named=True)
    ]


def _gold_requests(run: StageRun, template: str) -> list[Request]:
    """Each gold document about a subject that no training text names, under a right English instruction.

    No flaw of a generated instruction or a web text is in it: what tells models apart more finely than their replies.
    """
    return [
        Request(
            document.key,
            prompt(template).render(
                instruction=write_instruction(document.topic, ENGLISH, random.Random(document.key)),
                language=run.language.name,
            ),
            document.text,
        )
        for document in held_out_documents(_held_out_gold(run), run.language.tag)
    ]


def _likelihoods(engine: Load, requests: Sequence[Request]) -> dict[str, float]:
    """Mean natural log-probability per token of every completion, by key."""
    scored = {s.key: s.tokens for batch in length_sorted_batches(requests, SCORED_ROWS) for s in engine().score(batch)}
    return {request.key: sum(scored[request.key]) / len(scored[request.key]) for request in requests}


def _training_instructions(run: StageRun) -> tuple[int, int]:
    """(instructions that the tuned model learned from, those of them that are not in English).

    What must be 0 for replies to prompts in the language to be zero-shot. A text is English where a candidate's
    instruction would be: names that it takes over from its response, in any script, do not count.
    """
    tables = run.inputs["diversified_set"].scan("rows"), run.inputs["seed_pairs"].scan("seeds")
    pairs = pl.concat([table.select("pair_id", "instruction", "response") for table in tables])
    trained = run.inputs["tuned_model"].scan("training_rows").select("pair_id")
    learned = pairs.join(trained, on="pair_id", how="semi").select("instruction", "response").collect()
    statuses = [
        instruction_status(" ".join(text.split()), response, finished=True, maximum_characters=len(text))[1]
        for text, response in learned.iter_rows()
    ]
    return len(statuses), sum(status != ACCEPTED for status in statuses)


def _measure_pairs(run: StageRun, gold: Path, measures: Measures) -> None:
    """What curation did, by gold: share of good pairs before and after, and how many good ones it kept."""
    pairs = run.inputs["refined_pairs"].read("pairs")
    judged = pairs.join(judge_pairs(pairs, gold, run.language.tag), on="pair_id", how="inner")
    measures.add("good pairs", "accepted candidates", _by_case(judged, "good", "pair_id"))
    measures.add("good pairs (precision)", "kept pairs", _by_case(judged.filter("kept"), "good", "pair_id"))
    measures.add("good pairs kept (recall)", "kept pairs", _by_case(judged.filter("good"), "kept", "pair_id"))
    selected = run.inputs["diversified_set"].scan("rows").filter(pl.col("split") == "train").select("pair_id").collect()
    kept = pairs.filter("kept").sort("pair_id")  # keys are hashes: the first ones are a random choice
    for name, chosen in (("selected pairs", selected), ("random pairs, as many", kept.head(len(selected)))):
        topics = judged.join(chosen.select("pair_id"), on="pair_id").filter("good")["intent"]
        covered = {intent: float(intent in set(topics)) for intent in judged["intent"].unique().sort()}
        measures.add("intents covered", name, covered)


def _measure_reverse_model(run: StageRun, measures: Measures) -> None:
    """The reverse model on documents about held-out subjects."""
    documents = {d.key: d for d in held_out_documents(_held_out_gold(run), run.language.tag)}
    engine = run.engines.reverse(run.inputs["reverse_model"].folder("adapter"))
    reverse = prompt("reverse")
    requests = [Request(key, reverse.render(text=document.text)) for key, document in documents.items()]
    intents, subjects = dict[str, float](), dict[str, float]()
    for batch in length_sorted_batches(requests, run.settings.generation.batch_rows):
        for completion in engine().generate(batch, Decoding(run.settings.generation.maximum_new_tokens)):
            intent, subject = judge_instruction(completion.text.strip(), documents[completion.key].topic)
            intents[completion.key], subjects[completion.key] = float(intent), float(subject)
    measures.add("right intent of instruction (held-out documents)", "reverse model", intents)
    measures.add("right intent and subject of instruction (held-out documents)", "reverse model", subjects)


def _audit(run: StageRun) -> tuple[list[Agreement], str]:
    """How the ratings agree with what a person labelled so far, and what has to be said of that file."""
    path = audit_file(run.workspace.home, run.language.tag)
    if not path.is_file():
        return [], ""
    try:
        audit = read_audit(path)
    except InputError as error:
        return [], str(error).replace(str(path), path.name)
    pairs = run.inputs["refined_pairs"].scan("pairs").drop("instruction", "response").collect()
    unread = f"; {len(audit.troubles)} cells could not be read" if audit.troubles else ""
    note = f"{audit.labelled} of {len(audit.labels)} pairs labelled{unread}"
    return agreement(audit.labels, pairs, run.settings), note


def _held_out_gold(run: StageRun) -> Path:
    gold = run.workspace.gold_file(run.language, ".heldout")
    assert gold is not None
    return gold


def files(workspace: Workspace, language: Language) -> dict[str, Path | None]:
    audit = audit_file(workspace.home, language.tag)
    return {
        "audit": audit if audit.is_file() else None,
        "prompts": workspace.prompts_file(language),
        "gold": workspace.gold_file(language),
        "held-out gold": workspace.gold_file(language, ".heldout"),
    }


STAGE = Stage(
    "eval_report",
    "4",
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
    settings=("evaluation", "generation", "tuning", "curation"),
    prompts=("response_web", "response_seed", "reverse"),
    files=files,
)
