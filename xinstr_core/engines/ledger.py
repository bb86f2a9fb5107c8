"""What a stage's engines did, by role, and what that costs: kept beside the rows that it bought, so that a restart adds to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from xinstr_core.engines.base import Usage
from xinstr_core.files import write_text
from xinstr_core.schemas.shared import EngineUse
from xinstr_core.settings import EngineSettings

_MILLION, _HOUR = 1e6, 3600.0


@dataclass
class _Playing:
    """A role whose engine is at work, and what that engine had done before."""

    role: str
    engine: str
    settings: EngineSettings
    usage: Usage
    before: Usage


class Ledger:
    """Engines' uses by role. `path` is where they are kept; nowhere, where there is none."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._uses: dict[str, EngineUse] = {}
        if path is not None and path.exists():
            kept = json.loads(path.read_text("utf-8"))
            self._uses = {role: EngineUse.read(use) for role, use in kept.items()}
        self._playing: _Playing | None = None

    def play(self, role: str, engine: str, settings: EngineSettings, usage: Usage) -> None:
        """From now on what is added to `usage` is this role's."""
        self.close()
        self._playing = _Playing(role, engine, settings, usage, replace(usage))

    def close(self) -> dict[str, EngineUse]:
        """Every role's use until now; what is added to the last usage from here on is nobody's."""
        playing, self._playing = self._playing, None
        if playing is not None:
            done = playing.usage - playing.before
            if done != Usage():
                self._add(playing, done)
        return dict(self._uses)

    def _add(self, playing: _Playing, done: Usage) -> None:
        earlier = self._uses.get(playing.role)
        total, paid = done, money(playing.settings, done)
        if earlier is not None:
            total += Usage(**{name: getattr(earlier, name) for name in asdict(done)})
            paid += earlier.money
        figures = {**asdict(total), "seconds": round(total.seconds, 1), "gpu_seconds": round(total.gpu_seconds, 1)}
        self._uses[playing.role] = EngineUse(engine=playing.engine, money=round(paid, 6), **figures)
        if self._path is not None:
            write_text(self._path, json.dumps({role: use.model_dump() for role, use in self._uses.items()}))


def money(settings: EngineSettings, usage: Usage) -> float:
    """In the currency of the prices: tokens by the million, cached ones at a price of their own, and busy time by the hour."""
    fresh = usage.prompt_tokens - usage.cached_tokens
    cached = settings.price_prompt if settings.price_cached is None else settings.price_cached
    tokens = fresh * settings.price_prompt + usage.cached_tokens * cached
    tokens += usage.completion_tokens * settings.price_completion
    return tokens / _MILLION + usage.seconds * settings.price_hour / _HOUR
