"""A stand-in for an engine that costs next to nothing, and what it makes of a batch."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import polars as pl

from xinstr_core.engines.base import Capability, Completion, Decoding, Engine, LabelScores, Request, TokenScores, Usage
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.errors import InputError
from xinstr_core.progress import Progress, silent
from xinstr_core.settings import EngineSettings

SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})
KILLS, FAILS, SLOW = "kills", "fails", "slow"  # what prompts may hold
UNUSABLE = "unusable"  # an adapter of that name


class StandIn:
    """Writes every prompt backwards. Its adapter is a folder, in which it leaves a byte a row, in a file by its process."""

    capabilities = frozenset(Capability)

    def __init__(self, adapter: Path | None) -> None:
        self.usage = Usage()
        self._made = None if adapter is None else adapter / str(os.getpid())

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        budget.limit(1000)
        if adapter is not None and adapter.name == UNUSABLE:
            raise InputError(f"{adapter} cannot be loaded: train it again")
        return cls(adapter)

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        for request in requests:
            if KILLS in request.prompt:
                os._exit(1)
            if FAILS in request.prompt:
                raise ValueError(f"{request.key} fails")
            if SLOW in request.prompt:
                time.sleep(0.05)
        self.usage += Usage(len(requests), seconds=1.0, gpu_seconds=1.0, completion_tokens=len(requests))
        if self._made is not None:
            with self._made.open("ab") as made:
                made.write(b"." * len(requests))
        return [Completion(one.key, one.prompt[::-1], 1, 1, True) for one in requests]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        raise NotImplementedError

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        raise NotImplementedError

    def embed(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError


def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
    written = engine.generate(batch, Decoding(1))
    return pl.DataFrame([(one.key, one.text) for one in written], SCHEMA, orient="row")


def run(engine: Engine, requests: Sequence[Request], folder: Path, progress: Progress = silent, rows: int = 4) -> Rows:
    return run_rows(lambda: engine, requests, work, RowLog.open(folder, SCHEMA), batch_rows=rows, progress=progress)


def made_in(folder: Path) -> dict[str, int]:
    """Rows that were made, by process."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}
