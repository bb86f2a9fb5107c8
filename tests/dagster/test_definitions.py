"""The code location loads fast and light, and holds exactly what it is meant to hold."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg

from xinstr_dagster.definitions import build_definitions, defs

HEAVY = ("torch", "transformers", "faiss", "ray", "vllm", "peft", "altair")

LOAD = f"""
import sys, time
import xinstr_dagster.definitions
print(time.process_time())
print(sorted(set({HEAVY}) & set(sys.modules)))
"""

IMPORT_CORE = """
import importlib, pkgutil, sys
import xinstr_core
names = [module.name for module in pkgutil.walk_packages(xinstr_core.__path__, "xinstr_core.")]
for name in names:
    importlib.import_module(name)
print(len(names))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"dagster", "xinstr_dagster", *HEAVY}))
"""

ASSETS = {
    "raw_corpus": ("1_text", "languages", []),
    "seed_pairs": ("1_text", "languages", []),
    "reverse_model": ("2_pairs", "languages", ["seed_pairs"]),
    "candidate_pairs": ("2_pairs", "languages", ["raw_corpus", "reverse_model", "seed_pairs"]),
    "evaluator": ("3_curation", "languages", ["seed_pairs"]),
    "refined_pairs": ("3_curation", "languages", ["candidate_pairs", "evaluator", "seed_pairs"]),
    "diversified_set": ("3_curation", "languages", ["refined_pairs"]),
    "tuned_model": ("4_model", "languages", ["diversified_set", "evaluator", "seed_pairs"]),
    "eval_report": (
        "4_model",
        "languages",
        [
            "candidate_pairs",
            "diversified_set",
            "evaluator",
            "raw_corpus",
            "refined_pairs",
            "reverse_model",
            "seed_pairs",
            "tuned_model",
        ],
    ),
    "catalogue": (
        "4_model",
        None,
        ["candidate_pairs", "diversified_set", "eval_report", "raw_corpus", "refined_pairs", "tuned_model"],
    ),
}
BLOCKING = {
    "raw_corpus:has_documents": True,
    "raw_corpus:few_rejects": False,
    "raw_corpus:is_identified": False,
    "seed_pairs:has_seeds": True,
    "candidate_pairs:responses_untouched": True,
    "candidate_pairs:mostly_accepted": False,
    "evaluator:may_gate": False,
    "refined_pairs:has_kept_pairs": True,
    "refined_pairs:selective": False,
    "diversified_set:has_rows": True,
    "diversified_set:splits_disjoint": True,
    "tuned_model:few_untrained": False,
    "eval_report:right_language": False,
}


def _printed_by(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def test_the_definitions_load_within_five_seconds_and_import_nothing_heavy() -> None:
    seconds, heavy = _printed_by(LOAD)  # of the processor, so that a busy machine does not decide
    assert float(seconds) < 5
    assert heavy == "[]"


def test_the_core_imports_no_orchestrator_and_nothing_heavy() -> None:
    modules, imported = _printed_by(IMPORT_CORE.replace("*HEAVY", f"*{HEAVY}"))
    assert int(modules) > 40
    assert imported == "[]"


def test_the_definitions_are_valid() -> None:
    dg.Definitions.validate_loadable(build_definitions())


def test_assets_groups_partitions_and_dependencies_are_these() -> None:
    graph = defs.get_repository_def().asset_graph
    found = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        partitions = node.partitions_def
        assert partitions is None or isinstance(partitions, dg.DynamicPartitionsDefinition)
        parents = sorted(parent.to_user_string() for parent in node.parent_keys)
        found[key.to_user_string()] = (node.group_name, partitions.name if partitions else None, parents)
    assert found == ASSETS


def test_checks_and_whether_they_block_are_these() -> None:
    specs = [spec for asset in defs.resolve_asset_graph().assets_defs for spec in asset.check_specs]
    assert {f"{spec.asset_key.to_user_string()}:{spec.name}": spec.blocking for spec in specs} == BLOCKING


def test_every_asset_says_what_it_is_and_who_owns_it() -> None:
    specs = [spec for asset in defs.resolve_asset_graph().assets_defs for spec in asset.specs]
    assert [spec.key for spec in specs if not spec.description or list(spec.owners) != ["team:xinstr"]] == []


def test_jobs_sensors_and_schedules_are_these() -> None:
    repository = defs.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    schedules = {s.name: (s.cron_schedule, s.job_name, s.default_status) for s in repository.schedule_defs}
    assert jobs == {"build_language"}
    assert sensors == {
        "language_registry": dg.DefaultSensorStatus.RUNNING,
        "build_new_languages": dg.DefaultSensorStatus.STOPPED,
    }
    assert schedules == {"weekly_rebuild": ("0 3 * * 0", "build_language", dg.DefaultScheduleStatus.STOPPED)}
