"""The line, left to right."""

from __future__ import annotations

from collections.abc import Iterable

from xinstr_core.stages.candidate_pairs import write_instructions
from xinstr_core.stages.diversified_set import select
from xinstr_core.stages.eval_report import evaluate
from xinstr_core.stages.evaluator import train_and_validate
from xinstr_core.stages.raw_corpus import clean_corpus
from xinstr_core.stages.refined_pairs import curate
from xinstr_core.stages.reverse_model import train_reverse_model
from xinstr_core.stages.seed_pairs import read_seed_pairs
from xinstr_core.stages.stage import Stage
from xinstr_core.stages.tuned_model import tune

LINE: tuple[Stage, ...] = (
    clean_corpus,
    read_seed_pairs,
    train_reverse_model,
    write_instructions,
    train_and_validate,
    curate,
    select,
    tune,
    evaluate,
)
STAGES: dict[str, Stage] = {stage.name: stage for stage in LINE}


def roles_of(assets: Iterable[str]) -> list[str]:
    """The roles that engines play in these assets' stages; one that no stage of a language gives has none."""
    return sorted({role for asset in assets if asset in STAGES for role in STAGES[asset].roles})
