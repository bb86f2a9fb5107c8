"""Work in processes of a Ray cluster: of a running one, or of one that is started on this machine for a stage and ends with it.

Ray places the processes, starts lost ones anew and moves what they are given; this module hands them calls, and hands a call
that was lost with its process to another one.
"""

from __future__ import annotations

import os
import secrets
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from threading import Condition, Lock
from typing import Any, TypeVar

from xinstr_core.errors import InputError, StageError
from xinstr_core.parallel import THREADS, in_order

ADDRESS = "RAY_ADDRESS"  # Ray's own; it is where a cluster is, and never what comes out
_OBJECTS = 256 << 20  # bytes of shared memory for calls and answers under way, which are texts and a few vectors
# Until a machine has to be there that could have a process: a cluster that grows by itself takes minutes.
_STARTS_WITHIN = 600.0
RESTARTS = 3  # of a process; EngineSettings.actor_restarts says why

Item = TypeVar("Item")
Result = TypeVar("Result")

_joined = False  # by this module, which then also leaves
_folder: TemporaryDirectory[str] | None = None  # of a cluster that was started here


def join() -> Any:
    """Ray, connected: to the cluster at RAY_ADDRESS, or else to one that is started on this machine.

    InputError where Ray is not installed or there is no cluster.
    """
    global _joined, _folder
    address = os.environ.get(ADDRESS, "")
    if not address and "ray" not in sys.modules:  # which reads them when it is imported
        # Ray's ports listen on every address of the machine: only who has the token is heard.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError("actors and workers of a cluster need Ray: pip install 'xinstr[ray]'") from None
    if ray.is_initialized():
        return ray
    asked: dict[str, Any] = {"address": address}
    if not address:
        # Not in Ray's own folder, which keeps the logs of every cluster that there ever was, and knows which one is meant.
        _folder = TemporaryDirectory(prefix="xinstr-ray-", dir="/tmp", ignore_cleanup_errors=True)
        asked = {"address": "local", "num_cpus": 0, "include_dashboard": False, "object_store_memory": _OBJECTS}
        asked |= {"_node_ip_address": "127.0.0.1", "_temp_dir": _folder.name}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **asked)
    except Exception as error:
        # Ray raises a bare one where a node has not started in its 30 s.
        if type(error) is not Exception and not isinstance(error, OSError | RuntimeError | ValueError):
            raise
        raise InputError(
            f"the Ray cluster at {address or 'this machine'} cannot be had ({_first_line(error)}): "
            f"correct {ADDRESS}, or unset it for a cluster of this machine alone"
        ) from None
    _joined = True
    return ray


@contextmanager
def left_at_the_end() -> Iterator[None]:
    """Within the block a cluster may be joined; at its end it is left, and ends where it was started for that."""
    global _joined, _folder
    try:
        yield
    finally:
        if _joined:
            import ray

            for workers in [*_open]:
                workers.close()
            ray.shutdown()
            _joined = False
        if _folder is not None:
            _folder.cleanup()
            _folder = None


@dataclass(frozen=True)
class Place:
    """So many processes, and what each of them takes. One may be lost `restarts` times, calls under way in it included.

    Each has `calls` at a time, of which it works at `at_work`, and the others wait for it there. With `gpus_if_any` it
    takes its GPUs only where the cluster has some.
    """

    processes: int
    restarts: int = RESTARTS
    cpus: int = 1
    gpus: int = 0
    gpus_if_any: bool = False
    at_work: int = 1
    calls: int = 2


@dataclass(frozen=True)
class _Slot:
    """Room for a call in one of the processes, as long as that is not lost once more."""

    process: int
    life: int


class Workers:
    """Processes of a cluster that each make a thing of their own by `make`, and call its methods. For any number of threads.

    They end when this is closed, or nobody knows it any more, or this process ends, however that is.
    """

    def __init__(self, make: Callable[[], Any], place: Place, what: str) -> None:
        """Asks for the processes and does not wait for them. `what` they are called in what the user is told."""
        self._ray = join()
        self._place, self._what = place, what
        there = self._ray.cluster_resources()
        self._takes = {
            # On this machine the settings alone say how many there are.
            "num_cpus": 0 if _folder else place.cpus,
            "num_gpus": 0 if place.gpus_if_any and "GPU" not in there else place.gpus,
        }
        # The number of threads is told, so that it is the same wherever a process is.
        threads = {"env_vars": {THREADS: str(place.cpus)}}
        remote = self._ray.remote(_Holder).options(
            max_restarts=place.restarts, max_concurrency=place.at_work, runtime_env=threads, **self._takes
        )
        self._processes = [remote.remote(make) for _ in range(place.processes)]
        self.lost = 0  # calls that came to nothing
        self._lives = [0] * place.processes
        self._free, self._under_way = deque[_Slot](), 0
        self._end: Exception | None = None
        self._changed = Condition()
        _open.add(self)
        self._kill = weakref.finalize(self, _kill, self._ray, self._processes)
        for process in range(place.processes):
            self._await(process)

    @property
    def calls_at_once(self) -> int:
        return self._place.processes * self._place.calls

    def call(self, method: str, *arguments: Any) -> Any:
        """What a method of the thing gives in one of the processes; what it raises is raised here.

        A call that is lost with its process is made again in another. StageError where a process was lost once too often,
        or no machine could have one.
        """
        errors = self._ray.exceptions
        while True:
            slot = self._taken()
            try:
                made = self._ray.get(self._processes[slot.process].call.remote(method, arguments))
            except (errors.RayActorError, errors.ObjectLostError, errors.OutOfMemoryError):
                self._lose(slot)
            except errors.RayTaskError as error:
                self._give_back(slot)
                raise error.cause from None
            except BaseException:
                self._give_back(slot)
                raise
            else:
                self._give_back(slot)
                return made

    def close(self) -> None:
        """End the processes: calls that wait for them raise CancelledError."""
        with self._changed:
            self._end = self._end or CancelledError()
            self._changed.notify_all()
        self._kill()

    def _taken(self) -> _Slot:
        with self._changed:
            while True:
                if self._end is not None:
                    raise self._end
                if self._free:
                    self._under_way += 1
                    return self._free.popleft()
                if not (self._changed.wait(_STARTS_WITHIN) or self._under_way or self._could_be_had()):
                    raise StageError(
                        f"no machine of the cluster has what one of {self._place.processes} {self._what} takes: "
                        f"{self._takes['num_cpus']} processors and {self._takes['num_gpus']} GPUs"
                    )

    def _could_be_had(self) -> bool:
        """Whether a machine is large enough for a process. Where others have taken it, their end is waited for."""
        wanted = {"CPU": self._takes["num_cpus"], "GPU": self._takes["num_gpus"]}
        machines = [one["Resources"] for one in self._ray.nodes() if one["Alive"]]
        return any(all(has.get(name, 0) >= count for name, count in wanted.items()) for has in machines)

    def _give_back(self, slot: _Slot) -> None:
        with self._changed:
            self._under_way -= 1
            if slot.life == self._lives[slot.process]:
                self._free.append(slot)
            self._changed.notify_all()

    def _lose(self, slot: _Slot) -> None:
        """Have no more calls go to its process before that answers again, wherever Ray starts it anew."""
        with self._changed:
            self.lost += 1
            self._under_way -= 1
            if slot.life != self._lives[slot.process]:
                return  # that it is lost was seen by another call
            self._lives[slot.process] += 1
            self._free = deque(one for one in self._free if one.process != slot.process)
        self._await(slot.process)

    def _await(self, process: int) -> None:
        answer: Future[None] = self._processes[process].answer.options(max_task_retries=-1).remote().future()
        answer.add_done_callback(partial(_answered, weakref.ref(self), process))

    def _there(self, process: int, error: BaseException | None) -> None:
        """Calls may go to a process that answered; one that never will, since it was lost too often, is the end of all."""
        with self._changed:
            if error is None:
                self._free.extend([_Slot(process, self._lives[process])] * self._place.calls)
            else:
                self._end = self._end or self._told(error)
            self._changed.notify_all()

    def _told(self, error: BaseException) -> StageError:
        how = "could not be started"
        if isinstance(error, self._ray.exceptions.RayActorError):
            how = f"was lost more than {self._place.restarts} times"
        return StageError(
            f"one of {self._place.processes} {self._what} {how} ({_why(error)}): what is finished is kept, and the next "
            "build goes on from there"
        )


# What has processes: their handles are worth nothing any more once the cluster is left.
_open = weakref.WeakSet[Workers]()


class _Holder:
    """In a process of the cluster: what `make` makes, once it is needed."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made, self._making = make, list[Any](), Lock()

    def answer(self) -> None:
        """Tell by it that the process is there."""

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        with self._making:
            if not self._made:
                self._made.append(self._make())
        return getattr(self._made[0], method)(*arguments)


def ordered_map_on_cluster(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """As ordered_map(), in so many processes of a cluster: `function` of every item, in order, two items a process ahead."""
    place = Place(workers)
    with (
        ThreadPoolExecutor(workers * place.calls) as threads,
        closing(Workers(lambda: function, place, "workers of a cluster")) as there,
    ):
        yield from in_order(threads, partial(there.call, "__call__"), items, there.calls_at_once)


def _answered(workers: weakref.ref[Workers], process: int, answer: Future[None]) -> None:
    if (known := workers()) is not None:
        known._there(process, answer.exception())


def _kill(ray: Any, processes: list[Any]) -> None:
    if ray.is_initialized():
        for process in processes:
            ray.kill(process)


def _why(error: BaseException) -> str:
    """The sentence in which Ray says it, among much advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("The actor")), lines[0] if lines else type(error).__name__)
    return said.partition(". ")[0].removesuffix(".")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
