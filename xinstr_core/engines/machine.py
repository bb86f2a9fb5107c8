"""How fast this machine multiplies matrices: what every other speed is a share of."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from xinstr_core.engines.device import device

_SIZE = 1024
_SECONDS = 0.3


@cache
def machine_rate(precision: str) -> float:
    """Floating-point operations a second of square matrix products in a precision, the best of a third of a second.

    Measured once a process, since no data sheet says it of a processor.
    """
    import torch

    on = device()
    matrix: Any = torch.ones(_SIZE, _SIZE, dtype=getattr(torch, precision), device=on)
    best, end = float("inf"), time.monotonic() + _SECONDS
    while time.monotonic() < end:
        started = time.perf_counter()
        matrix @ matrix
        if on == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * _SIZE**3 / best
