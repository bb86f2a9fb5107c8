"""A GPU is one process's at a time, and free when nobody is there any more. The processes are real, the GPUs are names."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.core.engines.test_roles import Fake
from xinstr_core.engines.device import gpu_names
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.locks import wait_for
from xinstr_core.settings import EngineSettings, EnginesSettings, Settings

GPUS = ["aaaaaaaa-1111", "bbbbbbbb-2222"]
HOLDS = """
import sys
from pathlib import Path
from xinstr_core.engines.device_lock import DeviceLock
work, folder, *names = sys.argv[1:]
lock = DeviceLock(work, lambda said: print(said, flush=True), lambda count: names[:count], Path(folder))
lock.take(len(names))
print("holds", flush=True)
sys.stdin.read()
"""
# A process that holds a lock and has started another one, which ends with it, or does not.
HOLDS_WITH_CHILD = """
import multiprocessing, os, sys, threading
from pathlib import Path
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.locks import Shared
from xinstr_core.parallel import end_with_parent

def work(pid, locks, ends):
    if ends:
        end_with_parent()
    pid.send(os.getpid())
    threading.Event().wait()

if __name__ == "__main__":
    folder, name, ends = sys.argv[1:]
    locks = DeviceLock("sw tuned_model", print, lambda count: [name], Path(folder)).take()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    context.Process(target=work, args=(sender, Shared(*locks), ends == "ends"), daemon=False).start()
    print(receiver.recv(), flush=True)
    sys.stdin.read()
"""

# A training by two processes that does not end.
TRAINS = """
import os, sys, time
from pathlib import Path
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.training.processes import train_together

def work(team, tell):
    while True:
        tell(*team.gathered(os.getpid()))
        time.sleep(0.1)

if __name__ == "__main__":
    locks = DeviceLock("sw tuned_model", print, lambda count: [sys.argv[2]], Path(sys.argv[1])).take()
    train_together(work, 2, lambda one, other: print(one, other, flush=True), locks)
"""


class Other:
    """Another process; `said` reads its next line."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def said(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(60)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


Start = Callable[..., Other]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process that takes GPUs for some work, or one with `command`."""
    others: list[Other] = []

    def start(*names: str, work: str = "sw tuned_model", command: Sequence[str] = ()) -> Other:
        others.append(Other(*(command or ("-c", HOLDS, work, str(tmp_path), *names))))
        return others[-1]

    yield start
    for one in others:
        one.kill()


def is_free(folder: Path, name: str) -> bool:
    with (folder / f"xinstr-gpu-{name}.lock").open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(process: int, within: float = 10) -> bool:
    until = time.monotonic() + within
    while is_alive(process) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(process)


# Between processes


def test_the_second_process_says_whom_it_waits_for_and_goes_on_when_the_first_is_killed(start: Start) -> None:
    first = start(GPUS[0], work="sw tuned_model")
    assert first.said() == "holds"
    second = start(GPUS[0], work="fi evaluator")
    waits = re.fullmatch(
        r"waiting for GPU aaaaaaaa, held by process (\d+) \(sw tuned_model\) since \d\d:\d\d:\d\d", second.said()
    )
    assert waits
    assert int(waits[1]) == first.pid
    third = start(GPUS[0])
    assert third.said() == waits[0]
    third.kill()
    first.kill()
    assert second.said() == "holds"
    assert start(GPUS[0]).said().startswith(f"waiting for GPU aaaaaaaa, held by process {second.pid} (fi evaluator)")


def test_another_gpu_is_another_lock(start: Start) -> None:
    assert start(GPUS[0]).said() == "holds"
    assert start(GPUS[1]).said() == "holds"


def test_a_child_keeps_the_lock_of_its_killed_parent_as_long_as_it_lives(start: Start, tmp_path: Path) -> None:
    """It may still be on the GPU: it would take the memory that the next process counts on."""
    script = tmp_path / "parent.py"
    script.write_text(HOLDS_WITH_CHILD, "utf-8")
    parent = start(command=[str(script), str(tmp_path), GPUS[0], "stays"])
    child = int(parent.said())
    waiting = start(GPUS[0])
    assert waiting.said().startswith(f"waiting for GPU aaaaaaaa, held by process {parent.pid} (sw tuned_model)")
    parent.kill()
    assert is_alive(child)
    assert not is_free(tmp_path, GPUS[0])
    os.kill(child, signal.SIGKILL)
    assert waiting.said() == "holds"


def test_a_child_that_ends_with_its_killed_parent_frees_the_lock(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(HOLDS_WITH_CHILD, "utf-8")
    parent = start(command=[str(script), str(tmp_path), GPUS[0], "ends"])
    child = int(parent.said())
    waiting = start(GPUS[0])
    waiting.said()
    parent.kill()
    assert waiting.said() == "holds"
    assert ends(child), "a process that ends lets its files go first"


@pytest.mark.slow
def test_the_processes_of_a_killed_training_are_gone_when_its_gpu_is_free(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "training.py"
    script.write_text(TRAINS, "utf-8")
    training = start(command=[str(script), str(tmp_path), GPUS[0]])
    members = [int(member) for member in training.said().split()]
    waiting = start(GPUS[0])
    waiting.said()
    training.kill()
    assert waiting.said() == "holds"
    assert all(ends(member) for member in members)


def test_who_waits_can_be_interrupted(start: Start) -> None:
    assert start(GPUS[0]).said() == "holds"
    second = start(GPUS[0])
    second.said()
    assert second.interrupt() == -signal.SIGINT


def test_two_processes_that_want_both_gpus_do_not_wait_for_each_other(start: Start) -> None:
    first = start(*GPUS[::-1])
    assert first.said() == "holds"
    second = start(*GPUS)
    assert second.said().startswith("waiting for GPU aaaaaaaa")
    first.kill()
    assert second.said() == "holds"


# In one process


def lock(folder: Path, told: list[str] | None = None) -> DeviceLock:
    said = [] if told is None else told
    return DeviceLock("sw tuned_model", said.append, lambda count: GPUS[:count], folder)


def test_more_and_fewer_gpus_are_held_as_they_are_wanted(tmp_path: Path) -> None:
    held, told = lock(tmp_path, told := []), told
    assert (len(held.take()), len(held.take()), is_free(tmp_path, GPUS[0])) == (1, 1, False)
    assert len(held.take(2)) == 2
    assert [is_free(tmp_path, name) for name in GPUS] == [False, False]
    assert len(held.take(1)) == 1
    assert [is_free(tmp_path, name) for name in GPUS] == [False, True]
    held.release()
    assert [is_free(tmp_path, name) for name in GPUS] == [True, True]
    assert told == []


def test_every_user_of_the_machine_can_open_the_file(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with lock(tmp_path) as held:
            held.take()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / f"xinstr-gpu-{GPUS[0]}.lock").stat().st_mode) == 0o666


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", "utf-8")
    (tmp_path / f"xinstr-gpu-{GPUS[0]}.lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=r"xinstr-gpu-aaaaaaaa-1111\.lock"):
        lock(tmp_path).take()
    assert (tmp_path / "mine").read_text("utf-8") == "precious"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"xinstr-gpu-{GPUS[0]}.lock")
    with pytest.raises(OSError, match=r"xinstr-gpu-aaaaaaaa-1111\.lock is no file: remove it"):
        lock(tmp_path).take()


def test_a_file_that_was_removed_while_somebody_waited_for_it_is_no_lock(tmp_path: Path, start: Start) -> None:
    first = start(GPUS[0])
    first.said()
    path = tmp_path / f"xinstr-gpu-{GPUS[0]}.lock"

    def remove(holder: str) -> None:
        path.unlink()
        first.kill()

    os.close(wait_for(path, "me", remove))
    assert path.read_text("utf-8") == "me"


def test_what_another_wrote_as_its_name_is_one_plain_line(tmp_path: Path, start: Start) -> None:
    first = start(GPUS[0])
    first.said()
    (tmp_path / f"xinstr-gpu-{GPUS[0]}.lock").write_text("\x1b[2Jprocess 1\nerror: all is lost" + "x" * 300, "utf-8")
    told: list[str] = []

    def tell(said: str) -> None:
        told.append(said)
        first.kill()

    DeviceLock("sw tuned_model", tell, lambda count: GPUS[:1], tmp_path).take()
    assert told == ["waiting for GPU aaaaaaaa, held by [2Jprocess 1 error: all is lost" + "x" * (200 - 32)]


def test_on_a_processor_nothing_is_held(tmp_path: Path, tiny_model: ModelReference) -> None:
    assert gpu_names(1) == gpu_names(2) == []
    with Engines(Settings(), tiny_model, gpu=DeviceLock("sw tuned_model", print, folder=tmp_path)) as engines:
        engines.reader()()
    assert [*tmp_path.iterdir()] == []


def test_gpus_are_called_by_the_device_and_not_by_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Properties:
        def __init__(self, place: int) -> None:
            self.uuid = f"uuid-{place}"

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)
    assert (gpu_names(1), gpu_names(3)) == (["uuid-0"], ["uuid-0", "uuid-1"])


# Of a stage


def test_a_stage_holds_the_gpu_from_its_first_model_to_its_end_and_none_for_a_server(
    tmp_path: Path, tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, TRANSFORMERS, Fake)
    monkeypatch.setitem(KINDS, "openai", Fake)
    server = EngineSettings(kind="openai", address="http://localhost")
    path = tmp_path / f"xinstr-gpu-{GPUS[0]}.lock"
    with Engines(Settings(engines=EnginesSettings(writer=server)), tiny_model, gpu=lock(tmp_path)) as engines:
        reader = engines.reader()
        engines.writer()()
        assert not path.exists()
        reader()
        assert not is_free(tmp_path, GPUS[0])
        engines.writer()()
        engines.release()
        assert not is_free(tmp_path, GPUS[0])
    assert is_free(tmp_path, GPUS[0])


def test_a_training_holds_the_gpu(tmp_path: Path, tiny_model: ModelReference) -> None:
    engines = Engines(Settings(), tiny_model, gpu=lock(tmp_path))
    engines.trainable("lora")
    assert not is_free(tmp_path, GPUS[0])
