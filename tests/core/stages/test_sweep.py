"""A learning-rate sweep: every rate on the same rows, judged by others, and a rerun trains what is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.errors import InputError
from xinstr_core.evaluation.measures import Measure
from xinstr_core.schemas.metrics import HELD_OUT_LIKELIHOOD, WRONG_LANGUAGE
from xinstr_core.stages import sweep as module
from xinstr_core.stages.sweep import Sweep, Swept, sweep
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

DISHES = ("ugali", "pilau", "chapati", "mandazi", "githeri", "samaki", "maharage", "kachumbari", "mukimo", "irio")
SELECTION = pl.DataFrame(
    [
        {
            "pair_id": f"p{number}",
            "doc_id": f"d{number}",
            "instruction": f"What is {dish}?",
            "response": f"{dish} ni chakula cha watu wengi.",
            "split": "train",
        }
        for number, dish in enumerate(DISHES)
    ]
)
SEEDS = pl.DataFrame(
    [{"pair_id": "s0", "instruction": "How is ugali made?", "response": "Ugali hupikwa.", "origin": "native"}]
)


@pytest.fixture
def workspace(tiny_model_folder: Path, home: Path) -> Workspace:
    settings: dict[str, Any] = {
        "tuning": {"epochs": 1, "batch_rows": 2, "rank": 2, "maximum_tokens": 256},
        "evaluation": {"maximum_new_tokens": 4},
    }
    return Workspace(home, overrides=settings, base_model=str(tiny_model_folder))


@pytest.fixture
def built(workspace: Workspace) -> Workspace:
    workspace.store.commit("diversified_set", "sw", "f", {}, StageOutput(tables={"rows": SELECTION}))
    workspace.store.commit("seed_pairs", "sw", "f", {}, StageOutput(tables={"seeds": SEEDS}))
    return workspace


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, list[str]]]:
    """(learning rate, keys of the examples) of every training that is asked for and not there yet."""
    asked: list[tuple[float, list[str]]] = []
    train = module.train_adapter

    def recorded(engines: Any, examples: Any, settings: Any, folder: Path, **named: Any) -> Any:
        if not folder.exists():
            asked.append((settings.learning_rate, [example.key for example in examples]))
        return train(engines, examples, settings, folder, **named)

    monkeypatch.setattr(module, "train_adapter", recorded)
    return asked


def test_every_rate_learns_from_the_same_rows_and_a_rerun_trains_further_ones_alone(
    built: Workspace, learned: list[tuple[float, list[str]]]
) -> None:
    found = sweep(built, "sw", [1e-2, 1e-4])
    assert [one.rate for one in found.results] == [1e-4, 1e-2]
    assert [rate for rate, _ in learned] == [1e-4, 1e-2]
    [keys, same] = [keys for _, keys in learned]
    assert keys == same
    assert len(keys) == 8 + 1  # of ten texts two are held out; and the seed
    assert {one.likelihood.n for one in found.results} == {one.wrong_language.n for one in found.results} == {2}
    learned.clear()
    again = sweep(built, "sw", [1e-4, 1e-3, 1e-2])
    assert [rate for rate, _ in learned] == [1e-3]
    assert [again.results[0], again.results[2]] == found.results


def test_a_selection_of_which_nothing_can_be_held_out_is_told(built: Workspace) -> None:
    few = SELECTION.head(2)
    built.store.commit("diversified_set", "sw", "g", {}, StageOutput(tables={"rows": few}))
    with pytest.raises(InputError, match=r"the selection of sw has 2 rows: too few"):
        sweep(built, "sw", [1e-4])


def test_a_language_that_was_never_built_is_told_so(workspace: Workspace) -> None:
    with pytest.raises(InputError, match=r"sw has no selection yet: xinstr build sw --to diversified_set"):
        sweep(workspace, "sw", [1e-4])


def swept(rate: float, likelihood: float, wrong: float, high: float) -> Swept:
    return Swept(
        rate,
        Measure("sw", HELD_OUT_LIKELIHOOD.name, f"{rate:g}", "en", likelihood, None, None, 20, "higher"),
        Measure("sw", WRONG_LANGUAGE.name, f"{rate:g}", "en", wrong, 0.0, high, 20, "lower"),
    )


@pytest.mark.parametrize(
    ("results", "best"),
    [
        ([swept(1e-4, -2.0, 0.0, 0.16), swept(1e-3, -1.0, 0.05, 0.24)], 1e-3),  # as often in the language
        ([swept(1e-4, -2.0, 0.0, 0.16), swept(1e-3, -1.0, 0.5, 0.7)], 1e-4),  # likelier, and in another language
        ([swept(1e-4, -1.0, 0.0, 0.16), swept(1e-3, -1.0, 0.0, 0.16)], 1e-4),
    ],
)
def test_the_best_rate_is_the_likeliest_of_those_that_reply_in_the_language(results: list[Swept], best: float) -> None:
    assert Sweep(results, Path()).best.rate == best
