"""A GPU for one process at a time, whoever started it: the command line, a run of the UI, another user of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from xinstr_core.engines.device import gpu_names
from xinstr_core.locks import wait_for
from xinstr_core.text import printable

# Where every process of every user of a machine looks. Not TMPDIR, which batch systems and services set for each job.
LOCKS = Path("/tmp")


class DeviceLock:
    """The GPUs that this process works with, held until release(), and by the kernel no longer than it lives.

    `work` says for others what it does. `tell` is told once when it has to wait, and for whom. `names` gives the GPUs by
    what they are called: on a processor there is none, and nothing is held.
    """

    def __init__(
        self,
        work: str,
        tell: Callable[[str], None],
        names: Callable[[int], Sequence[str]] = gpu_names,
        folder: Path = LOCKS,
    ) -> None:
        self._work = work
        self._tell = tell
        self._names = names
        self._folder = folder
        self._held: dict[str, int] = {}

    def take(self, count: int = 1) -> list[int]:
        """Hold the first `count` GPUs and no others, once they are free. Gives the descriptors of their locks."""
        wanted = sorted(self._names(count))  # in one order for all: who has the first one gets the others, too
        if not self._held.keys() >= {*wanted}:
            self.release()
        for name in self._held.keys() - {*wanted}:
            os.close(self._held.pop(name))
        for name in wanted:
            if name not in self._held:
                self._held[name] = self._taken(name)
        return [*self._held.values()]

    def release(self) -> None:
        while self._held:
            os.close(self._held.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _taken(self, name: str) -> int:
        def waits(holder: str) -> None:
            self._tell(f"waiting for GPU {name[:8]}, held by {printable(' '.join(holder.split()))}")

        since = datetime.now().astimezone().strftime("%H:%M:%S")
        holder = f"process {os.getpid()} ({self._work}) since {since}"
        return wait_for(self._folder / f"xinstr-gpu-{name}.lock", holder, waits)
