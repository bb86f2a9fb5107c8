"""Where models go."""

from __future__ import annotations

from typing import Literal


def device() -> Literal["cuda", "cpu"]:
    """The best device there is: one GPU, else the processor."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
