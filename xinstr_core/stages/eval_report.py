"""eval_report: base against tuned on what both were never shown: what the report (reporting/) is made of.

The arms that the settings ask for are tuned and measured here too: see evaluation/arm_models.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import polars as pl

from xinstr_core.curation.audit import audit_file
from xinstr_core.curation.instructions import is_english
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.translators import ENGLISH as ENGLISH_LANGUAGE
from xinstr_core.evaluation.against_gold import measure_pairs, measure_reverse_model
from xinstr_core.evaluation.arm_models import ArmMaterial, ArmModel, ArmTraining, kept_arms, taught_template
from xinstr_core.evaluation.arms import PINCH, SELECTED, TRANSFER_ARMS, drawable
from xinstr_core.evaluation.gaps import Gap, gaps
from xinstr_core.evaluation.gold import HeldOutDocument, held_out_documents
from xinstr_core.evaluation.gold_pairs import GoldPair, read_gold_pairs
from xinstr_core.evaluation.measures import Measures, compare
from xinstr_core.evaluation.replies import ENGLISH, REPLY_SCHEMA, EvaluationPrompt, read_prompts
from xinstr_core.evaluation.subjects import Examination, Subject
from xinstr_core.evaluation.transfer import PAIR_SCHEMA, TransferMaterial, read_pairs
from xinstr_core.identity import fingerprint
from xinstr_core.languages import Language
from xinstr_core.reporting.people import labelled
from xinstr_core.schemas import diversified_set, refined_pairs
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, IS_FOR_TRAINING, IS_HELD_OUT
from xinstr_core.schemas.eval_report import AUDIT, EVAL_REPORT, GAPS, MEASURES, REPLIES, SCORES, ReportFigures
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.metrics import BASE, TUNED
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.reverse_model import ADAPTER, REVERSE_MODEL
from xinstr_core.schemas.seed_pairs import IS_IN_LANGUAGE, SEED_PAIRS, SEEDS
from xinstr_core.schemas.tuned_model import TRAINING_ROWS, TUNED_MODEL
from xinstr_core.settings import EvaluationSettings
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace


def files(workspace: Workspace, language: Language) -> dict[str, Path | None]:
    audit = audit_file(workspace.home, language.tag)
    return {
        "audit": audit if audit.is_file() else None,
        "prompts": workspace.prompts_file(language),
        "gold pairs": workspace.gold_pairs_file(language),
        "gold": workspace.gold_file(language),
        "held-out gold": workspace.gold_file(language, ".heldout"),
        **_transfer_files(workspace, language),
    }


def _transfer_files(workspace: Workspace, language: Language) -> dict[str, Path | None]:
    """What the arms of transfer are made of, where they are asked for."""
    wanted = workspace.settings(language).evaluation.arms
    english = {"English pairs": workspace.english_pairs_file(language)} if {*TRANSFER_ARMS} & {*wanted} else {}
    others = workspace.pinch_seeds_files(language) if PINCH in wanted else []
    return english | {
        f"seeds {place} of {other.tag}, {other.name}, {other.identification_label}": path
        for place, (other, path) in enumerate(others)
    }


@stage(
    gives=EVAL_REPORT,
    takes=(
        RAW_CORPUS,
        SEED_PAIRS,
        REVERSE_MODEL,
        CANDIDATE_PAIRS,
        EVALUATOR,
        REFINED_PAIRS,
        DIVERSIFIED_SET,
        TUNED_MODEL,
    ),
    version="9",
    settings=("evaluation", "generation", "tuning", "curation"),
    prompts=("response_web", "response_seed", "reverse"),
    roles=("reverse", "tuned"),
    files=files,
)
def evaluate(run: StageRun) -> StageOutput:
    measures = Measures(run.language.tag, run.settings.evaluation)
    tuned, gold, prompts = _tuned(run), _gold(run), _prompts(run)
    arms = _arms(run, tuned)
    subjects = [
        Subject(BASE, None, tuned.template),
        Subject(TUNED, tuned.adapter, tuned.template),
        *(Subject(arm.arm, arm.adapter, arm.template) for arm in arms),
    ]
    replies = _examine(run, subjects, prompts, gold, measures)
    if gold is not None:
        _measure_stages(run, gold, measures)
    found = gaps(measures.scores, run.settings.evaluation)
    taught, foreign = _training_instructions(run)
    audit, audit_note = labelled(
        audit_file(run.workspace.home, run.language.tag), run.scan(refined_pairs.PAIRS), run.settings
    )
    kept = kept_arms(arms, run.settings.tuning)
    return StageOutput(
        tables={
            MEASURES.name: MEASURES.frame([asdict(row) for row in measures.rows]),
            SCORES.name: measures.scores,
            GAPS.name: GAPS.frame([{**asdict(gap), "clear": gap.clear} for gap in found]),
            REPLIES.name: replies,
            AUDIT.name: AUDIT.frame([{"language": run.language.tag, **asdict(row)} for row in audit]),
        },
        folders={arm.folder: arm.adapter for arm in kept},
        figures=_figures(run.settings.evaluation, measures, arms, found, taught, foreign, kept, audit_note),
    )


def _figures(
    settings: EvaluationSettings,
    measures: Measures,
    arms: list[ArmModel],
    found: list[Gap],
    taught: int,
    foreign: int,
    kept: list[ArmModel],
    audit_note: str,
) -> ReportFigures:
    comparisons = compare(measures.rows, found, settings)
    return ReportFigures(
        measures={f"{row.metric} | {row.model} | {row.prompts}": round(row.value, 4) for row in measures.rows},
        clearly_better=sum(c.clear for c in comparisons),
        compared=len(comparisons),
        arms={arm.arm: arm.figures() for arm in arms},
        clear_gaps=sum(gap.clear for gap in found if gap.reference == SELECTED),
        gaps=sum(gap.reference == SELECTED for gap in found),
        training_instructions=taught,
        foreign_instructions=foreign,
        trained_on={arm.folder: arm.identity for arm in kept},
        audit_note=audit_note,
    )


def _tuned(run: StageRun) -> ArmModel:
    """The tuned model, as the arm that it is: the selected pairs with all seeds."""
    figures = run.figures(TUNED_MODEL)
    return ArmModel(
        SELECTED,
        run.inputs[TUNED_MODEL.asset].folder(ADAPTER.name),
        taught_template(figures.seed_rows),
        figures.curated_rows,
        figures.seed_rows,
        figures.rows,
        run.settings.tuning.learning_rate,
        {run.language.name: figures.rows},
    )


def _arms(run: StageRun, tuned: ArmModel) -> list[ArmModel]:
    wanted = run.settings.evaluation.arms
    if not wanted:
        return []
    selection = run.read(diversified_set.SELECTED)
    rated = run.scan(refined_pairs.PAIRS).select("pair_id", "doc_id", "instruction", "response", "rating", "kept")
    material = ArmMaterial(
        drawable(rated.collect(), selection.filter(IS_HELD_OUT)["doc_id"]),
        selection.filter(IS_FOR_TRAINING),
        run.scan(SEEDS).filter(IS_IN_LANGUAGE).collect(),
        _transfer_material(run),
    )
    training = ArmTraining(
        run.engines,
        run.settings.tuning,
        run.settings.evaluation,
        run.language,
        run.unfinished,
        run.earlier,
        run.progress,
    )
    return training.train(wanted, material, tuned if _tuned_as_set(run) else None)


def _tuned_as_set(run: StageRun) -> bool:
    """Whether the tuned model was made by the settings that the arms are: a report can be asked for alone."""
    told = run.inputs[TUNED_MODEL.asset].made_of["settings"]["tuning"]
    return fingerprint(told) == fingerprint(run.settings.tuning.model_dump(exclude={"processes"}))


def _transfer_material(run: StageRun) -> TransferMaterial:
    """English pairs and those of other languages, as far as an arm asks for them."""
    wanted = run.settings.evaluation.arms
    if not {*TRANSFER_ARMS} & {*wanted}:
        return TransferMaterial(pl.DataFrame(schema=PAIR_SCHEMA), {})
    path = run.workspace.english_pairs_file(run.language)
    seeds = run.read(SEEDS)
    english = read_pairs(path, ENGLISH_LANGUAGE) if path else seeds.filter(~IS_IN_LANGUAGE)
    if PINCH not in wanted:
        return TransferMaterial(english, {})
    others = run.workspace.pinch_seeds_files(run.language)
    return TransferMaterial(
        english,
        {
            run.language.name: seeds.filter(IS_IN_LANGUAGE),
            **{other.name: read_pairs(file, other) for other, file in others},
        },
    )


def _examine(
    run: StageRun,
    subjects: list[Subject],
    prompts: list[EvaluationPrompt],
    gold: list[HeldOutDocument] | None,
    measures: Measures,
) -> pl.DataFrame:
    """The replies of all models, beside what was asked."""
    examination = Examination(run.language, run.settings.evaluation, prompts, _held_out(run), gold, _gold_pairs(run))
    log = RowLog.open(run.rows / REPLIES.name, REPLY_SCHEMA, run.previous, REPLIES.name)
    found = [examination.measure(subject, run.engines, log, measures, run.progress) for subject in subjects]
    asked = pl.DataFrame(
        [asdict(p) for p in prompts],
        schema={"prompt_id": pl.String, "instruction": pl.String, "prompt_language": pl.String},
    )
    return pl.concat(found).join(asked, on="prompt_id", how="left", maintain_order="left")


def _measure_stages(run: StageRun, documents: list[HeldOutDocument], measures: Measures) -> None:
    gold = run.workspace.gold_file(run.language)
    assert gold is not None
    selected = run.scan(diversified_set.SELECTED).filter(IS_FOR_TRAINING).select("pair_id").collect()
    measure_pairs(run.read(refined_pairs.PAIRS), selected, gold, run.language.tag, measures)
    reverse = run.engines.reverse(run.inputs[REVERSE_MODEL.asset].folder(ADAPTER.name))
    measure_reverse_model(reverse, documents, run.settings.generation, measures, run.progress)


def _held_out(run: StageRun) -> pl.DataFrame:
    return run.scan(diversified_set.SELECTED).filter(IS_HELD_OUT).sort("pair_id").collect()


def _gold(run: StageRun) -> list[HeldOutDocument] | None:
    """Documents about held-out subjects, where the language's text is an embedded world."""
    path = run.workspace.gold_file(run.language, ".heldout")
    return held_out_documents(path, run.language.tag) if path else None


def _gold_pairs(run: StageRun) -> list[GoldPair]:
    """The language's gold pairs, but for those that stand among the seeds; the corpus refuses their text itself."""
    path = run.workspace.gold_pairs_file(run.language)
    return read_gold_pairs(path, run.language, run.read(SEEDS)["response"].to_list()) if path else []


def _prompts(run: StageRun) -> list[EvaluationPrompt]:
    """Prompts of the language's file; else the held-out instructions, which are English."""
    maximum = run.settings.evaluation.maximum_prompts
    path = run.workspace.prompts_file(run.language)
    if path is None:
        rows = _held_out(run).head(maximum).select("pair_id", "instruction")
        return [EvaluationPrompt(pair_id, instruction, ENGLISH) for pair_id, instruction in rows.iter_rows()]
    by_language: dict[str, list[EvaluationPrompt]] = {}
    for one in read_prompts(path):
        by_language.setdefault(one.prompt_language, []).append(one)
    return [one for prompts in by_language.values() for one in prompts[:maximum]]


def _training_instructions(run: StageRun) -> tuple[int, int]:
    """(instructions that the tuned model learned from, those of them that are not in English).

    What must be 0 for replies to prompts in the language to be zero-shot. An instruction is English as a candidate's
    would be: names that it takes over from its response, in any script, do not count.
    """
    tables = run.scan(diversified_set.SELECTED), run.scan(SEEDS)
    pairs = pl.concat([table.select("pair_id", "instruction", "response") for table in tables])
    trained = run.scan(TRAINING_ROWS).select("pair_id")
    learned = pairs.join(trained, on="pair_id", how="semi").select("instruction", "response").collect()
    foreign = sum(not is_english(instruction, response) for instruction, response in learned.iter_rows())
    return len(learned), foreign
