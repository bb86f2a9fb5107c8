"""Weights at points of a training that it needs again at its end: those whose mean is learned, or the best ones.

Each is a file beside the checkpoints, named by its step, so that memory holds one set of weights however many there are.
A training that was killed writes those after its checkpoint again, with the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xinstr_core.training.checkpoints import trained_weights


def spread_steps(steps: int, share: float, count: int) -> list[int]:
    """Steps at the ends of `count` even pieces of the last `share` of the training; fewer where it has fewer steps."""
    return sorted({max(1, steps - round(share * steps * piece / count)) for piece in range(count)})


def save_snapshot(folder: Path, model: Any, step: int) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(trained_weights(model), _file(folder, step))


def load_mean(folder: Path, model: Any, steps: Sequence[int]) -> None:
    """Put the mean of the weights after these steps into the model, added up in float32, tensor by tensor.

    Checkpoint averaging: Schmidt, Vulić and Glavaš 2023 (arXiv 2305.16834). With one step those are its weights.
    """
    import torch
    from safetensors import safe_open

    with torch.no_grad():
        for name, parameter in trained_weights(model).items():
            total = torch.zeros(parameter.shape, dtype=torch.float32)
            for step in steps:
                with safe_open(_file(folder, step), "pt") as weights:
                    total += weights.get_tensor(name)
            parameter.copy_(total / len(steps))


def keep_snapshot(folder: Path, step: int) -> None:
    """Remove all others."""
    for file in folder.glob(_file(folder, "*").name):
        if file != _file(folder, step):
            file.unlink()


def _file(folder: Path, step: int | str) -> Path:
    return folder / f"weights-{step}.safetensors"
