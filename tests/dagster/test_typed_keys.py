"""A partition key that somebody typed in the UI reaches no folder."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from xinstr_dagster.definitions import build_definitions


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("asset", ["raw_corpus", "candidate_pairs"])
@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("x/../../../../../escaped", "'x/../../../../../escaped' is no language key"),
        ("xx", "unknown language 'xx'; known: fi, sw, th"),
    ],
)
def test_a_run_for_a_key_that_is_not_registered_ends_with_a_line_and_writes_nothing(
    home: Path, instance: dg.DagsterInstance, key: str, said: str, asset: str, replace: bool
) -> None:
    instance.add_dynamic_partitions("languages", [key])
    before = sorted(home.parent.rglob("*"))
    result = (
        build_definitions()
        .resolve_job_def("build_language")
        .execute_in_process(
            instance=instance,
            partition_key=key,
            asset_selection=[dg.AssetKey(asset)],
            run_config={"resources": {"xinstr": {"config": {"replace": replace}}}},
            raise_on_error=False,
        )
    )
    assert not result.success
    (failed,) = (event.step_failure_data for event in result.all_node_events if event.is_step_failure)
    error = failed.error
    told = failed.user_failure_data.description if failed.user_failure_data else str(error.cause.message)
    assert said in told
    assert sorted(home.parent.rglob("*")) == before
