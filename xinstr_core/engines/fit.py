"""Whether a model's weights fit into memory, from the headers of its files."""

from __future__ import annotations

import math
from pathlib import Path

from xinstr_core.engines.memory import free_memory
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.precision import Precision
from xinstr_core.errors import InputError


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
