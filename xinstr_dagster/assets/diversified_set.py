from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.diversified_set import select
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(select),
    group_name="3_curation",
    kinds={"faiss", "parquet"},
)
def diversified_set(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    refined_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, select, refined_pairs=refined_pairs)
