"""Stages as jobs of a cluster: what a step shows of one is what it shows of a stage that it ran itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest

from tests.ray.conftest import OBJECTS
from xinstr_core.cluster import ADDRESS
from xinstr_core.pocket.world import write_world
from xinstr_core.progress import Event
from xinstr_dagster import execution
from xinstr_dagster.build import BuildRequest, build
from xinstr_dagster.ray_jobs import JOBS

pytestmark = pytest.mark.ray

REGISTRY = '[sw]\nname = "Swahili"\nscript = "Latn"\ncorpus = "sw.jsonl"\n'
STARTS_WITHIN = 180.0
API_SERVER = "RAY_API_SERVER_ADDRESS"  # Ray's own: what its clients take before all else
# What is another number every time.
OF_A_RUN = {"built with", "seconds", "peak memory in MiB", "folder"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def jobs(ray_environment: None, monkeypatch_module: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a cluster of one node takes jobs. It has a folder of its own: Ray takes that for the cluster."""
    port = free_port()
    monkeypatch_module.setenv(API_SERVER, f"http://127.0.0.1:{port}")  # or clients would take the tests' other cluster
    environment = {name: value for name, value in os.environ.items() if name not in (ADDRESS, API_SERVER)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # of a job's `python`
    with TemporaryDirectory(prefix="xinstr-head-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environment["RAY_TMPDIR"] = folder
        options = ["--num-cpus=2", f"--object-store-memory={OBJECTS}", "--include-dashboard=true"]
        options += ["--node-ip-address=127.0.0.1", f"--port={free_port()}", f"--ray-client-server-port={free_port()}"]
        options += [f"--dashboard-agent-listen-port={free_port()}", f"--dashboard-agent-grpc-port={free_port()}"]
        options += ["--dashboard-host=127.0.0.1", f"--dashboard-port={port}", f"--temp-dir={folder}", "--block"]
        with (Path(folder) / "head.log").open("wb") as log:
            head = subprocess.Popen(
                [Path(sys.executable).with_name("ray"), "start", "--head", *options],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            client = _client(f"http://127.0.0.1:{port}", head)
            yield str(client.get_address())
        finally:
            head.terminate()
            head.wait(60)


def _client(address: str, head: subprocess.Popen[bytes]) -> Any:
    from ray.job_submission import JobSubmissionClient

    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            client = JobSubmissionClient(address)
            client.submit_job(entrypoint="true")  # what runs jobs starts after what takes them
            return client
        except (ConnectionError, RuntimeError):
            assert head.poll() is None and time.monotonic() < until, "the head did not start"
            time.sleep(1)


@pytest.fixture
def homes(tmp_path: Path) -> list[Path]:
    """Two homes that hold the same."""
    write_world(tmp_path, "sw")
    found = [tmp_path / name for name in ("here", "there")]
    for home in found:
        home.mkdir()
        (home / "languages.toml").write_text(REGISTRY, "utf-8")
        (home / "sw.jsonl").write_bytes((tmp_path / "corpus" / "sw.jsonl").read_bytes())
    return found


@dataclass(frozen=True)
class Built:
    """How a build of the corpus ended, and what it showed."""

    error: str
    shown: dg.AssetMaterialization | None
    observed: list[dg.AssetObservation | None]


def built(home: Path, jobs: str, monkeypatch: pytest.MonkeyPatch, **request: Any) -> Built:
    monkeypatch.setenv("XINSTR_HOME", str(home))
    monkeypatch.setenv(JOBS, jobs)
    monkeypatch.setenv(ADDRESS, "127.0.0.1:1" if jobs else "")  # of no cluster: what takes jobs is named by JOBS alone
    monkeypatch.setenv(API_SERVER, "")
    asset = dg.AssetKey("raw_corpus")
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = build(instance, home, BuildRequest(last="raw_corpus", **request), "sw")
        found = instance.get_latest_materialization_event(asset)
        observed = [record.asset_observation for record in instance.fetch_observations(asset, limit=10).records]
    return Built(outcome.error, found.asset_materialization if found else None, observed)


def test_a_stage_that_is_a_job_shows_what_it_shows_without(
    jobs: str, homes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    monkeypatch.setattr(execution, "listeners", [told.append])
    here, there = homes
    own = built(here, "", monkeypatch).shown
    told.clear()
    job = built(there, jobs, monkeypatch, overrides={"corpus": {"ray_workers": 2}})
    assert job.error == ""
    shown = job.shown
    assert own is not None and shown is not None
    assert shown.tags == own.tags  # the data version among them
    assert shown.metadata.keys() == own.metadata.keys()
    differs = {name for name in own.metadata if shown.metadata[name] != own.metadata[name]}
    assert differs <= OF_A_RUN
    assert {event.stage for event in told} == {"raw_corpus"}
    assert told[-1].ended == "done"
    assert any(event.done for event in told)
    assert job.observed and all(one is not None and one.partition == "sw" for one in job.observed)
    assert built(there, jobs, monkeypatch).error == ""


def test_what_a_job_could_not_do_is_told_in_the_same_line(
    jobs: str, homes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = []
    for home, address in zip(homes, ("", jobs), strict=True):
        (home / "sw.jsonl").unlink()
        failed = built(home, address, monkeypatch)
        assert failed.shown is None
        errors.append(failed.error.replace(str(home), "HOME"))
    assert errors[0] == errors[1]
    assert "no corpus file for 'sw'" in errors[0]


def test_a_cluster_that_is_not_there_is_told_in_a_line(homes: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    error = built(homes[0], f"http://127.0.0.1:{free_port()}", monkeypatch).error
    assert error.startswith("raw_corpus: the job on the Ray cluster at http://127.0.0.1:")
    assert "\n" not in error


def test_a_run_that_is_cancelled_stops_its_job(jobs: str, homes: list[Path]) -> None:
    from ray.job_submission import JobStatus, JobSubmissionClient

    pages = homes[0] / "sw.jsonl"
    pages.write_bytes(40 * pages.read_bytes())  # enough to be at it when it is cancelled
    client = JobSubmissionClient(jobs)
    before = {job.submission_id for job in client.list_jobs()}
    environment = {**os.environ, "XINSTR_HOME": str(homes[0]), JOBS: jobs}
    command = [sys.executable, "-m", "xinstr_dagster.cli", "build", "sw", "--to", "raw_corpus"]
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not (started := [job for job in client.list_jobs() if job.submission_id not in before]):
            assert run.poll() is None and time.monotonic() < until
            time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        assert run.wait(120) == 130
    finally:
        run.kill()
    while not (status := client.get_job_status(started[0].submission_id)).is_terminal():
        assert time.monotonic() < until
        time.sleep(0.5)
    assert status == JobStatus.STOPPED
