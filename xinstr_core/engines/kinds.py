"""The kinds of engines there are: each is registered here, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from xinstr_core.engines.base import Capability, Engine
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.ray_engine import RayEngine
from xinstr_core.engines.server_engine import ServerEngine
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.engines.vllm_engine import VllmEngine
from xinstr_core.settings import EngineSettings

TRANSFORMERS = EngineSettings().kind


class Kind(Protocol):
    """An engine's class: what its engines can, known before one is loaded, and how one is."""

    capabilities: frozenset[Capability]

    def load(self, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Engine:
        """The base model, or what train_adapter() left in `adapter`; `budget` says how much is read at once.

        InputError where it cannot be had.
        """


KINDS: dict[str, Kind] = {TRANSFORMERS: TransformersEngine, "openai": ServerEngine, "vllm": VllmEngine}


def load_engine(base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Engine:
    """An engine of the settings' kind as of Kind.load(): here, or in as many actors of a Ray cluster as they say."""
    kind = KINDS[settings.kind]
    if settings.actors:
        return RayEngine.load(kind, base, adapter, budget, settings)
    return kind.load(base, adapter, budget, settings)
