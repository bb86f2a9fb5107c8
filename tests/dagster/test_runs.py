"""A run from its start to its end: alone on its language, to its first failure, and ended where its process is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.instance.config import PoolGranularity
from dagster._core.launcher.base import WorkerStatus
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from xinstr_dagster import run_process
from xinstr_dagster.build import BuildRequest, build, build_language_job, in_work, settled
from xinstr_dagster.executor import PARTITION_TAG, language_lock
from xinstr_dagster.instance import GPU_POOL, open_instance, prepare_home
from xinstr_dagster.run_process import (
    PROCESS_TAG,
    ProcessRunLauncher,
    end_runs_without_process,
    identity,
    process_tag,
)

HOLDER = "run 1234abcd (process 4711) since 10:00:00"


@pytest.fixture
def no_documents(home: Path) -> str:
    """A corpus that is whole and holds nothing: its partition is stored, and fails the check has_documents."""
    path = home / "nothing.parquet"
    pl.DataFrame(schema={"text": pl.String}).write_parquet(path)
    return str(path)


@pytest.fixture
def no_seeds(home: Path) -> str:
    path = home / "seeds.jsonl"
    path.write_text("no JSON\n", "utf-8")
    return str(path)


def _steps(instance: dg.DagsterInstance, run_id: str) -> list[str | None]:
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START)
    return [event.step_key for event in events]


# One run of a language at a time.


def test_a_latecomer_is_refused_at_once_and_told_who_builds(home: Path, instance: dg.DagsterInstance) -> None:
    with language_lock(home, "sw", HOLDER):
        outcome = build(instance, home, BuildRequest(last="seed_pairs"), "sw")
        looked = in_work(home, ["fi", "sw"])
    assert outcome.error == f"this language is being built by {HOLDER}: wait for it, or stop it"
    assert {tag: found.error for tag, found in looked.items()} == {"sw": outcome.error}
    assert _steps(instance, outcome.run_id) == []


def test_a_language_is_free_again_when_its_build_has_ended(home: Path, no_documents: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        build(instance, home, BuildRequest(corpus=no_documents, last="raw_corpus"), "sw")
    assert in_work(home, ["sw"]) == {}


@pytest.mark.parametrize("tag", ["xx", "../../escaped", "/tmp/escaped", "th"])
def test_no_file_is_made_of_what_is_no_active_language(home: Path, tag: str) -> None:
    with language_lock(home, tag, HOLDER), language_lock(home, tag, HOLDER):
        assert not (home / "data").exists()


# To the first failure.


def test_a_run_stops_at_its_first_failure(home: Path, instance: dg.DagsterInstance, no_documents: str) -> None:
    outcome = build(instance, home, BuildRequest(corpus=no_documents), "sw")
    started = _steps(instance, outcome.run_id)
    assert set(started) <= {"raw_corpus", "seed_pairs"}
    assert started[-1] == "raw_corpus"
    assert instance.get_run_by_id(outcome.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    assert outcome.error == (
        f"raw_corpus: check has_documents failed (rows 0, records 0, corpus {no_documents}). "
        "It asks: At least one document was kept"
    )


def test_an_archive_without_a_page_says_what_it_holds(home: Path, instance: dg.DagsterInstance) -> None:
    path = home / "images.warc"
    record = "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: image/{}\r\nContent-Length: 1\r\n\r\n\0\r\n\r\n"
    path.write_text("".join(record.format(kind) for kind in ("png", "jpeg", "png")), "utf-8", newline="")
    request = BuildRequest(corpus=str(path), last="raw_corpus")
    said = f"(rows 0, records 0, corpus {path}, passed over 2 image/png, 1 image/jpeg)"
    assert said in build(instance, home, request, "sw").error
    assert said in settled(home, request, ["sw"])["sw"].error


def test_what_a_run_finds_comes_before_what_a_stored_partition_fails(
    home: Path, instance: dg.DagsterInstance, no_documents: str, no_seeds: str
) -> None:
    first = BuildRequest(corpus=no_documents, last="raw_corpus")
    assert "has_documents failed" in build(instance, home, first, "sw").error
    other = BuildRequest(corpus=no_documents, seeds=no_seeds, first="seed_pairs", last="seed_pairs")
    assert settled(home, other, ["sw"]) == {}, "nothing of it takes the corpus"
    assert build(instance, home, other, "sw").error.startswith(f"seed_pairs: {no_seeds} gave no seed pair")
    on_top = BuildRequest(corpus=no_documents, first="candidate_pairs")
    assert "has_documents failed" in settled(home, on_top, ["sw"])["sw"].error


# Ended where its process is gone.


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until it is told to end."""
    program = "import signal, time; signal.signal(2, signal.SIG_DFL); print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def _run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, process: str | None = None) -> dg.DagsterRun:
    """A run that a process executes, or that has none yet."""
    run = dg.DagsterRun(job_name="build_language", status=status, tags={PARTITION_TAG: "sw"})
    if process:
        run = run.with_tags({**run.tags, PROCESS_TAG: f"{run.run_id} {process}"})
    return instance.add_run(run)


def _status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def _launcher(instance: dg.DagsterInstance) -> ProcessRunLauncher:
    launcher = ProcessRunLauncher()
    launcher.register_instance(instance)
    return launcher


@pytest.mark.parametrize("has_proc", [True, False])
def test_a_process_is_known_by_its_start_and_not_by_its_number_alone(
    sleeper: subprocess.Popen[bytes], has_proc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_proc:  # as on macOS
        monkeypatch.setattr(run_process, "_BOOT", Path("/nowhere"))
    ours, other = identity(os.getpid()), identity(sleeper.pid)
    assert ours == identity(os.getpid())
    assert ours is not None
    assert other is not None
    assert (ours.split(":")[0], other.split(":")[0]) == (str(os.getpid()), str(sleeper.pid))
    assert ours.split(":")[1] != other.split(":")[1]
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert identity(sleeper.pid) is None, "dead, and its parent has not looked yet"
    sleeper.wait()
    assert identity(sleeper.pid) is None


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_whose_process_is_gone_or_whose_number_was_given_again_is_ended(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, ended: dg.DagsterRunStatus
) -> None:
    process, start, boot = str(identity(os.getpid())).split(":")
    alive = _run(instance, status, f"{process}:{start}:{boot}")
    given_again = _run(instance, status, f"{process}:{int(start) - 1}:{boot}")
    of_another_boot = _run(instance, status, f"{process}:{start}:another")
    end_runs_without_process(instance)
    found = [_status(instance, run) for run in (alive, given_again, of_another_boot)]
    assert found == [status, ended, ended]


def test_a_run_without_a_process_has_its_time_to_start(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another run's tags, which a repeated run takes over, nothing follows."""
    new = _run(instance, dg.DagsterRunStatus.STARTING)
    repeated = instance.add_run(
        dg.DagsterRun(
            job_name="build_language", status=dg.DagsterRunStatus.STARTING, tags={PROCESS_TAG: f"{new.run_id} 1:2:3"}
        )
    )
    end_runs_without_process(instance)
    assert {_status(instance, run) for run in (new, repeated)} == {dg.DagsterRunStatus.STARTING}
    monkeypatch.setattr(type(instance), "run_monitoring_start_timeout_seconds", -1)
    end_runs_without_process(instance)
    assert {_status(instance, run) for run in (new, repeated)} == {dg.DagsterRunStatus.FAILURE}


def test_the_daemon_sees_whether_a_run_is_alive(instance: dg.DagsterInstance, sleeper: subprocess.Popen[bytes]) -> None:
    launcher = _launcher(instance)
    run = _run(instance, dg.DagsterRunStatus.STARTED, identity(sleeper.pid))
    assert launcher.supports_check_run_worker_health
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    sleeper.kill()
    sleeper.wait()
    assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED


def test_terminate_interrupts_the_process_of_a_run_and_ends_one_that_has_none_any_more(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen[bytes]
) -> None:
    launcher = _launcher(instance)
    run = _run(instance, dg.DagsterRunStatus.STARTED, identity(sleeper.pid))
    assert launcher.terminate(run.run_id)
    assert sleeper.wait(timeout=30) == -signal.SIGINT
    assert _status(instance, run) == dg.DagsterRunStatus.CANCELING
    assert launcher.terminate(run.run_id)
    assert _status(instance, run) == dg.DagsterRunStatus.CANCELED
    assert not launcher.terminate(run.run_id), "it has ended"


def test_a_run_makes_its_process_known(home: Path, instance: dg.DagsterInstance, no_documents: str) -> None:
    outcome = build(instance, home, BuildRequest(corpus=no_documents, last="raw_corpus"), "sw")
    run = instance.get_run_by_id(outcome.run_id)
    assert run is not None
    assert run.tags[PARTITION_TAG] == "sw"
    assert run.tags[PROCESS_TAG] == process_tag(run)[PROCESS_TAG]


def test_the_instance_of_a_home_ends_dead_runs_and_asks_for_processes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # to be as it was afterwards
    prepare_home(home)
    with open_instance() as instance:
        assert isinstance(instance.run_launcher, ProcessRunLauncher)
        run = _run(instance, dg.DagsterRunStatus.STARTED, "1:2:3")
        (limit,) = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits  # type: ignore[union-attr]
        assert (limit["key"], limit["limit"]) == (PARTITION_TAG, 1)
    with open_instance() as instance:
        assert _status(instance, run) == dg.DagsterRunStatus.FAILURE


# One GPU for the runs of the UI.


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the driver of a GPU makes, once it is touched."""
    monkeypatch.setenv("DAGSTER_HOME", "")  # to be as it was afterwards
    monkeypatch.setattr("xinstr_dagster.instance.GPU_DEVICES", (tmp_path / "nvidiactl",))
    return tmp_path / "nvidiactl"


def _limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_where_a_gpu_is_one_run_at_a_time_may_need_it_unless_the_user_has_said_otherwise(home: Path, gpu: Path) -> None:
    prepare_home(home)
    with open_instance() as instance:
        assert _limits(instance) == {}
        gpu.touch()
    with open_instance() as instance:
        assert _limits(instance) == {GPU_POOL: 1}
        assert instance.get_concurrency_config().pool_config.pool_granularity == PoolGranularity.RUN
        instance.event_log_storage.set_concurrency_slots(GPU_POOL, 2)
    with open_instance() as instance:
        assert _limits(instance) == {GPU_POOL: 2}


def test_a_run_that_may_need_the_gpu_waits_in_the_queue_for_one_that_does_and_others_do_not(
    home: Path, gpu: Path
) -> None:
    gpu.touch()
    prepare_home(home)
    with open_instance() as instance:

        def run(asset: str, tag: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.NOT_STARTED) -> dg.DagsterRun:
            chosen = frozenset({dg.AssetKey(asset)})
            return instance.create_run_for_job(
                build_language_job(), asset_selection=chosen, tags={PARTITION_TAG: tag}, status=status
            )

        corpus, model = run("raw_corpus", "fi"), run("tuned_model", "fi")
        assert [_waits_for_pool(instance, one) for one in (corpus, model)] == [False, False]
        other = run("reverse_model", "sw", dg.DagsterRunStatus.STARTED)
        assert [_waits_for_pool(instance, one) for one in (corpus, model)] == [False, True]
        instance.report_run_failed(other)
        assert not _waits_for_pool(instance, model)


def _waits_for_pool(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """What the queue's daemon asks before it launches a run."""
    counter = GlobalOpConcurrencyLimitsCounter(
        instance,
        [run],
        instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])),
        {GPU_POOL},
        instance.event_log_storage.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    )
    return counter.is_blocked(run)
