"""What is told of an adapter by the headers of its weights, for engines that load it without a word if it does not fit."""

from __future__ import annotations

import re
from pathlib import Path

from xinstr_core.engines.models import ModelReference, another_base
from xinstr_core.engines.weights import weight_shapes

_MATRIX = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])\.weight")


def check_fits_base(base: ModelReference, adapter: Path) -> None:
    """InputError where a matrix of the adapter has not the size of the layer beside which it goes.

    Layers that the base has under another name are passed by.
    """
    layers = weight_shapes(base.path, f"base model {base.name!r}")
    for name, shape in weight_shapes(adapter, f"the adapter in {adapter}").items():
        matrix = _MATRIX.fullmatch(name)
        layer = layers.get(f"{matrix['layer']}.weight") if matrix else None
        if matrix and layer and shape[1 if matrix["side"] == "A" else 0] not in layer:
            raise another_base(base, adapter)


def changes_nothing(adapter: Path) -> bool:
    """Whether it leaves its base as it was: it has learned nothing."""
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "pt") as weights:
        names = [name for name in weights.keys() if "lora_B" in name]  # noqa: SIM118
        return not any(weights.get_tensor(name).any() for name in names)
