from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.evaluator import STAGE
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(STAGE),
    group_name="3_curation",
    kinds={"transformers", "peft"},
    description="Rater of pairs on three levels, validated on held-out seeds before it may gate.",
)
def evaluator(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    seed_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, STAGE, seed_pairs=seed_pairs)
