"""The line, left to right."""

from __future__ import annotations

from xinstr_core.stages import (
    candidate_pairs,
    diversified_set,
    eval_report,
    evaluator,
    raw_corpus,
    refined_pairs,
    reverse_model,
    seed_pairs,
    tuned_model,
)
from xinstr_core.stages.stage import Stage

LINE: tuple[Stage, ...] = (
    raw_corpus.STAGE,
    seed_pairs.STAGE,
    reverse_model.STAGE,
    candidate_pairs.STAGE,
    evaluator.STAGE,
    refined_pairs.STAGE,
    diversified_set.STAGE,
    tuned_model.STAGE,
    eval_report.STAGE,
)
STAGES: dict[str, Stage] = {stage.name: stage for stage in LINE}
