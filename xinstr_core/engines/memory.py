"""How much memory a model may take here."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from pathlib import Path

from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.precision import Precision
from xinstr_core.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that the device of the models can still give: of the GPU, else of the machine and of this process's cgroup."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return int(free)
    import psutil

    available = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no cgroup of version 2, or one without a limit ("max")
        limit, used = (int((_CGROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        return min(available, limit - used)
    return available


def check_fits(model: ModelReference, precision: Precision, copies: int = 1) -> None:
    """Raise InputError when that many copies of a model's weights would not fit into free_memory() in a precision."""
    import torch  # imported before free_memory() looks, which then asks the device that the model would go to

    needed = copies * _parameters(model.path) * getattr(torch, precision).itemsize
    free = free_memory()
    if needed > free:
        times = f"{copies} times " if copies > 1 else ""
        raise InputError(
            f"{times}{model.name} in {precision} takes {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: "
            "close what else runs, or use a machine with more memory"
        )


def _parameters(folder: Path) -> int:
    """Numbers in the weight files of a folder, from their headers."""
    from safetensors import safe_open

    count = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as stream:
            count += sum(math.prod(stream.get_slice(name).get_shape()) for name in stream.keys())  # noqa: SIM118
    return count
