"""Stages as jobs of a Ray cluster: a step submits one through Pipes, passes on what it tells, and takes what it built."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import dagster as dg

from xinstr_core.engines.budget import Budget
from xinstr_core.errors import InputError, SettingsError, StageError
from xinstr_core.progress import Event, Listener
from xinstr_core.stages.stage import Stage, StageResult
from xinstr_core.workspace import Workspace

# Of the code location: where Ray takes jobs, such as http://head:8265; not set, stages run in their steps.
JOBS = "XINSTR_RAY_JOBS"
# GPUs that a job takes whose stage uses a model: trainings, and engines without actors, work in the job's own process.
JOB_GPUS = "XINSTR_RAY_JOB_GPUS"


def run_stage_as_job(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    stage: Stage,
    listeners: Sequence[Listener],
    spending: Budget | None,
) -> StageResult:
    """As run_stage(), on the cluster at XINSTR_RAY_JOBS. A run that is cancelled stops its job.

    StageError with what the job could not do, or where it ended otherwise; InputError where there is no cluster, or
    dagster-ray is not installed.
    """
    language, address = context.partition_key, os.environ[JOBS]
    ended = _run(context, stage, address, _asked(workspace, stage, language, spending), listeners)
    if spending is not None:
        spending.spend(ended["spent"])
    if "error" in ended:
        raise StageError(ended["error"])
    partition = workspace.store.get(stage.name, language)
    if partition is None or partition.version != ended["version"]:
        raise StageError(
            f"the job on {address} built {stage.name} of {language} in another {workspace.home} than this one: all machines "
            "of the cluster need the same home folder under the same name"
        )
    return StageResult(partition, ended["reused"], tuple(ended["warnings"]))


def _asked(workspace: Workspace, stage: Stage, language: str, spending: Budget | None) -> dict[str, Any]:
    given = {name: getattr(workspace, name) for name in ("preset", "overrides", "corpus", "seeds", "base_model")}
    return {
        "stage": stage.name,
        "language": language,
        "home": str(workspace.home),
        "given": given,
        "budget": None if spending is None else spending.limit - spending.spent,
    }


def _run(
    context: dg.AssetExecutionContext, stage: Stage, address: str, asked: dict[str, Any], listeners: Sequence[Listener]
) -> dict[str, Any]:
    """How the job ended, as it tells it."""
    try:
        from dagster_ray import PipesRayJobClient, PipesRayJobMessageReader
        from ray.exceptions import RayError
    except ImportError:
        raise InputError(f"{JOBS} is set, and jobs need dagster-ray: pip install 'xinstr[ray]'") from None

    class Reader(PipesRayJobMessageReader):  # type: ignore[misc]  # mypy sees nothing of Ray
        """Passes on the progress that a job tells, as it is told; Pipes gives other messages at the end alone."""

        def handle_job_logs(self, handler: Any) -> None:
            super().handle_job_logs(_Passing(handler, listeners))

    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)  # that a job's log ended is no news
    os.environ["RAY_API_SERVER_ADDRESS"] = (
        address  # a RAY_ADDRESS, where there is one, wins over what clients are given
    )
    client = PipesRayJobClient(address=address, message_reader=Reader())
    gpus = {"entrypoint_num_gpus": job_gpus()} if stage.uses_model and job_gpus() else {}
    name = f"{stage.name}-{context.partition_key}-{uuid4().hex[:8]}"
    submitted = {"entrypoint": "python -m xinstr_dagster.ray_job", "submission_id": name, **gpus}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)  # of how Dagster itself counts who writes messages
            done = client.run(context=context, submit_job_params=submitted, extras=asked)
    except dg.DagsterExecutionInterruptedError:
        with suppress(ConnectionError, RuntimeError):  # there is none, or it has ended
            client.client.stop_job(name)  # the client itself stops one only once it waits for it
        raise
    except (ConnectionError, RuntimeError, RayError) as error:
        raise StageError(f"the job on the Ray cluster at {address}: {_in_a_line(error)}") from error
    told = [message["ended"] for message in done.get_custom_messages() if "ended" in message]
    if not told:
        raise StageError(
            f"the job on the Ray cluster at {address} ended without a word: its log is on the cluster's page"
        )
    return dict(told[-1])


class _Passing:
    """What Pipes hands messages to, before which progress goes to listeners."""

    def __init__(self, handler: Any, listeners: Sequence[Listener]) -> None:
        self._context = handler._context  # which the reader logs with
        self._handler, self._listeners = handler, listeners

    def handle_message(self, message: dict[str, Any]) -> None:
        payload = message.get("params", {}).get("payload") if message["method"] == "report_custom_message" else None
        if not isinstance(payload, dict) or "progress" not in payload:
            self._handler.handle_message(message)
            return
        event = Event(**payload["progress"])
        for listener in self._listeners:
            listener(event)


def job_gpus() -> float:
    """GPUs that the process of a job takes. SettingsError for what is no number."""
    told = os.environ.get(JOB_GPUS, "0")
    try:
        return float(told)
    except ValueError:
        raise SettingsError(f"{JOB_GPUS}={told}: a number of GPUs is wanted") from None


def _in_a_line(error: Exception) -> str:
    """What it says, of which Ray puts the last lines of the job's log last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if len(lines) < 2 else f"{lines[0]} {lines[-1]}"
