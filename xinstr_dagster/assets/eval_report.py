from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.eval_report import evaluate
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(evaluate),
    group_name="4_model",
    kinds={"transformers", "html"},
)
def eval_report(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    raw_corpus: Partition,
    seed_pairs: Partition,
    reverse_model: Partition,
    candidate_pairs: Partition,
    evaluator: Partition,
    refined_pairs: Partition,
    diversified_set: Partition,
    tuned_model: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(
        context,
        xinstr,
        evaluate,
        raw_corpus=raw_corpus,
        seed_pairs=seed_pairs,
        reverse_model=reverse_model,
        candidate_pairs=candidate_pairs,
        evaluator=evaluator,
        refined_pairs=refined_pairs,
        diversified_set=diversified_set,
        tuned_model=tuned_model,
    )
