"""The command line as users run it: a process of its own, over a home folder of its own."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dagster.asking_model import TINY_SETTINGS, write_asking_model
from xinstr_core.pocket.documents import draw_topics, write_document

REGISTRY = """
[sw]
name = "Swahili"
script = "Latn"

[fi]
name = "Finnish"
script = "Latn"
"""


@dataclass(frozen=True)
class CommandLine:
    """`xinstr` with XINSTR_HOME set."""

    home: Path

    def environment(self) -> dict[str, str]:
        return {**os.environ, "XINSTR_HOME": str(self.home), "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """The command in a process that the caller may kill."""
        return subprocess.Popen(
            [sys.executable, "-m", "xinstr_dagster.cli", *arguments],
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "xinstr_dagster.cli", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def manifests(self) -> list[str]:
        return sorted(path.parent.parent.name for path in self.home.glob("data/*/*/manifest.json"))


def on_a_terminal(xinstr: CommandLine, answer: str, *arguments: str) -> tuple[int, str]:
    """Exit code and all that is printed, where a person sits at the terminal and answers."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    process = subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", *arguments],
        env=xinstr.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    printed = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not read:
            break
        printed += read
    os.close(ours)
    return process.wait(timeout=600), printed.decode()


def complaints(errors: str) -> list[str]:
    """The lines of a build's standard error, but those that say that a stage is done."""
    return [line for line in errors.splitlines() if not line.endswith("; done")]


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """A shell starts what it runs in the background deaf to interrupts, and what is started from there inherits it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def asking_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "asking"
    write_asking_model(folder)
    return folder


@pytest.fixture
def new_home(tmp_path: Path, asking_model: Path) -> Callable[[str], CommandLine]:
    """Makes homes by name: with two languages, the asking model and tiny settings."""

    def make(name: str) -> CommandLine:
        home = tmp_path / name
        home.mkdir()
        (home / "languages.toml").write_text(REGISTRY, "utf-8")
        (home / "xinstr.toml").write_text(f"base_model = '{asking_model}'\n{TINY_SETTINGS}", "utf-8")
        return CommandLine(home)

    return make


@pytest.fixture
def xinstr(new_home: Callable[[str], CommandLine]) -> CommandLine:
    return new_home("home")


def assert_one_line(xinstr: CommandLine, arguments: list[str], *said: str) -> None:
    """The command fails with one line on stderr that holds all of `said`, and nothing is written."""
    done = xinstr(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert [part for part in said if part not in lines[0]] == [], lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    assert xinstr.manifests() == []


def texts_in(language: str, count: int) -> list[str]:
    """Clean pocket documents, the same ones every time."""
    rng = random.Random(5)
    return [write_document(topic, rng) for topic in draw_topics(language, count, rng)]


def record(text: str) -> bytes:
    """A line of a JSONL corpus."""
    return json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"


def wait_for(what: str, seconds: float, found: Callable[[], Any], not_yet: tuple[type[Exception], ...] = ()) -> Any:
    """What `found` gives as soon as it is true; while something starts it may fail with `not_yet`."""
    end = time.monotonic() + seconds
    trouble: Exception | None = None
    while time.monotonic() < end:
        try:
            if result := found():
                return result
        except not_yet as error:
            trouble = error
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds:.0f} s ({trouble})")
