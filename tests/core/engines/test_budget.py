"""A build stops between two batches where its money is spent, keeps what it has, and goes on with the rows that are missing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from tests.core.engines.worker import REQUESTS, Worker, keys, rows
from xinstr_core.engines import ledger as module
from xinstr_core.engines.base import Engine, Request, TakesMany, Usage
from xinstr_core.engines.budget import Budget, require_prices
from xinstr_core.engines.ledger import Ledger
from xinstr_core.errors import BudgetError, SettingsError
from xinstr_core.settings import EngineSettings, EnginesSettings

PRICES = EngineSettings(price_prompt=1.0)  # and every row costs 1
FREE = EngineSettings()


class Paid(Worker):
    """A worker whose every row reads a million tokens, and whose ledger counts them."""

    def __init__(
        self, ledger: Ledger, settings: EngineSettings = PRICES, fails: dict[str, BaseException] | None = None
    ):
        super().__init__(fails)
        self.ledger, self.settings, self.usage = ledger, settings, Usage()

    def load(self) -> Engine:
        self.ledger.admit(self.settings)
        self.ledger.play("reverse", "paid", self.settings, self.usage)
        return super().load()

    def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
        made = super().work(engine, batch)
        self.usage += Usage(len(batch), len(batch) * 1_000_000, seconds=0.04 * len(batch))
        return made


class ManyPaid(Paid):
    """One that takes two batches of two rows at once: the first is made when the second is asked for, which is made when money was refused."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.given_up = False
        self.together = threading.Barrier(2, timeout=20)
        self.stopping, self.counting = threading.Event(), threading.Lock()

    def batches_at_once(self, batch_rows: int) -> int:
        return 2

    def load(self) -> Engine:
        try:
            return super().load()
        except BudgetError:
            self.stopping.set()
            raise

    def work(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
        if batch[0].key in ("key-0", "key-2"):
            self.together.wait()
        if batch[0].key == "key-2":
            self.stopping.wait(timeout=20)
        with self.counting:
            return super().work(engine, batch)

    def give_up(self) -> None:
        self.given_up = True


def spent(path: Path) -> tuple[int, float]:
    """Rows and money that a ledger at `path` begins with."""
    uses = Ledger(path).close()
    return (uses["reverse"].rows, uses["reverse"].money) if uses else (0, 0.0)


@pytest.mark.parametrize(("limit", "made"), [(0.5, 3), (3, 3), (3.1, 6), (6.5, 7), (100, 7)])
def test_no_batch_is_begun_when_the_money_is_spent(tmp_path: Path, limit: float, made: int) -> None:
    worker = Paid(Ledger(tmp_path / "engines.json", Budget(limit)))
    if made < 7:
        with pytest.raises(BudgetError) as stopped:
            worker.run(tmp_path / "log")
        assert str(stopped.value) == (
            f"{made} is spent of a budget of {limit:g}: what is done is kept, and the same command goes on from here "
            "with a new budget"
        )
    else:
        assert worker.run(tmp_path / "log").done.rows() == rows(range(7))
    worker.ledger.close()
    assert worker.asked == keys(*range(made))
    assert spent(tmp_path / "engines.json") == (made, made)


def test_the_same_command_goes_on_with_the_rows_that_are_missing(tmp_path: Path) -> None:
    stops = 0
    while True:
        worker = Paid(Ledger(tmp_path / "engines.json", Budget(2)))
        try:
            found = worker.run(tmp_path / "log")
            break
        except BudgetError:
            stops += 1
        finally:
            worker.ledger.close()
    assert (stops, found.done.rows()) == (2, rows(range(7)))
    assert spent(tmp_path / "engines.json") == (7, 7)


def test_batches_that_are_under_way_are_finished_and_no_other_is_begun(tmp_path: Path) -> None:
    worker = ManyPaid(Ledger(budget=Budget(1)))
    assert isinstance(worker, TakesMany)
    with pytest.raises(BudgetError, match="4 is spent of a budget of 1"):
        worker.run(tmp_path, batch_rows=2)
    assert sorted(worker.asked) == keys(0, 1, 2, 3)
    assert not worker.given_up
    again = Worker()
    assert again.run(tmp_path, batch_rows=2).done.rows() == rows(range(7))
    assert sorted(again.asked) == keys(4, 5, 6)


def test_stages_spend_of_one_budget_and_what_costs_nothing_goes_on(tmp_path: Path) -> None:
    budget = Budget(5)

    def run(name: str, settings: EngineSettings = PRICES, requests: Sequence[Request] = REQUESTS[:3]) -> Paid:
        worker = Paid(Ledger(budget=budget), settings)
        try:
            worker.run(tmp_path / name, requests)
        finally:
            worker.ledger.close()
        return worker

    assert (run("one").asked, budget.spent) == (keys(0, 1, 2), 3)
    assert (run("two").asked, budget.spent) == (keys(0, 1, 2), 6)
    with pytest.raises(BudgetError, match=r"^6 is spent of a budget of 5: "):
        run("three")
    assert (run("free", FREE, REQUESTS).asked, budget.spent) == (keys(*range(7)), 6)
    assert run("one").asked == [], "what is there needs no money"


def test_a_process_that_is_given_it_spends_of_the_same() -> None:
    budget = Budget(5)
    process = get_context("spawn").Process(target=budget.spend, args=(3.5,))
    process.start()
    process.join()
    budget.spend(1)
    assert (process.exitcode, budget.spent) == (0, 4.5)


def test_a_budget_without_a_price_is_told_which_settings_give_one() -> None:
    with pytest.raises(
        SettingsError, match=r"^a budget of 20, and no engine has a price: set engines\.default\.price_"
    ):
        require_prices(20, [EnginesSettings(), EnginesSettings()])
    require_prices(20, [EnginesSettings(), EnginesSettings(tuned=EngineSettings(price_hour=1))])
    with pytest.raises(SettingsError):
        require_prices(20, [])


# What a killed run has used


@pytest.mark.parametrize("number", [0, 3, 6])
def test_a_kill_costs_the_use_of_the_batch_under_way_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(module, "_WRITE_SECONDS", 0.0)
    path = tmp_path / "engines.json"
    with pytest.raises(Killed):  # and nobody closes the ledger
        Paid(Ledger(path), fails={f"key-{number}": Killed()}).run(tmp_path / "log")
    assert spent(path) == (number, number)
    again = Paid(Ledger(path))
    again.run(tmp_path / "log")
    use = again.ledger.close()["reverse"]
    assert (use.rows, use.money, use.seconds) == (7, 7, 0.3), "nothing twice, and no part of a second lost by rounding"


def test_a_killed_process_leaves_what_it_used(tmp_path: Path) -> None:
    program = """
import os, signal, sys, time
from pathlib import Path
from tests.core.engines.test_budget import Paid
from xinstr_core.engines.ledger import Ledger

class Dying(Paid):
    def work(self, engine, batch):
        if len(self.batches) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1.05)  # a batch that is worth a write
        return super().work(engine, batch)

Dying(Ledger(Path(sys.argv[1]) / "engines.json")).run(Path(sys.argv[1]) / "log")
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], env=os.environ, check=False)
    assert done.returncode == -9
    assert spent(tmp_path / "engines.json") == (6, 6)
    again = Paid(Ledger(tmp_path / "engines.json"))
    assert again.run(tmp_path / "log").done.rows() == rows(range(7))
    assert again.asked == keys(6)
    again.ledger.close()
    assert spent(tmp_path / "engines.json") == (7, 7)


def test_short_batches_do_not_each_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = list[str]()
    monkeypatch.setattr(module, "write_text", lambda path, text: written.append(text))
    monkeypatch.setattr(module, "_WRITE_SECONDS", 1000.0)
    worker = Paid(Ledger(tmp_path / "engines.json"))
    worker.run(tmp_path / "log", batch_rows=1)
    worker.ledger.close()
    assert len(written) <= 2
    assert '"rows": 7' in written[-1]
