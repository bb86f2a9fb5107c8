from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.evaluator import train_and_validate
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(train_and_validate),
    group_name="3_curation",
    kinds={"transformers", "peft"},
)
def evaluator(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    seed_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, train_and_validate, seed_pairs=seed_pairs)
