"""An engine of another kind that is not in this process but in several of a Ray cluster, which make batches side by side."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy

from xinstr_core.cluster import Place, Workers
from xinstr_core.engines.base import (
    Completion,
    Decoding,
    Engine,
    LabelScores,
    Request,
    TakesAdapters,
    TokenScores,
    Usage,
)
from xinstr_core.engines.busy import Busy
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.memory import TokenBudget, give_back_freed
from xinstr_core.engines.models import ModelReference
from xinstr_core.settings import EngineSettings

if TYPE_CHECKING:
    from xinstr_core.engines.kinds import Kind

# Batches that an actor has of an engine that takes many: at 16 rows each twice what vLLM works at.
_BATCHES_OF_MANY = 32


class RayEngine:
    """The base as it is, or what train_adapter() made of it, in every actor. Rows are those of the same engine in this process.

    A batch is made whole by one actor, which splits it by the same budget of tokens as this process would. One that is lost
    with its actor is made again by another. Adapters must lie where all machines of the cluster see them.
    """

    def __init__(self, actors: _Actors, adapter: Path | None) -> None:
        self.capabilities = actors.capabilities
        self.usage = actors.usage
        self._actors = actors
        self._adapter = adapter

    @classmethod
    def load(
        cls, kind: Kind, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings
    ) -> Self:
        """Waits for the first actor, and until it has loaded its model. InputError where it cannot, or there is no cluster."""
        actors = _Actors(kind, base, budget, settings)
        actors.load(adapter)
        return cls(actors, adapter)

    def with_adapter(self, adapter: Path | None) -> Self:
        """As of TakesAdapters: the processes stay, and each takes the adapter when it is first asked for it."""
        return type(self)(self._actors, adapter)

    def batches_at_once(self, batch_rows: int) -> int:
        return self._actors.workers.calls_at_once

    def give_up(self) -> None:
        self._actors.workers.close()

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        written: list[Completion] = self._ask("generate", requests, decoding)
        return written

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        scored: list[TokenScores] = self._ask("score", requests)
        return scored

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        scored: list[LabelScores] = self._ask("score_labels", requests, labels)
        return scored

    def embed(self, texts: Sequence[str]) -> Any:
        return numpy.array(self._ask("embed", texts))  # its own: what Ray gives holds the memory that all calls share

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self._actors.ask(self._adapter, method, *arguments)


class _Actors:
    """The actors of one setting of an engine, whatever adapter they are asked for, and what they did together."""

    def __init__(self, kind: Kind, base: ModelReference, budget: TokenBudget, settings: EngineSettings) -> None:
        self.capabilities = kind.capabilities
        self.usage = Usage()
        self._busy, self._counting = Busy(self.usage), Lock()
        self._budget = budget
        at_work, calls = (_BATCHES_OF_MANY, _BATCHES_OF_MANY) if settings.kind == "vllm" else (1, 2)
        place = Place(
            settings.actors,
            settings.actor_restarts,
            settings.actor_cpus,
            settings.gpus if settings.actor_gpus is None else settings.actor_gpus,
            gpus_if_any=settings.actor_gpus is None,
            at_work=at_work,
            calls=calls,
        )
        self.workers = Workers(
            lambda: ActorEngine(kind, base, settings), place, f"actors with {settings.kind} {base.name}"
        )

    def load(self, adapter: Path | None) -> None:
        """Have one of them load its model."""
        self.workers.call("load", adapter, self._budget.found)

    def ask(self, adapter: Path | None, method: str, *arguments: Any) -> Any:
        with self._busy:
            answer: _Answer = self.workers.call("ask", adapter, self._budget.found, method, arguments)
        with self._counting:
            self._budget.limit(answer.tokens)
            self.usage.retries = self.workers.lost
            for name in ("rows", "prompt_tokens", "cached_tokens", "completion_tokens", "gpu_seconds"):
                setattr(self.usage, name, getattr(self.usage, name) + getattr(answer.usage, name))
        return answer.made


@dataclass(frozen=True)
class _Answer:
    """What a method gave, what the engine did since its answer before, and how many tokens it takes at once."""

    made: Any
    usage: Usage
    tokens: int | None


class ActorEngine:
    """In an actor: an engine of a kind, with one adapter at a time."""

    def __init__(self, kind: Kind, base: ModelReference, settings: EngineSettings) -> None:
        self._kind, self._base, self._settings = kind, base, settings
        self._budget = TokenBudget()
        self._gpu = DeviceLock(f"actor of {base.name}", lambda said: print(said, flush=True))
        self._held: tuple[Path | None, Engine] | None = None
        self._counted = Usage()
        self._changing = Lock()

    def load(self, adapter: Path | None, tokens: int | None) -> None:
        """Have the engine with this adapter; where other processes have no room for more than so many `tokens`, it takes no more."""
        self._loaded(adapter, tokens)

    def ask(self, adapter: Path | None, tokens: int | None, method: str, arguments: tuple[Any, ...]) -> _Answer:
        """What a method of the engine gives."""
        engine = self._loaded(adapter, tokens)
        made = getattr(engine, method)(*arguments)
        with self._changing:
            now = replace(engine.usage)
            done, self._counted = now - self._counted, now
        return _Answer(made, done, self._budget.found)

    def _loaded(self, adapter: Path | None, tokens: int | None) -> Engine:
        with self._changing:
            self._budget.limit(tokens)
            return self._with(adapter)

    def _with(self, adapter: Path | None) -> Engine:
        if self._held is not None and self._held[0] == adapter:
            return self._held[1]
        swapped = None
        if self._held is not None and isinstance(self._held[1], TakesAdapters):
            swapped = self._held[1].with_adapter(adapter)
        if swapped is None:
            self._held = None
            gc.collect()  # an adapted model refers to itself
            give_back_freed()
            self._gpu.take(self._settings.gpus)
            swapped = self._kind.load(self._base, adapter, self._budget, self._settings)
        self._held, self._counted = (adapter, swapped), replace(swapped.usage)
        return swapped
