"""Languages built at once: the same bytes as one after the other, and a death costs one language alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import CommandLine, complaints, wait_for
from xinstr_dagster.cli.exit_codes import ExitCode

PATIENCE = 120.0  # seconds until something must have happened


def _builders(command: subprocess.Popen[bytes], count: int) -> list[psutil.Process]:
    """The processes of the languages in the order of their start, once there are `count` of them."""
    children = [child for child in psutil.Process(command.pid).children() if _is_builder(child)]
    return sorted(children, key=psutil.Process.create_time) if len(children) == count else []


def _is_builder(child: psutil.Process) -> bool:
    try:
        return any("spawn_main" in part for part in child.cmdline())
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


def _versions(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): json.loads(path.read_text("utf-8"))["version"]
        for path in home.glob("data/*/language=*/manifest.json")
    }


@pytest.mark.slow
def test_languages_built_at_once_have_the_content_of_languages_built_in_turn(
    new_home: Callable[[str], CommandLine],
) -> None:
    arguments = ["build", "sw", "fi", "sw", "--to", "candidate_pairs"]
    in_turn, at_once = new_home("in-turn"), new_home("at-once")
    assert in_turn(*arguments).returncode == 0
    done = at_once(*arguments, "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(line.split()[0] for line in done.stdout.splitlines() if " built in " in line) == ["fi", "sw"]
    assert _versions(at_once.home) == _versions(in_turn.home)
    assert len(_versions(at_once.home)) == 8
    again = at_once(*arguments, "--jobs", "2")
    assert again.stdout.count("is up to date: nothing to do") == 2


def test_a_killed_command_line_leaves_no_builder_behind(new_home: Callable[[str], CommandLine]) -> None:
    xinstr = new_home("home")
    command = xinstr.start(["build", "sw", "fi", "--jobs", "2"])
    builders = wait_for("two builders", PATIENCE, lambda: _builders(command, 2))
    command.kill()
    command.wait()
    _, alive = psutil.wait_procs(builders, timeout=PATIENCE)
    assert alive == []


def test_a_builder_that_dies_costs_its_own_language_alone(new_home: Callable[[str], CommandLine]) -> None:
    xinstr = new_home("home")
    command = subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", "build", "sw", "fi", "--to", "seed_pairs", "--jobs", "2"],
        env=xinstr.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for("two builders", PATIENCE, lambda: _builders(command, 2))[0].kill()
    printed, errors = (stream.decode() for stream in command.communicate(timeout=PATIENCE))
    assert command.returncode == 1
    assert [line.split(" in ")[0] for line in printed.splitlines() if not line.startswith(" ")] == ["fi built"]
    assert complaints(errors) == ["error: sw: its process ended with -9: was memory short?"]


@pytest.mark.parametrize("whole_group", [True, False], ids=["as a terminal does", "the command alone"])
def test_an_interrupted_command_line_ends_its_builders_and_prints_no_traceback(
    new_home: Callable[[str], CommandLine], whole_group: bool
) -> None:
    xinstr = new_home("home")
    command = subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", "build", "sw", "fi", "--jobs", "2"],
        env=xinstr.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    builders = wait_for("two builders", PATIENCE, lambda: _builders(command, 2))
    # At work, inside Dagster's own handlers; most of the line is still to come.
    wait_for("a first partition", PATIENCE, xinstr.manifests)
    (os.killpg if whole_group else os.kill)(command.pid, signal.SIGINT)
    _, errors = command.communicate(timeout=PATIENCE)
    assert command.returncode == ExitCode.INTERRUPTED
    assert complaints(errors.decode()) == ["error: interrupted: the same command goes on from here"]
    _, alive = psutil.wait_procs(builders, timeout=PATIENCE)
    assert alive == []


def test_an_interrupted_build_of_one_language_says_so_in_one_line_and_goes_on_from_there(
    new_home: Callable[[str], CommandLine],
) -> None:
    xinstr = new_home("home")
    command = subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", "build", "sw"],
        env=xinstr.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_for("a first partition", PATIENCE, xinstr.manifests)
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=PATIENCE)
    assert command.returncode == ExitCode.INTERRUPTED
    assert errors.splitlines()[-1] == b"error: interrupted: the same command goes on from here"


@pytest.mark.slow
def test_a_damaged_manifest_of_one_language_keeps_no_other_from_being_built(
    new_home: Callable[[str], CommandLine],
) -> None:
    """The catalogue leaves it out, and its own language is told which manifest is to blame."""
    xinstr = new_home("home")
    assert xinstr("build", "fi", "--to", "seed_pairs").returncode == 0
    damaged = xinstr.home / "data" / "seed_pairs" / "language=fi" / "manifest.json"
    damaged.write_text("{", "utf-8")
    done = xinstr("build", "fi", "sw", "--to", "seed_pairs")
    assert done.returncode == 1
    (line,) = complaints(done.stderr)
    assert line.split(": ")[1] == "fi"
    assert "data/seed_pairs/language=fi" in line
    assert (xinstr.home / "data" / "seed_pairs" / "language=sw" / "manifest.json").exists()


@pytest.mark.slow
def test_a_build_that_was_killed_while_it_wrote_the_catalogue_keeps_no_other_waiting(
    new_home: Callable[[str], CommandLine],
) -> None:
    """The catalogue is written under a lock that the kernel frees with its process: no run waits for a dead one."""
    xinstr = new_home("home")
    assert xinstr("build", "fi", "--to", "raw_corpus").returncode == 0
    lock = xinstr.home / "data" / ".catalogue.lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import fcntl, time; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); print('held', flush=True); time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    command = xinstr.start(["build", "sw", "--to", "raw_corpus"])
    try:
        wait_for("the partition", PATIENCE, lambda: len(xinstr.manifests()) == 2)
        with pytest.raises(subprocess.TimeoutExpired):
            command.wait(timeout=5)
        holder.kill()
        assert command.wait(timeout=PATIENCE) == 0
    finally:
        holder.kill()
        command.kill()


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_a_number_of_jobs_that_makes_no_sense_is_refused(new_home: Callable[[str], CommandLine], jobs: str) -> None:
    done = new_home("home")("build", "sw", "--jobs", jobs)
    assert done.returncode == 2
    assert "--jobs" in done.stderr
    assert "Traceback" not in done.stderr
