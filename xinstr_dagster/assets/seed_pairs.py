from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.seed_pairs import read_seed_pairs
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(read_seed_pairs),
    group_name="1_text",
    kinds={"polars", "parquet"},
)
def seed_pairs(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, read_seed_pairs)
