from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.raw_corpus import STAGE
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(STAGE),
    group_name="1_text",
    kinds={"polars", "parquet"},
    description="Documents of the language that are what they claim to be; every reject with its reason.",
)
def raw_corpus(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, STAGE)
