"""In which numbers a base model's weights are held and its layers computed: chosen once for a build, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class ChosenPrecision:
    """A precision, and why it is this one."""

    name: Precision
    reason: str


def choose_precision(setting: Literal["auto", "float32", "bfloat16"]) -> ChosenPrecision:
    """What the setting comes to here. `auto` is bfloat16 where the device has instructions for it, else float32.

    On a processor that has AVX512-BF16 it was measured to generate 2.3 and to read 1.8 times as fast (Gemma 3 270M).
    """
    if setting != "auto":
        return ChosenPrecision(setting, "as set")
    import torch

    if torch.cuda.is_available():
        able, device = torch.cuda.is_bf16_supported(), torch.cuda.get_device_name()
    else:
        capabilities = torch.cpu.get_capabilities()
        able, device = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")), "this processor"
    if able:
        return ChosenPrecision("bfloat16", f"auto: {device} has instructions for it")
    return ChosenPrecision("float32", f"auto: {device} has no instructions for bfloat16")
