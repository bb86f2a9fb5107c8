from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.reverse_model import STAGE
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(STAGE),
    group_name="2_pairs",
    kinds={"transformers", "peft"},
    description="LoRA adapter that writes the English instruction a text would answer.",
)
def reverse_model(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    seed_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(context, xinstr, STAGE, seed_pairs=seed_pairs)
