from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.reverse_model import train_reverse_model
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(train_reverse_model),
    group_name="2_pairs",
    kinds={"transformers", "peft"},
)
def reverse_model(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    seed_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, train_reverse_model, seed_pairs=seed_pairs)
