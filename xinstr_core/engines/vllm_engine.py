"""The base model in vLLM, which runs in a process and an environment of its own and takes adapters by request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from xinstr_core.engines.base import Decoding
from xinstr_core.engines.by_token_ids import AskedByTokenIds, Ids, Written
from xinstr_core.engines.encoding import maximum_positions
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, read_config, training_method
from xinstr_core.engines.vllm_process import VllmProcess
from xinstr_core.settings import EngineSettings

_RANKS = 8, 16, 32, 64, 128, 256, 320, 512  # what vLLM's max_lora_rank may be


class VllmEngine(AskedByTokenIds):
    """The base as it is, or what train_adapter() made of it. Adapters share one process with the base's weights."""

    def __init__(
        self, base: ModelReference, process: VllmProcess, adapter: Path | None, settings: EngineSettings
    ) -> None:
        """`adapter` is one that the process can take beside the model that it has loaded."""
        super().__init__(base)
        self._settings = settings
        self._process = process
        self._adapter = adapter
        self.usage = process.usage
        self.rows_at_once = settings.rows_at_once

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        """How much is read at once is vLLM's affair, not the `budget`'s.

        InputError where its environment has no vLLM, vLLM cannot load the model, or scores, stop tokens or the adapter do
        not bind.
        """
        options: dict[str, Any] = {
            "model": str(base.path),
            "positions": maximum_positions(read_config(base)),
            "dtype": base.precision,
        }
        options["tensor_parallel_size"] = settings.tensor_parallel
        if settings.memory_share is not None:
            options["gpu_memory_utilization"] = settings.memory_share
        if adapter is not None and training_method(adapter) == "full":
            options |= {"model": str(adapter), "tokenizer": str(base.path)}
            adapter = None
        elif adapter is not None:
            options |= {"enable_lora": True, "max_lora_rank": _room(adapter), "lora_target_modules": _adapted(adapter)}
        process = VllmProcess(settings.python, options, settings.tensor_parallel)
        engine = cls(base, process, None, settings)
        engine.probe()
        return engine if adapter is None else engine._beside(adapter)

    def with_adapter(self, adapter: Path | None) -> Self | None:
        """As of TakesAdapters: its process takes adapters like those that it was started for, and the base alone."""
        loaded = self._process.options
        if loaded["model"] != str(self._base.path):
            return None
        if adapter is None:
            return type(self)(self._base, self._process, None, self._settings)
        if training_method(adapter) == "full" or "enable_lora" not in loaded:
            return None
        fits = _room(adapter) <= loaded["max_lora_rank"] and {*_adapted(adapter)} <= {*loaded["lora_target_modules"]}
        return self._beside(adapter) if fits else None

    def give_up(self) -> None:
        self._process.give_up()

    def _beside(self, adapter: Path) -> Self:
        engine = type(self)(self._base, self._process, adapter, self._settings)
        if adapter not in self._process.proven:
            engine.probe(adapter, type(self)(self._base, self._process, None, self._settings))
            self._process.proven.add(adapter)
        return engine

    def _told(self, message: str) -> str:
        return self._process.told(message)

    def _written(
        self, rows: Sequence[Ids], seeds: Sequence[int], decoding: Decoding, stops: Sequence[int]
    ) -> list[Written]:
        how = {
            "max_tokens": decoding.maximum_new_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "stop_token_ids": list(stops),
        }
        answers = self._ask(rows, [{"write": {**how, "seed": seed}} for seed in seeds], decoding.maximum_new_tokens)
        kept = [tuple(token for token in answer["ids"] if token not in stops) for answer in answers]
        return [Written(ids, "", len(ids), answer["finished"]) for ids, answer in zip(kept, answers, strict=True)]

    def _scored(self, rows: Sequence[Ids]) -> list[list[float]]:
        return [[0.0, *answer["scores"]] for answer in self._ask(rows, [{"score": True}] * len(rows))]

    def _scored_next(self, rows: Sequence[Ids], tokens: Sequence[Ids]) -> list[list[float]]:
        return [answer["scores"] for answer in self._ask(rows, [{"next": following} for following in tokens])]

    def _ask(self, rows: Sequence[Ids], questions: Sequence[dict[str, Any]], written: int = 1) -> list[dict[str, Any]]:
        for row in rows:
            if len(row) + written > (places := self._process.positions):
                raise ValueError(f"{len(row)} tokens and {written} to be written: vLLM has room for {places}")
        adapter = None if self._adapter is None else str(self._adapter.resolve())
        return self._process.ask(
            [{"ids": row, "adapter": adapter, **asked} for row, asked in zip(rows, questions, strict=True)]
        )


def _room(adapter: Path) -> int:
    """The least rank that vLLM has room for and that holds an adapter's."""
    rank = _configuration(adapter)["r"]
    return next((room for room in _RANKS if room >= rank), _RANKS[-1])


def _adapted(adapter: Path) -> list[str]:
    """Names of an adapter's layers. Without them vLLM 0.32 wraps the head as well, whose scores of several rows then fail."""
    return sorted(_configuration(adapter)["target_modules"])


def _configuration(adapter: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    return found
