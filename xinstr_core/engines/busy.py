"""How long an engine is at work that several threads ask at once."""

from __future__ import annotations

import threading
import time

from xinstr_core.engines.base import Usage


class Busy:
    """A block in which an engine is at work: of seconds that several blocks share each is counted once, on `gpus` GPUs.

    They are counted as every block ends, and not when none is left: with several at once one always is.
    """

    def __init__(self, usage: Usage, gpus: int = 0) -> None:
        self._usage, self._gpus = usage, gpus
        self._blocks, self._since = 0, 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._since = time.monotonic()
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            now = time.monotonic()
            self._usage.seconds += now - self._since
            self._usage.gpu_seconds += self._gpus * (now - self._since)
            self._blocks, self._since = self._blocks - 1, now
