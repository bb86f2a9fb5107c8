"""Where models go."""

from __future__ import annotations

from typing import Literal


def device() -> Literal["cuda", "cpu"]:
    """The best device there is: one GPU, else the processor."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def gpu_names(count: int) -> list[str]:
    """What no other GPU is called, of the first `count` that this process sees (CUDA_VISIBLE_DEVICES); none on a processor."""
    import torch

    if device() == "cpu":
        return []
    return [str(torch.cuda.get_device_properties(place).uuid) for place in range(min(count, torch.cuda.device_count()))]
