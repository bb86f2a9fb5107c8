"""Whether a model's weights fit into memory, from the headers of its files."""

from __future__ import annotations

from dataclasses import replace

from xinstr_core.engines.memory import free_memory, total_memory
from xinstr_core.engines.models import ModelReference, check_model
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.shape import ModelShape
from xinstr_core.errors import InputError


def check_usable(model: ModelReference) -> None:
    """Raise InputError for a model that is broken (check_model()), or that no closing of other programs makes room for."""
    check_model(model)
    needed, there = ModelShape.of(model).bytes, total_memory()
    if needed > there:
        raise InputError(
            f"{model.name} in {model.precision} takes {needed / 2**30:.1f} GiB, and {there / 2**30:.1f} GiB are all that "
            "there is: take a smaller base model, or a machine with more memory"
        )


def check_fits(model: ModelReference, precision: Precision, copies: int = 1) -> None:
    """Raise InputError when that many copies of a model's weights would not fit into free_memory() in a precision."""
    import torch  # noqa: F401  # imported before free_memory() looks, which then asks the device that the model would go to

    needed = copies * ModelShape.of(replace(model, precision=precision)).bytes
    free = free_memory()
    if needed > free:
        times = f"{copies} times " if copies > 1 else ""
        raise InputError(
            f"{times}{model.name} in {precision} takes {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: "
            "close what else runs, take a smaller base model, or use a machine with more memory"
        )
