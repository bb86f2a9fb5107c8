"""What is known of a model before it is loaded: shapes, from the headers of its weights, and its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from xinstr_core.engines.models import ModelReference, read_config
from xinstr_core.engines.weights import weight_shapes

_ITEMSIZE = {"float32": 4, "bfloat16": 2}
_OUTSIDE_OF_LAYERS = ("embed", "lm_head", "wte", "wpe")  # names of weights that no adapter goes beside


@dataclass(frozen=True)
class ModelShape:
    """Shapes of a model's weights by name, and its configuration, of a model with several parts that of its text part."""

    reference: ModelReference
    weights: dict[str, tuple[int, ...]]
    config: Any

    @classmethod
    def of(cls, reference: ModelReference) -> ModelShape:
        """Read from headers alone: nothing of the weights is loaded."""
        weights = weight_shapes(reference.path, f"base model {reference.name!r}")
        return cls(reference, weights, read_config(reference))

    @property
    def itemsize(self) -> int:
        """Bytes of a number in the precision that the base is held in."""
        return _ITEMSIZE[self.reference.precision]

    @cached_property
    def parameters(self) -> int:
        return sum(map(prod, self.weights.values()))

    @property
    def bytes(self) -> int:
        """What the weights take in memory, in the reference's precision."""
        return self.parameters * self.itemsize

    @property
    def tokenizer_bytes(self) -> int:
        """Of the file of a fast tokenizer; 0 where there is none."""
        path = self.reference.path / "tokenizer.json"
        return path.stat().st_size if path.is_file() else 0

    @cached_property
    def head(self) -> int:
        """Parameters of the output head, which may be those of the embedding."""
        return int(self.config.vocab_size * self.config.hidden_size)

    @cached_property
    def body(self) -> int:
        """Parameters that every token goes through: all but embedding and head."""
        outside = sum(prod(shape) for name, shape in self.weights.items() if _is_outside(name))
        return self.parameters - outside

    def adapter(self, rank: int) -> int:
        """Parameters of a LoRA adapter on all linear layers (training/adapter.py)."""
        linear = [shape for name, shape in self.weights.items() if len(shape) == 2 and not _is_outside(name)]
        return sum(rank * sum(shape) for shape in linear)


def _is_outside(name: str) -> bool:
    return any(part in name for part in _OUTSIDE_OF_LAYERS)
