from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.raw_corpus import clean_corpus
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(clean_corpus),
    group_name="1_text",
    kinds={"polars", "parquet"},
)
def raw_corpus(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, clean_corpus)
