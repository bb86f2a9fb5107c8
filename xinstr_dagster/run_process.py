"""The process that executes a run: which it is, whether it is still there, and how it is told to end.

Dagster asks the code server that started a run, and asks for ever where that died too. A run's own process is asked for
instead: those of the command line, which no code server knows, as those of the UI.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

PROCESS_TAG = "xinstr/process"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(process: int) -> str | None:
    """What no other process ever has, also one that gets its number later; None where there is none.

    On Linux start time is counted from the boot, so a clock that is set changes nothing.
    """
    if not _BOOT.exists():
        return _by_the_clock(process)
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace")
        boot = _BOOT.read_text("ascii").strip()
    except OSError:
        return None
    state, *numbers = stat.rpartition(")")[2].split()  # the name before may hold anything
    return None if state in "ZX" else f"{process}:{numbers[18]}:{boot}"  # proc(5): field 22, starttime


def _by_the_clock(process: int) -> str | None:
    """Its identity where the system, as macOS, tells start times in whole by the clock alone."""
    import psutil

    try:
        found = psutil.Process(process)
        return None if found.status() == psutil.STATUS_ZOMBIE else f"{process}:{found.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def process_tag(run: dg.DagsterRun) -> dict[str, str]:
    """The tag by which a run's own process, this one, makes itself known."""
    return {PROCESS_TAG: f"{run.run_id} {identity(os.getpid())}"}


def _process_of(run: dg.DagsterRun) -> str | None:
    """The identity of its process. None before that executes it: tags of the run that it repeats say nothing of it."""
    of, _, process = run.tags.get(PROCESS_TAG, "").partition(" ")
    return process if of == run.run_id else None


def _number(process: str) -> int:
    return int(process.partition(":")[0])


def is_gone(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether nobody executes an unfinished run any more. One that has no process yet has its time to start."""
    process = _process_of(record.dagster_run)
    if process is None:
        waited = datetime.now(UTC) - record.update_timestamp
        return waited.total_seconds() > instance.run_monitoring_start_timeout_seconds
    return identity(_number(process)) != process


def end_runs_without_process(instance: dg.DagsterInstance) -> None:
    """Mark runs as failed whose process is gone, and as canceled what was asked to end: they hold their slot no longer."""
    held = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in instance.get_run_records(dg.RunsFilter(statuses=held)):
        if is_gone(instance, record):
            _end(instance, record.dagster_run)


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    said = "its process is gone: the next build goes on from what was finished"
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, said)
    else:
        instance.report_run_failed(run, said)


class ProcessRunLauncher(dg.DefaultRunLauncher):
    """Launches runs as Dagster does by default; finds those whose process is gone, and ends any by its process."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Asked by the daemon's monitoring of every run that has started."""
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is not None and is_gone(self._instance, record):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run's process, or end the run at once where that is gone."""
        record = self._instance.get_run_record_by_id(run_id)
        if record is None or record.dagster_run.is_finished:
            return False
        run, gone = record.dagster_run, is_gone(self._instance, record)
        process = _process_of(run)
        if not gone and process is None:  # it starts only now: its code server knows it
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)
        if gone or process is None:
            self._instance.report_run_canceled(run, "its process is gone")
        else:
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(_number(process), signal.SIGINT)
        return True
