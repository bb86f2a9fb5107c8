from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.seed_pairs import STAGE
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(STAGE),
    group_name="1_text",
    kinds={"polars", "parquet"},
    description="(English instruction, response) pairs that people wrote: the reverse model and the evaluator learn from them.",
)
def seed_pairs(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, STAGE)
