"""The services of the UI: started again when they are killed, given up when they cannot start, and gone with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import wait_for
from xinstr_core.errors import StageError, XinstrError
from xinstr_core.locks import held
from xinstr_dagster.cli import main
from xinstr_dagster.services import Service, keep_running, services

SERVING = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
FAILING = "raise SystemExit(3)"
PARENT = (
    "import sys; from xinstr_dagster.services import *; "
    "keep_running([Service('serving', [sys.argv[1]], Path(sys.argv[1]))], print)"
)


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two modules that can be started, `serving` and `failing`."""
    (tmp_path / "serving.py").write_text(SERVING, "utf-8")
    (tmp_path / "failing.py").write_text(FAILING, "utf-8")
    project = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), project]))
    return tmp_path


@pytest.fixture(autouse=True)
def _signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("xinstr_dagster.services.BY_THEMSELVES", 0.0)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_is_killed_is_started_again_and_all_ends_with_an_interrupt(tmp_path: Path) -> None:
    first, second = (Service("serving", [str(tmp_path / name)], tmp_path / name) for name in ("first", "second"))
    said: list[str] = []
    killed: list[int] = []

    def tell(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            raise KeyboardInterrupt
        os.kill(second.process.pid, signal.SIGKILL)
        killed.append(second.process.pid)

    class Dying(Service):
        """Dies once, as soon as it serves."""

        def start(self) -> None:
            super().start()
            if not said:
                self.process.kill()

    dying = Dying(first.module, first.arguments, first.ready)
    with pytest.raises(KeyboardInterrupt):
        keep_running([dying, second], tell)
    assert said == ["serving ended with -9: it is started again"] * 2
    assert int((tmp_path / "first").read_text("utf-8")) == dying.process.pid, "the one that was started again"
    assert killed == [second.process.pid]
    assert None not in [dying.process.poll(), second.process.poll()]


def test_what_fails_as_soon_as_it_is_started_is_given_up(tmp_path: Path) -> None:
    said: list[str] = []
    serving = Service("serving", [str(tmp_path / "pid")], tmp_path / "pid")
    with pytest.raises(XinstrError, match=r"^failing fails as soon as it is started"):
        keep_running([serving, Service("failing", [])], said.append)
    assert said == ["failing ended with 3: it is started again"] * 3
    assert serving.process.poll() is not None


def test_services_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(pid)])
    service = psutil.Process(int(wait_for("the service", 60, lambda: pid.exists() and pid.read_text("utf-8"))))
    parent.kill()
    parent.wait()
    service.wait(timeout=30)


def test_the_services_of_the_ui_listen_on_the_loopback_address_and_load_the_project(tmp_path: Path) -> None:
    found = services(tmp_path, Path("/project"), 3001, Path("/home/data/reports"))
    assert [service.module for service in found] == ["dagster", "dagster._daemon", "xinstr_dagster.webserver"]
    assert found[2].arguments[0] == "/home/data/reports"
    assert found[2].arguments[-4:] == ["--host", "127.0.0.1", "--port", "3001"]
    assert str(found[0].ready) in (tmp_path / "workspace.yaml").read_text("utf-8")


def test_a_lock_says_who_holds_it_and_is_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for holder in ("somebody with a long name", "process 7"):
        with (
            held(path, "it is done", holder),
            pytest.raises(StageError, match=f"^it is done by {holder}: look there$"),
            held(path, "it is done", "another", "look there"),
        ):
            pass


@pytest.mark.parametrize("port", ["99999", "0", "-1"])
def test_a_port_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: str) -> None:
    monkeypatch.setenv("XINSTR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["xinstr", "ui", "--port", port])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert not (tmp_path / "home").exists()
