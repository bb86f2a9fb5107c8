"""Rows by licence, and what their licences ask for: a reading aid for the verdict, and no legal advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xinstr_core.licences import RESTRICTING, Condition, conditions

_Asked = tuple[Condition, ...] | None


@dataclass(frozen=True)
class Licences:
    """Rows by licence."""

    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def asking(self, condition: Condition) -> dict[str, int]:
        """Rows of licences that ask for it, by licence."""
        return self._where(lambda asked: asked is not None and condition in asked)

    @property
    def unknown(self) -> dict[str, int]:
        """Rows of licences that are not known here, by licence."""
        return self._where(lambda asked: asked is None)

    @property
    def restricted(self) -> dict[str, int]:
        """Rows of licences that forbid commercial use or adaptations, by licence."""
        return self._where(lambda asked: asked is not None and not RESTRICTING.isdisjoint(asked))

    @property
    def publishable(self) -> dict[str, int]:
        """All others, by licence."""
        return self._where(lambda asked: asked is not None and RESTRICTING.isdisjoint(asked))

    def _where(self, holds: Callable[[_Asked], bool]) -> dict[str, int]:
        return {licence: count for licence, count in self.rows.items() if holds(conditions(licence))}
