"""What runs by itself: the registry's sensor, the weekly schedule, and the conditions that build new languages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.execution.api import create_execution_plan

from xinstr_core.store import LOCK, StageOutput, Store
from xinstr_dagster.assets import LANGUAGE_ASSETS
from xinstr_dagster.automation import language_registry, weekly_rebuild
from xinstr_dagster.checks import specs_of
from xinstr_dagster.definitions import defs
from xinstr_dagster.executor import PARTITION_TAG

SUNDAY = datetime(2026, 11, 22, 3, tzinfo=UTC)


def _message(instance: dg.DagsterInstance) -> str:
    skipped = language_registry(dg.build_sensor_context(instance=instance))
    assert isinstance(skipped, dg.SkipReason)
    return str(skipped.skip_message)


def test_the_sensor_adds_registered_languages_and_skips_retired_ones(home: Path, instance: dg.DagsterInstance) -> None:
    assert _message(instance) == "added fi, sw"
    assert sorted(instance.get_dynamic_partitions("languages")) == ["fi", "sw"]
    assert _message(instance) == "all 2 languages are known"


def test_the_sensor_adds_what_is_registered_later(home: Path, instance: dg.DagsterInstance) -> None:
    _message(instance)
    with (home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write('\n[tr]\nname = "Turkish"\nscript = "Latn"\n')
    assert _message(instance) == "added tr"
    assert sorted(instance.get_dynamic_partitions("languages")) == ["fi", "sw", "tr"]


def test_the_sensor_removes_keys_that_are_neither_registered_nor_hold_data(
    home: Path, instance: dg.DagsterInstance
) -> None:
    """What was built or begun keeps its key, and so does a language that is retired."""
    store = Store(home / "data")
    store.commit("raw_corpus", "is", "f", {}, StageOutput())
    (store.unfinished("raw_corpus", "da") / "rows").mkdir()
    (store.path("raw_corpus", "no") / LOCK).parent.mkdir()
    (store.path("raw_corpus", "no") / LOCK).touch()
    typed = ["xx", "../../escaped", "x/../../../../../escaped", "SW", " sw", "*"]
    instance.add_dynamic_partitions("languages", ["da", "is", "no", "th", *typed])
    assert _message(instance) == "added fi, sw; removed " + ", ".join(sorted(["no", *typed]))
    assert sorted(instance.get_dynamic_partitions("languages")) == ["da", "fi", "is", "sw", "th"]
    assert _message(instance) == "all 2 languages are known"


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        ("[sw", "registry not usable: "),
        ('["a,b"]\nname = "A"\nscript = "Latn"\n', "'a,b' is no language key"),
        ('[sw]\nname = "Swahili"\nscript = "Xxxx"\n', "script 'Xxxx' is not known"),
        ('[sw]\nname = "Swahili"\nscript = "Latn"\ncolour = "red"\n', "[sw] colour: "),
    ],
)
def test_a_broken_registry_is_reported_and_changes_nothing(
    home: Path, instance: dg.DagsterInstance, registry: str, said: str
) -> None:
    (home / "languages.toml").write_text(registry, "utf-8")
    assert said in _message(instance)
    assert instance.get_dynamic_partitions("languages") == []


def test_a_missing_registry_is_reported(home: Path, instance: dg.DagsterInstance) -> None:
    (home / "languages.toml").unlink()
    assert "no language registry at" in _message(instance)


@pytest.mark.parametrize("known", [["fi", "sw", "th"], ["fi"]], ids=["known languages", "a language not known yet"])
def test_the_weekly_rebuild_asks_for_one_run_per_active_language(
    home: Path, tmp_path_factory: pytest.TempPathFactory, known: list[str]
) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as instance:
        instance.add_dynamic_partitions("languages", known)
        built = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=SUNDAY, repository_def=defs.get_repository_def()
        )
        with built as context:  # it opens an instance of its own, which must be closed again
            requests = weekly_rebuild.evaluate_tick(context).run_requests or []
    assert [(r.run_key, r.partition_key) for r in requests] == [("2026-11-22-fi", "fi"), ("2026-11-22-sw", "sw")]


def _materialised(instance: dg.DagsterInstance, asset: str, language: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=language))


def _checked(instance: dg.DagsterInstance, asset: str, check: str, language: str, *, passed: bool) -> None:
    """Record what a step records: the result, which materialization it is about, and its partition where there is one."""
    (checked,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[language]), limit=1
    ).records
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=check,
            passed=passed,
            metadata={"language": language},
            target_materialization_data=AssetCheckEvaluationTargetMaterializationData(
                storage_id=checked.storage_id, run_id=checked.run_id, timestamp=checked.timestamp
            ),
            blocking=True,
            partition=language if _is_partitioned(asset, check) else None,
        )
    )


def _is_partitioned(asset: str, check: str) -> bool:
    """A step records a check's result with its partition only where the check's spec has partitions."""
    (spec,) = (spec for spec in specs_of(asset) if spec.name == check)
    return spec.partitions_def is not None


Requests = dict[str, set[str]]
LINE_OF_ASSETS = {asset.key.to_user_string() for asset in LANGUAGE_ASSETS}


class Ticks:
    """The sensor's looks at an instance, one after the other: each gives what it requests, by language."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._cursor: AssetDaemonCursor | None = None

    def __call__(self) -> Requests:
        result = dg.evaluate_automation_conditions(defs, self._instance, cursor=self._cursor)
        self._cursor = result.cursor
        requested: Requests = {}
        for name in LINE_OF_ASSETS:
            for language in result.get_requested_partitions(dg.AssetKey(name)):
                requested.setdefault(str(language), set()).add(name)
        return requested


@pytest.fixture
def tick(home: Path, instance: dg.DagsterInstance) -> Ticks:
    return Ticks(instance)


def _planned(instance: dg.DagsterInstance, language: str) -> dg.DagsterRun:
    """A run of the whole line for a language, as the instance knows it from its creation on."""
    job = defs.resolve_job_def("build_language")
    started = dg.DagsterRunStatus.STARTED
    plan = create_execution_plan(job)
    return instance.create_run_for_job(job, tags={PARTITION_TAG: language}, status=started, execution_plan=plan)


def test_a_new_language_requests_the_whole_line_once(tick: Ticks, instance: dg.DagsterInstance) -> None:
    tick()
    instance.add_dynamic_partitions("languages", ["sw"])
    assert (tick(), tick()) == ({"sw": LINE_OF_ASSETS}, {})


def test_of_languages_from_before_the_first_look_what_is_missing_is_built_once(
    tick: Ticks, instance: dg.DagsterInstance
) -> None:
    """Not of one that is retired (th), nor of one that nobody registered (xx)."""
    instance.add_dynamic_partitions("languages", ["fi", "sw", "th", "xx"])
    _materialised(instance, "raw_corpus", "fi")
    _checked(instance, "raw_corpus", "has_documents", "fi", passed=True)
    assert (tick(), tick()) == ({"sw": LINE_OF_ASSETS, "fi": LINE_OF_ASSETS - {"raw_corpus"}}, {})


def test_what_a_run_is_about_to_build_is_not_requested_and_not_after_it_failed(
    tick: Ticks, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions("languages", ["fi", "sw"])
    run = _planned(instance, "sw")
    during = tick()
    instance.report_run_failed(run)
    assert (during, tick(), tick()) == ({"fi": LINE_OF_ASSETS}, {}, {})


def test_a_requested_run_that_was_stopped_is_not_requested_again(tick: Ticks, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("languages", ["sw"])
    asked = tick()
    run = _planned(instance, "sw")
    during = tick()
    instance.report_run_canceled(run)
    assert (asked, during, tick()) == ({"sw": LINE_OF_ASSETS}, {}, {})


PARENTS = ("raw_corpus", "seed_pairs", "reverse_model", "evaluator")


@pytest.mark.parametrize("passed", ["fi", ""], ids=["of one", "of none"])
def test_children_follow_parents_whose_blocking_checks_passed_language_by_language(
    tick: Ticks, instance: dg.DagsterInstance, passed: str
) -> None:
    """The roots and adapters were built; which of the corpora had documents decides."""
    tick()
    instance.add_dynamic_partitions("languages", ["fi", "sw"])
    for language in ("fi", "sw"):
        for asset in PARENTS:
            _materialised(instance, asset, language)
        _checked(instance, "seed_pairs", "has_seeds", language, passed=True)
        _checked(instance, "raw_corpus", "has_documents", language, passed=language == passed)
    assert {language for language, names in tick().items() if "candidate_pairs" in names} == {passed} - {""}


def test_the_catalogue_follows_a_finished_language_while_another_was_never_built(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("languages", ["fi", "sw"])
    before = dg.evaluate_automation_conditions(defs, instance)
    for asset in LANGUAGE_ASSETS:
        name = asset.key.to_user_string()
        _materialised(instance, name, "sw")
        for spec in specs_of(name):
            _checked(instance, name, spec.name, "sw", passed=True)
    after = dg.evaluate_automation_conditions(defs, instance, cursor=before.cursor)
    assert after.get_num_requested(dg.AssetKey("catalogue")) == 1
