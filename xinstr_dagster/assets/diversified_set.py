from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.diversified_set import STAGE
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(STAGE),
    group_name="3_curation",
    kinds={"faiss", "parquet"},
    description="Kept pairs drawn evenly across clusters of what is asked, with a held-out part.",
)
def diversified_set(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    refined_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, STAGE, refined_pairs=refined_pairs)
