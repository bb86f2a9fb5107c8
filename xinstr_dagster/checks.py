"""Checks at the borders of trust: blocking where what follows would be garbage, warnings where something drifts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import dagster as dg
import polars as pl

from xinstr_core.schemas import candidate_pairs, raw_corpus, refined_pairs
from xinstr_core.schemas.candidate_pairs import CandidateFigures
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.diversified_set import IS_FOR_TRAINING, IS_HELD_OUT, SELECTED
from xinstr_core.schemas.eval_report import MEASURES
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.metrics import TUNED, WRONG_LANGUAGE
from xinstr_core.schemas.raw_corpus import CorpusFigures
from xinstr_core.schemas.refined_pairs import KEPT, RefinedFigures
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.schemas.tuned_model import TunedFigures
from xinstr_core.stages import STAGES
from xinstr_core.stages.stage import stored_inputs
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace
from xinstr_dagster.partitions import languages

Verdict = tuple[bool, dict[str, float | str]]


@dataclass(frozen=True)
class Check:
    """A question about a finished partition and its inputs. A blocking one stops what comes after."""

    asset: str
    name: str
    description: str
    blocking: bool
    ask: Callable[[Partition, dict[str, Partition]], Verdict]

    def spec(self) -> dg.AssetCheckSpec:
        with warnings.catch_warnings():
            # Partitions of checks are a preview of the pinned version; its notice says nothing that a user could act on.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return dg.AssetCheckSpec(
                self.name,
                asset=self.asset,
                description=self.description,
                blocking=self.blocking,
                partitions_def=languages,  # else one language's verdict would stand for all
            )

    def result(self, partition: Partition, inputs: dict[str, Partition]) -> dg.AssetCheckResult:
        passed, figures = self.ask(partition, inputs)
        severity = dg.AssetCheckSeverity.ERROR if self.blocking else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=passed,
            check_name=self.name,
            severity=severity,
            metadata={"language": partition.manifest["language"], **figures},
        )

    def failure(self, figures: Mapping[str, float | str]) -> str:
        """In a line, what was asked and what was found instead."""
        shown = ", ".join(
            f"{name} {value if isinstance(value, str) else f'{value:g}'}" for name, value in figures.items()
        )
        return f"{self.asset}: check {self.name} failed ({shown}). It asks: {self.description}"


def _has_rows(table: Table) -> Callable[[Partition, dict[str, Partition]], Verdict]:
    def ask(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
        rows = int(partition.tables[table.name]["rows"])
        return rows > 0, {"rows": rows}

    return ask


def _has_documents(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    """Where nothing was read, also of what: no record was lost that could tell."""
    passed, found = _has_rows(raw_corpus.DOCUMENTS)(partition, inputs)
    figures = partition.read_figures(CorpusFigures)
    if passed or figures.records:
        return passed, found
    found |= {"records": 0, "corpus": str(partition.built.get("corpus", "unknown"))}
    if figures.passed_over:
        found["passed over"] = ", ".join(f"{count} {kind}" for kind, count in figures.passed_over.items())
    return passed, found


def _few_rejects(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    kept, lost = (int(partition.tables[name]["rows"]) for name in (raw_corpus.DOCUMENTS.name, raw_corpus.REJECTED.name))
    share = lost / max(1, kept + lost)
    return share <= 0.5, {"share rejected": share}


def _identified(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    identifiers = partition.read_figures(CorpusFigures).identifiers
    return identifiers > 0, {"identifiers": identifiers}


def _untouched(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    documents = inputs[raw_corpus.RAW_CORPUS.asset].scan(raw_corpus.DOCUMENTS.name).select("doc_id", "text")
    pairs = (
        partition.scan(candidate_pairs.PAIRS.name).select("doc_id", "response").join(documents, on="doc_id", how="left")
    )
    changed = pairs.filter(~pl.col("response").eq_missing(pl.col("text"))).select(pl.len()).collect().item()
    return changed == 0, {"changed responses": changed}


def _mostly_accepted(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    funnel = partition.read_figures(CandidateFigures).funnel
    share = funnel.kept / max(1, funnel.taken)
    return share >= 0.5, {"share accepted": share}


def _may_gate(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    figures = partition.read_figures(EvaluatorFigures)
    shown = ("accuracy", "minimum_accuracy", "held_out_rows")
    return figures.may_gate, {one.label: value for one, value in figures.told() if one.name in shown}


def _keeps(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    funnel = partition.read_figures(RefinedFigures).funnel
    return funnel.kept > 0, {step: float(count) for step, count in funnel.steps.items()}


def _selective(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    kept = partition.scan(refined_pairs.PAIRS.name).select(pl.col(KEPT).mean()).collect().item() or 0.0
    return 0.02 <= kept <= 0.98, {"share kept": kept}


def _disjoint(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    rows = partition.read(SELECTED.name)
    held_out = rows.filter(IS_HELD_OUT)["doc_id"]
    leaked = rows.filter(IS_FOR_TRAINING & pl.col("doc_id").is_in(held_out.implode())).height
    repeated = rows.height - rows["pair_id"].n_unique()
    return leaked == 0 and repeated == 0, {"held-out documents in training": leaked, "repeated pairs": repeated}


def _few_untrained(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    figures = partition.read_figures(TunedFigures)
    share = len(figures.rejected_rows) / max(1, figures.rows + len(figures.rejected_rows))
    return share <= 0.1, {"share of rows not trained on": share}


def _right_language(partition: Partition, inputs: dict[str, Partition]) -> Verdict:
    measured = (pl.col("metric") == WRONG_LANGUAGE.name) & (pl.col("model") == TUNED)
    worst = partition.scan(MEASURES.name).filter(measured).select(pl.col("value").max()).collect().item() or 0.0
    return worst <= 0.05, {f"worst {WRONG_LANGUAGE.name}": worst}


CHECKS = (
    Check("raw_corpus", "has_documents", "At least one document was kept", True, _has_documents),
    Check("raw_corpus", "few_rejects", "At most half of the documents were rejected", False, _few_rejects),
    Check(
        "raw_corpus",
        "is_identified",
        "Something knows the language. If not, any text of its script that is not English passes: fit a pack",
        False,
        _identified,
    ),
    Check("seed_pairs", "has_seeds", "At least one seed pair was read", True, _has_rows(SEEDS)),
    Check("candidate_pairs", "responses_untouched", "Every response is its document, byte for byte", True, _untouched),
    Check(
        "candidate_pairs",
        "mostly_accepted",
        "At least half of the instructions can be used",
        False,
        _mostly_accepted,
    ),
    Check(
        "evaluator", "may_gate", "Held-out accuracy is high enough, on enough rows, to curate with", False, _may_gate
    ),
    Check(
        "refined_pairs",
        "has_kept_pairs",
        "At least one pair was kept. Lower the limit of curation.* that drops most",
        True,
        _keeps,
    ),
    Check("refined_pairs", "selective", "Between 2 % and 98 % of the rated pairs were kept", False, _selective),
    Check("diversified_set", "has_rows", "At least one pair was selected", True, _has_rows(SELECTED)),
    Check(
        "diversified_set",
        "splits_disjoint",
        "No held-out document is trained on, no pair stands twice",
        True,
        _disjoint,
    ),
    Check("tuned_model", "few_untrained", "At most a tenth of the rows could not be trained on", False, _few_untrained),
    Check(
        "eval_report",
        "right_language",
        "The tuned model answers in the language (wrong at most 5 %)",
        False,
        _right_language,
    ),
)


def specs_of(asset: str) -> list[dg.AssetCheckSpec]:
    return [check.spec() for check in CHECKS if check.asset == asset]


def results_of(asset: str, partition: Partition, inputs: dict[str, Partition]) -> Iterator[dg.AssetCheckResult]:
    for check in CHECKS:
        if check.asset == asset:
            yield check.result(partition, inputs)


def failed_blocking_check(workspace: Workspace, stages: Iterable[str], tag: str) -> str:
    """The first blocking check that the stored partitions of a language fail, in a line; empty where all pass.

    `stages` are current: what is not may be damaged or stored otherwise, and is built anew before anyone asks.
    """
    for check in CHECKS:
        if not check.blocking or check.asset not in stages:
            continue
        stage = STAGES[check.asset]
        partition, inputs = workspace.store.get(stage.name, tag), stored_inputs(workspace, stage, tag)
        if partition is None or inputs is None:
            continue
        passed, figures = check.ask(partition, inputs)
        if not passed:
            return check.failure(figures)
    return ""


def failed_in_step(step: str, events: Iterable[dg.DagsterEvent]) -> str:
    """The first blocking check that failed among the events of a step, in a line; empty where none did."""
    declared = {(check.asset, check.name): check for check in CHECKS}
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION and event.step_key == step:
            found = event.asset_check_evaluation_data
            if found.blocking and not found.passed:
                shown = {name: one.value for name, one in found.metadata.items() if name != "language"}
                figures = {name: value for name, value in shown.items() if isinstance(value, int | float | str)}
                return declared[found.asset_key.to_user_string(), found.check_name].failure(figures)
    return ""
