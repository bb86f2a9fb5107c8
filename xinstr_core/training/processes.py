"""A training by several processes of one machine: each takes a part of every step's rows, and all have the same weights.

Gradients are summed over the processes before they are clipped, and every process makes the same step with them: the
loss is that of one process up to rounding. Processes talk over gloo, where each has a GPU of its own over NCCL. Every
process holds the whole model: this makes a training faster, not a larger model possible.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from xinstr_core.engines.device import device
from xinstr_core.errors import InputError, StageError, XinstrError
from xinstr_core.locks import Shared
from xinstr_core.parallel import end_with_parent, processors
from xinstr_core.progress import Progress, silent
from xinstr_core.training.rows import TrainingRow

T = TypeVar("T")
_SUMMED_AT_ONCE = 2**22  # gradients that are copied together to be summed: 16 MiB in float32
_SECONDS_TO_DIE = 5.0  # in which the end of a process is known after another one has lost it


class _LostError(StageError):
    """Another process does not answer, most often because it died."""


@dataclass(frozen=True)
class Team:
    """The processes of a training, seen from the one with number `rank` of `size`. Rank 0 leads: it alone writes and tells.

    What one of them calls all have to call, in the same order.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def part(self, rows: Sequence[TrainingRow]) -> Sequence[TrainingRow]:
        """The rows of a step that are this process's: every `size`-th by length, so that all have as much to do."""
        if self.size == 1:
            return rows
        return sorted(rows, key=lambda row: len(row.input_ids))[self.rank :: self.size]

    def gathered(self, value: T) -> list[T]:
        """What every process gives, by rank."""
        if self.size == 1:
            return [value]
        import torch.distributed

        values: list[Any] = [None] * self.size
        self._together(lambda: torch.distributed.all_gather_object(values, value))
        return values

    def leader_first(self, work: Callable[[], T]) -> T:
        """What `work` gives here, once the leader is done with its own."""
        if self.leads:
            done = work()
            self.gathered(None)
            return done
        self.gathered(None)
        return work()

    def sum_gradients(self, parameters: Sequence[Any]) -> None:
        """Leave at every parameter the sum of its gradients; none where no process has one."""
        if self.size == 1:
            return
        import torch

        have = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
        have = have.to(parameters[0].device)
        self._together(lambda: torch.distributed.all_reduce(have))
        gradients = [_gradient(one) for one, count in zip(parameters, have.tolist(), strict=True) if count]
        for some in _bounded(gradients):
            summed = torch.cat([gradient.flatten() for gradient in some])
            self._together(lambda flat=summed: torch.distributed.all_reduce(flat))  # type: ignore[misc]
            for gradient, part in zip(some, summed.split([one.numel() for one in some]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def _together(self, call: Callable[[], object]) -> None:
        try:
            call()
        except RuntimeError as error:  # what torch raises for every trouble between processes
            raise _LostError(f"the processes of the training lost each other ({str(error).splitlines()[0]})") from error


ALONE = Team()
Work = Callable[[Team, Progress], None]


def train_together(work: Work, size: int, progress: Progress, locks: Sequence[int] = ()) -> None:
    """Let `size` new processes do `work`, which is picklable, and tell what the leader tells.

    The first error of one of them is raised here and ends the others; they end with this process, too, however that ends.
    Each of them holds `locks`, given by their descriptors, as long as it lives: a GPU is free when nobody is on it any more.
    StageError for one that dies, InputError where there are fewer GPUs than processes.
    """
    _check_devices(size)
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipes = [context.Pipe(duplex=False) for _ in range(size)]
        members: list[BaseProcess] = [
            context.Process(
                target=_member, args=(work, Team(rank, size), sender, Path(folder) / "meeting", Shared(*locks))
            )
            for rank, (_, sender) in enumerate(pipes)
        ]
        try:
            for member, (_, sender) in zip(members, pipes, strict=True):
                member.start()
                sender.close()
            _follow(members, [receiver for receiver, _ in pipes], progress)
        finally:
            for member in members:
                if member.pid is not None:
                    member.kill()
                    member.join()


def _follow(members: Sequence[BaseProcess], receivers: Sequence[Connection], progress: Progress) -> None:
    """Pass on what the members tell, until all are done."""
    told, running = list(receivers), {member.sentinel: member for member in members}
    while running:
        ready = wait([*told, *running])
        for receiver in [one for one in told if one in ready]:
            try:
                message = receiver.recv()
            except EOFError:
                told.remove(receiver)
                continue
            if isinstance(message, XinstrError):
                _raise(message, running)
            done, total, said = message
            progress(done, total, **said)
        for sentinel in [one for one in running if one in ready]:
            _check_end(running.pop(sentinel), len(members))


def _raise(error: XinstrError, running: dict[Any, BaseProcess]) -> None:
    """The error itself, or what was before it: that another process died."""
    if isinstance(error, _LostError):
        for sentinel in wait([*running], _SECONDS_TO_DIE):
            _check_end(running[sentinel], len(running))
    raise error


def _check_end(member: BaseProcess, size: int) -> None:
    member.join()
    if member.exitcode:
        raise StageError(
            f"one of the {size} processes of a training died (exit code {member.exitcode}; was memory short?): start again "
            "from the last checkpoint, which is kept, or set processes = 1"
        )


def _check_devices(size: int) -> None:
    if device() == "cuda":
        import torch

        if (gpus := torch.cuda.device_count()) < size:
            raise InputError(
                f"{size} processes of a training need a GPU each and there are {gpus}: set processes = {gpus}"
            )


def _member(work: Work, team: Team, sender: Connection, meeting: Path, locks: Shared) -> None:
    """One of the processes: meets the others, works, and tells its error, after which it waits to be ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, and this process ends with it
    end_with_parent()
    import torch

    if device() == "cuda":
        torch.cuda.set_device(team.rank)
    else:
        torch.set_num_threads(max(1, processors() // team.size))

    def tell(done: int, total: int, **told: Any) -> None:
        sender.send((done, total, told))

    try:
        torch.distributed.init_process_group(
            "nccl" if device() == "cuda" else "gloo",
            init_method=f"file://{meeting}",
            rank=team.rank,
            world_size=team.size,
        )
        work(team, tell if team.leads else silent)
        torch.distributed.destroy_process_group()
    except XinstrError as error:
        sender.send(error)
        threading.Event().wait()


def _gradient(parameter: Any) -> Any:
    """Its gradient; zeros in a process whose rows did not need it, or that has no rows."""
    import torch

    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _bounded(gradients: Sequence[Any]) -> list[list[Any]]:
    """In their order, together as many as are summed at once; a larger one alone."""
    groups: list[list[Any]] = []
    numbers = 0
    for gradient in gradients:
        if not groups or numbers + gradient.numel() > _SUMMED_AT_ONCE:
            groups.append([])
            numbers = 0
        groups[-1].append(gradient)
        numbers += gradient.numel()
    return groups
