from collections.abc import Iterator

import dagster as dg

from xinstr_core.stages.tuned_model import tune
from xinstr_core.store import Partition
from xinstr_dagster.execution import materialize, stage_options
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    **stage_options(tune),
    group_name="4_model",
    kinds={"transformers", "peft"},
)
def tuned_model(
    context: dg.AssetExecutionContext,
    xinstr: XinstrResource,
    evaluator: Partition,
    diversified_set: Partition,
    seed_pairs: Partition,
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    yield from materialize(
        context, xinstr, tune, evaluator=evaluator, diversified_set=diversified_set, seed_pairs=seed_pairs
    )
