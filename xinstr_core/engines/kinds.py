"""The kinds of engines there are: each is registered here, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from xinstr_core.engines.base import Capability, Engine
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.transformers_engine import TransformersEngine

TRANSFORMERS = "transformers"


class Kind(Protocol):
    """An engine's class: what its engines can, known before one is loaded, and how one is."""

    capabilities: frozenset[Capability]

    def __call__(self, base: ModelReference, adapter: Path | None, budget: TokenBudget) -> Engine:
        """The base model, or what train_adapter() left in `adapter`, loaded; `budget` says how much it reads at once."""


KINDS: dict[str, Kind] = {TRANSFORMERS: TransformersEngine}
