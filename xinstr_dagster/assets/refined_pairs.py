from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.refined_pairs import curate
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(curate),
    group_name="3_curation",
    kinds={"transformers", "parquet"},
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
        curate,
        seed_pairs=seed_pairs,
        candidate_pairs=candidate_pairs,
        evaluator=evaluator,
    )
