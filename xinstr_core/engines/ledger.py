"""What a stage's engines did, by role, and what that costs: kept beside the rows that it bought, so that a restart adds to it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from xinstr_core.engines.base import Usage
from xinstr_core.engines.budget import Budget
from xinstr_core.files import write_text
from xinstr_core.schemas.shared import EngineUse
from xinstr_core.settings import EngineSettings

_MILLION, _HOUR = 1e6, 3600.0
_WRITE_SECONDS = 1.0  # between two writes of one role's use: each waits for the disk, and a batch may take milliseconds


@dataclass
class _Playing:
    """A role whose engine is at work, and what that engine had done when it was last counted."""

    role: str
    engine: str
    settings: EngineSettings
    usage: Usage
    counted: Usage


class Ledger:
    """Engines' uses by role. `path` is where they are kept; nowhere, where there is none.

    A kill costs what was done since the last write: a batch, or a second of short ones. `budget` limits what is spent.
    """

    def __init__(self, path: Path | None = None, budget: Budget | None = None) -> None:
        self._path = path
        self._budget = budget
        self._uses: dict[str, EngineUse] = {}
        if path is not None and path.exists():
            kept = json.loads(path.read_text("utf-8"))
            self._uses = {role: EngineUse.read(use) for role, use in kept.items()}
        self._playing: _Playing | None = None
        self._written = self._uses.copy()
        self._written_at = -_WRITE_SECONDS

    def admit(self, settings: EngineSettings) -> None:
        """Count what was done until now. BudgetError where an engine of these settings costs money and none is left."""
        self._count()
        if self._budget is not None and settings.has_price:
            self._budget.check()

    def play(self, role: str, engine: str, settings: EngineSettings, usage: Usage) -> None:
        """From now on what is added to `usage` is this role's."""
        self._count()
        playing = self._playing
        if playing is None or playing.role != role or playing.usage is not usage:
            self._write()
            self._playing = _Playing(role, engine, settings, usage, replace(usage))
        elif time.monotonic() - self._written_at >= _WRITE_SECONDS:
            self._write()

    def close(self) -> dict[str, EngineUse]:
        """Every role's use until now; what is added to the last usage from here on is nobody's."""
        self._count()
        self._playing = None
        self._write()
        return {role: _rounded(use) for role, use in self._uses.items()}

    def _count(self) -> None:
        """Add what the role at work did since the last count; its engine may be at work meanwhile."""
        playing = self._playing
        if playing is None:
            return
        now = replace(playing.usage)
        done, playing.counted = now - playing.counted, now
        if done == Usage():
            return
        total, paid = done, money(playing.settings, done)
        if self._budget is not None:
            self._budget.spend(paid)
        earlier = self._uses.get(playing.role)
        if earlier is not None:
            total = Usage(**{name: getattr(earlier, name) for name in asdict(done)})
            total += done
            paid += earlier.money
        self._uses[playing.role] = EngineUse(engine=playing.engine, money=paid, **asdict(total))

    def _write(self) -> None:
        if self._path is None or self._uses == self._written:
            return
        write_text(self._path, json.dumps({role: use.model_dump() for role, use in self._uses.items()}))
        self._written, self._written_at = self._uses.copy(), time.monotonic()


def _rounded(use: EngineUse) -> EngineUse:
    figures = {"seconds": round(use.seconds, 1), "gpu_seconds": round(use.gpu_seconds, 1), "money": round(use.money, 6)}
    return use.model_copy(update=figures)


def money(settings: EngineSettings, usage: Usage) -> float:
    """In the currency of the prices: tokens by the million, cached ones at a price of their own, and busy time by the hour."""
    fresh = usage.prompt_tokens - usage.cached_tokens
    cached = settings.price_prompt if settings.price_cached is None else settings.price_cached
    tokens = fresh * settings.price_prompt + usage.cached_tokens * cached
    tokens += usage.completion_tokens * settings.price_completion
    return tokens / _MILLION + usage.seconds * settings.price_hour / _HOUR
