"""How much money a build may spend, over all its stages and languages."""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing import get_context

from xinstr_core.errors import BudgetError, SettingsError
from xinstr_core.settings import EnginesSettings


class Budget:
    """Money, in the currency of the prices. Processes that are given it as they are started spend of the same."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._spent = get_context("spawn").Value("d", 0.0)

    @property
    def spent(self) -> float:
        return float(self._spent.value)

    def spend(self, money: float) -> None:
        """Note what was spent, beyond the limit too: it was asked for before that was reached."""
        with self._spent.get_lock():
            self._spent.value += money

    def check(self) -> None:
        """BudgetError where nothing is left."""
        if self.spent >= self.limit:
            raise BudgetError(
                f"{self.spent:.4g} is spent of a budget of {self.limit:g}: what is done is kept, and the same command "
                "goes on from here with a new budget"
            )


def require_prices(limit: float, engines: Iterable[EnginesSettings]) -> None:
    """SettingsError where no role of any engines has a price: a budget would be kept whatever they do."""
    if not any(chosen.have_prices for chosen in engines):
        raise SettingsError(
            f"a budget of {limit:g}, and no engine has a price: set engines.default.price_prompt and price_completion "
            "(of a million tokens) or price_hour, or a role's own"
        )
