"""The services of the UI: Dagster's code server, daemon and webserver, which serves the reports too; a process each, started again when one dies.

`dagster dev` starts the same and ends with the first that does.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xinstr_core.errors import XinstrError

LOCATION = "xinstr"
LOOK = 0.2  # seconds between looks at what runs
SOON = 30.0  # seconds: a service that lived longer had started well, on a busy machine too
TRIES = 3  # starts in a row that may fail so soon
STARTING = 120.0  # seconds until the code server answers, on a busy machine
# Seconds to end, since Ctrl-C in a terminal reaches every process of it; another interrupt does not.
BY_THEMSELVES = 2.0
WHEN_TOLD = 10.0  # seconds to end after that
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Service:
    """A module that serves, with its arguments; `ready` is a file that shows that it serves, where others need it to."""

    module: str
    arguments: Sequence[str]
    ready: Path | None = None
    failures: int = field(default=0, init=False)
    started: float = field(default=0.0, init=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """XinstrError where it does not serve in time."""
        self.started = time.monotonic()
        if self.ready:
            self.ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", self.module, *self.arguments]
        self.process = subprocess.Popen(command, preexec_fn=_end_with_parent if _libc else None)
        while self.ready and not self.ready.exists() and self.process.poll() is None:
            if time.monotonic() - self.started > STARTING:
                raise XinstrError(f"{self.module} does not answer after {STARTING:.0f} s: is the machine very busy?")
            time.sleep(LOOK)

    def start_again(self) -> None:
        """XinstrError where it failed soon after its start several times in a row, and was not killed or told to end."""
        failed_soon = self.process.returncode > 0 and time.monotonic() - self.started < SOON
        self.failures = self.failures + 1 if failed_soon else 0
        if self.failures == TRIES:
            raise XinstrError(f"{self.module} fails as soon as it is started: what it printed says why")
        self.start()


def _end_with_parent() -> None:
    """In the new process, before it becomes the service: what a killed UI leaves behind would serve this home as well.

    Linux alone has this: elsewhere the services of a UI that was killed have to be ended by hand.
    """
    assert _libc
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def services(folder: Path, project: Path, port: int, reports: Path) -> list[Service]:
    """The three of the UI in the order of their start; `folder` is for the socket between them, `reports` has the pages."""
    socket, workspace = folder / "code.sock", folder / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server:\n      socket: '{socket}'\n      location_name: {LOCATION}\n", "utf-8"
    )
    code = ("--module-name", "xinstr_dagster.definitions", "--working-directory", str(project))
    quiet = ("--log-level", "warning")
    return [
        Service(
            "dagster",
            ["code-server", "start", "--socket", str(socket), *code, "--location-name", LOCATION, *quiet],
            socket,
        ),
        Service("dagster._daemon", ["run", "--workspace", str(workspace)]),
        Service(
            "xinstr_dagster.webserver",
            [str(reports), "--workspace", str(workspace), "--host", "127.0.0.1", "--port", str(port)],
        ),
    ]


def keep_running(services: Sequence[Service], tell: Callable[[str], None]) -> None:
    """Start services, and each again that ends, until this process is interrupted or told to end."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has its background processes ignore the first
        signal.signal(number, signal.default_int_handler)
    started = list[Service]()
    try:
        for service in services:
            started.append(service)
            service.start()
        while True:
            time.sleep(LOOK)
            for service in services:
                if (ended := service.process.poll()) is not None:
                    tell(f"{service.module} ended with {ended}: it is started again")
                    service.start_again()
    finally:
        _end([service.process for service in started])


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for ask, patience in (
        (None, BY_THEMSELVES),
        (subprocess.Popen.terminate, WHEN_TOLD),
        (subprocess.Popen.kill, WHEN_TOLD),
    ):
        alive = [process for process in processes if process.poll() is None]
        for process in alive:
            if ask:
                ask(process)
        end = time.monotonic() + patience
        while time.monotonic() < end and any(process.poll() is None for process in alive):
            time.sleep(LOOK)
