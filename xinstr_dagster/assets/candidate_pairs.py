from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.candidate_pairs import write_instructions
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(write_instructions),
    group_name="2_pairs",
    kinds={"transformers", "parquet"},
)
def candidate_pairs(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    raw_corpus: Partition,
    seed_pairs: Partition,
    reverse_model: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(
        context, xinstr, write_instructions, raw_corpus=raw_corpus, seed_pairs=seed_pairs, reverse_model=reverse_model
    )
