"""What a language is built with is kept, whoever starts the run, and no run replaces it by mistake."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from xinstr_core.store import Partition, Store
from xinstr_dagster.automation import weekly_rebuild
from xinstr_dagster.definitions import build_definitions, defs

SELECTED = ("seed_pairs", "reverse_model")
REGISTRY = """
[sw]
name = "Swahili"
script = "Latn"
preset = "faithful"
base_model = "models/asking"

[sw.settings]
precision = "float32"
seeds = { translator = "" }
reverse_model = { epochs = 0.3, rank = 4 }
"""


@pytest.fixture(scope="module")
def home(asking_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose language keeps a preset, a base model beside the registry, and settings."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(asking_model, folder / "models" / "asking")
    shutil.copytree(asking_model, folder / "models" / "other")
    with (folder / "models" / "other" / "config.json").open("a", encoding="utf-8") as config:
        config.write("\n")
    (folder / "languages.toml").write_text(REGISTRY, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XINSTR_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as instance:
        instance.add_dynamic_partitions("languages", ["sw"])
        yield instance


def run(instance: dg.DagsterInstance, job: dg.JobDefinition | None = None, **given: Any) -> dg.ExecuteInProcessResult:
    """What a click on Materialize does, and a backfill for each of its languages: the implicit job, with no more than `given`."""
    return (job or build_definitions().resolve_implicit_global_asset_job_def()).execute_in_process(
        instance=instance,
        partition_key="sw",
        asset_selection=[dg.AssetKey(name) for name in SELECTED],
        run_config={"resources": {"xinstr": {"config": given}}} if given else {},
        raise_on_error=False,
    )


def stored(home: Path, asset: str = "reverse_model") -> Partition:
    partition = Store(home / "data").get(asset, "sw")
    assert partition is not None
    return partition


def built_with(result: dg.ExecuteInProcessResult) -> dict[str, tuple[str, str]]:
    """(value, who said it) of every setting on the page of reverse_model."""
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("reverse_model"))
    table = str(event.materialization.metadata["built with"].value).replace("\\", "")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {name: (value, place) for name, value, place in rows if name != "ended"}


@pytest.fixture(scope="module")
def scheduled(home: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The run that the weekly schedule asks for."""
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 11, 22, 3, tzinfo=UTC),
        repository_def=defs.get_repository_def(),
    )
    with context:
        (request,) = weekly_rebuild.evaluate_tick(context).run_requests or []
    assert not request.run_config
    return run(instance, build_definitions().resolve_job_def("build_language"))


def test_the_schedule_builds_with_what_is_kept_and_the_page_says_so(
    home: Path, scheduled: dg.ExecuteInProcessResult
) -> None:
    assert scheduled.success
    assert built_with(scheduled) == {
        "preset": ("faithful", "languages.toml [sw]"),
        "base_model": ("models/asking", "languages.toml [sw]"),
        "precision": ("float32", "languages.toml [sw]"),
        "prompt_format": ("plain", "preset"),
        "corpus": ("pocket", "default"),
        "seeds": ("pocket", "default"),
        "reverse_model.epochs": ("0.300", "languages.toml [sw]"),
        "reverse_model.rank": ("4", "languages.toml [sw]"),
    }


def test_materialise_and_backfill_build_with_what_is_kept(
    instance: dg.DagsterInstance, scheduled: dg.ExecuteInProcessResult
) -> None:
    result = run(instance)
    assert result.success
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("reverse_model"))
    assert event.materialization.metadata["result"].value == "unchanged: nothing had to be done"


def test_settings_of_the_launchpad_win_for_their_run(
    home: Path, instance: dg.DagsterInstance, scheduled: dg.ExecuteInProcessResult
) -> None:
    result = run(instance, overrides={"reverse_model": {"rank": 2}}, seeds="pocket")
    assert result.success
    shown = built_with(result)
    assert shown["reverse_model.rank"] == ("2", "this run")
    assert shown["reverse_model.epochs"] == ("0.300", "languages.toml [sw]")
    assert shown["seeds"] == ("pocket", "this run")


OTHERS = {
    "another base model": {"base_model": "models/other"},
    "another preset": {"preset": "modern"},
}


@pytest.mark.parametrize("given", OTHERS.values(), ids=OTHERS.keys())
def test_a_run_that_would_replace_other_work_is_red_before_its_first_stage(
    home: Path, instance: dg.DagsterInstance, scheduled: dg.ExecuteInProcessResult, given: dict[str, str]
) -> None:
    before = stored(home).manifest, stored(home, "seed_pairs").manifest
    # Another seed setting, so that seed_pairs would have something to do.
    result = run(instance, overrides={"seeds": {"batch_rows": 3}}, **given)
    assert not result.success
    assert (stored(home).manifest, stored(home, "seed_pairs").manifest) == before
    (failure,) = (event for event in result.all_node_events if event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert failure.step_key == "seed_pairs"
    assert data
    now = {"preset": "faithful", "base_model": "models/asking", **given}
    assert data.description == (
        "sw: reverse_model would be replaced, built with preset faithful, base model models/asking (float32), "
        f"by a build with preset {now['preset']}, base model {now['base_model']} (float32). Set `replace: true` of the "
        "resource xinstr to let it; without options a run takes preset and base_model of [sw] in languages.toml"
    )
    assert not any(event.is_step_up_for_retry for event in result.all_node_events)


def test_replace_lets_it(home: Path, instance: dg.DagsterInstance, scheduled: dg.ExecuteInProcessResult) -> None:
    """The last test of this module: it leaves another model behind."""
    result = run(instance, base_model="models/other", replace=True)
    assert result.success
    assert built_with(result)["base_model"] == ("models/other", "this run")
    assert stored(home).built["base_model"] == "models/other"
