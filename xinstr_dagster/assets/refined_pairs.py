from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.refined_pairs import STAGE
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(STAGE),
    group_name="3_curation",
    kinds={"transformers", "parquet"},
    description="Every accepted pair with its level probabilities, over rounds of label, keep and retrain.",
)
def refined_pairs(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    seed_pairs: Partition,
    candidate_pairs: Partition,
    evaluator: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(
        context,
        xinstr,
        STAGE,
        seed_pairs=seed_pairs,
        candidate_pairs=candidate_pairs,
        evaluator=evaluator,
    )
