"""What runs by itself: the registry's sensor, the weekly schedule, and the conditions that build new languages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from xinstr_core.store import LOCK, StageOutput, Store
from xinstr_dagster.assets import LANGUAGE_ASSETS
from xinstr_dagster.automation import language_registry, weekly_rebuild
from xinstr_dagster.checks import specs_of
from xinstr_dagster.definitions import defs

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


def _requested(
    instance: dg.DagsterInstance, language: str, before: dg.EvaluateAutomationConditionsResult | None = None
) -> tuple[set[str], dg.EvaluateAutomationConditionsResult]:
    result = dg.evaluate_automation_conditions(defs, instance, cursor=before.cursor if before else None)
    names = [asset.key.to_user_string() for asset in LANGUAGE_ASSETS]
    return {name for name in names if language in result.get_requested_partitions(dg.AssetKey(name))}, result


def test_a_new_language_requests_the_whole_line_once(instance: dg.DagsterInstance) -> None:
    _, before = _requested(instance, "sw")
    instance.add_dynamic_partitions("languages", ["sw"])
    requested, after = _requested(instance, "sw", before)
    assert requested >= {"raw_corpus", "seed_pairs"}
    again, _ = _requested(instance, "sw", after)
    assert again == set()


def test_a_language_from_before_the_first_look_is_not_built_unasked(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("languages", ["sw"])
    assert _requested(instance, "sw")[0] == set()


PARENTS = ("raw_corpus", "seed_pairs", "reverse_model", "evaluator")


def _after_parents(instance: dg.DagsterInstance, *, documents: bool) -> set[str]:
    """What is requested for sw once its roots and adapters were built, by whether the corpus had documents."""
    instance.add_dynamic_partitions("languages", ["sw"])
    _, before = _requested(instance, "sw")
    for asset in PARENTS:
        _materialised(instance, asset, "sw")
    _checked(instance, "seed_pairs", "has_seeds", "sw", passed=True)
    _checked(instance, "raw_corpus", "has_documents", "sw", passed=documents)
    return _requested(instance, "sw", before)[0]


def test_children_follow_parents_whose_blocking_checks_passed(instance: dg.DagsterInstance) -> None:
    assert "candidate_pairs" in _after_parents(instance, documents=True)


def test_a_child_is_not_requested_after_a_failed_blocking_check_of_its_parent(instance: dg.DagsterInstance) -> None:
    assert "candidate_pairs" not in _after_parents(instance, documents=False)


def test_a_failed_blocking_check_of_one_language_holds_for_that_language_alone(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("languages", ["fi", "sw"])
    _, before = _requested(instance, "sw")
    for language in ("sw", "fi"):
        for asset in PARENTS:
            _materialised(instance, asset, language)
        _checked(instance, "seed_pairs", "has_seeds", language, passed=True)
        _checked(instance, "raw_corpus", "has_documents", language, passed=language == "fi")
    result = dg.evaluate_automation_conditions(defs, instance, cursor=before.cursor)
    assert result.get_requested_partitions(dg.AssetKey("candidate_pairs")) == {"fi"}


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
