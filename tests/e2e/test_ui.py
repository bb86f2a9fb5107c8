"""The UI's processes: what is killed comes back, and a crash of everything leaves no slot taken."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest

from tests.e2e.conftest import CommandLine, wait_for
from tests.e2e.user_interface import NO_ANSWER, UserInterface, end, free_port, start

pytestmark = pytest.mark.slow
PATIENCE = 180.0  # seconds until something must have happened, on a busy machine
LONG_TRAINING = "[reverse_model]\nepochs = 40\n"


def _service(ui: UserInterface, name: str) -> psutil.Process:
    """The process that `xinstr ui` started for a service."""
    (found,) = (one for one in psutil.Process(ui.process.pid).children() if name in one.cmdline())
    return found


def _kill(ui: UserInterface, name: str) -> None:
    """Kill a service, and wait for the one that is started instead."""
    killed = _service(ui, name)
    killed.kill()
    wait_for(f"{name} again", PATIENCE, lambda: _service(ui, name).pid != killed.pid, (ValueError, psutil.Error))


def _build_until_it_trains(ui: UserInterface, language: str) -> str:
    run = ui.build(language)
    wait_for("the training", PATIENCE, lambda: [*ui.xinstr.home.glob("data/reverse_model/*/unfinished/*")])
    return run


def _started(ui: UserInterface) -> str:
    """The run that has the only slot; empty where none has."""
    return next((str(run["runId"]) for run in ui.runs() if run["status"] == "STARTED"), "")


def test_a_ui_outlives_its_services_and_the_next_one_a_crash_of_all(
    new_home: Callable[[str], CommandLine],
) -> None:
    xinstr = new_home("home")
    settings = xinstr.home / "xinstr.toml"
    settings.write_text(settings.read_text("utf-8").replace("[reverse_model]\nepochs = 0.3\n", LONG_TRAINING), "utf-8")
    ui = start(xinstr)
    try:
        second = xinstr("ui", "--port", str(free_port()))
        assert (second.returncode, second.stderr.count("\n")) == (1, 1)
        assert f"served already by process {ui.process.pid} at {ui.address}" in second.stderr

        for name in ("dagster._daemon", "xinstr_dagster.webserver"):
            _kill(ui, name)
        wait_for("the UI again", PATIENCE, lambda: ui.ask("{ version }"), NO_ANSWER)
        wait_for("the languages", PATIENCE, lambda: ui.partitions() == ["fi", "sw"], NO_ANSWER)

        run = _build_until_it_trains(ui, "sw")
        latecomer = xinstr("build", "sw")
        assert f"error: sw: this language is being built by run {run[:8]} (process" in latecomer.stderr
    finally:
        family = [psutil.Process(ui.process.pid), *psutil.Process(ui.process.pid).children(recursive=True)]
        for one in family:
            one.kill()
        psutil.wait_procs(family, timeout=PATIENCE)

    ui = start(xinstr)
    try:
        assert ui.status(run) == "FAILURE", "ended before the UI answers"
        ui.build("fi")
        other = wait_for(
            "the slot", PATIENCE, lambda: _started(ui), NO_ANSWER
        )  # or the dead one's, automatically again
        ui.terminate(other)
        wait_for("the end", PATIENCE, lambda: ui.status(other) == "CANCELED", NO_ANSWER)
    finally:
        end(ui.process)
