"""Which weights are learned: the mean of several points, or the best on held-out rows, the same bytes after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.core.conftest import Killed
from tests.core.training.conftest import LAST_CHECKPOINT, LONG, contents, killed_at
from xinstr_core.engines.roles import Engines
from xinstr_core.settings import TrainingSettings, TuningSettings
from xinstr_core.training import steps
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.batches import hold_out
from xinstr_core.training.rows import Example, TrainingRow
from xinstr_core.training.schedule import best_step, has_stopped
from xinstr_core.training.snapshots import spread_steps

# A rate that does not depend on the length, so that a shorter training has the weights that a longer one had on its way.
EVEN = {"schedule": "constant", "warmup_share": 0.0}
FALLING = [0.9, 0.7, 0.5, 0.6, 0.7, 0.4, 0.3, 0.3, 0.3, 0.3]


def weights(trained: TrainedAdapter) -> dict[str, Any]:
    [file] = trained.folder.glob("*model.safetensors")
    return dict(load_file(file))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out losses as FALLING says, whatever was learned."""
    losses = iter(FALLING)
    monkeypatch.setattr(steps.Training, "mean_loss", lambda *_: next(losses))


@pytest.mark.parametrize(
    ("in_all", "share", "count", "expected"),
    [
        (24, 0.5, 3, [16, 20, 24]),
        (100, 0.25, 5, [80, 85, 90, 95, 100]),
        (100, 1.0, 4, [25, 50, 75, 100]),
        (3, 0.5, 5, [2, 3]),
        (1, 0.5, 5, [1]),
        (24, 0.5, 0, []),
    ],
)
def test_points_are_spread_evenly_over_the_last_part(
    in_all: int, share: float, count: int, expected: list[int]
) -> None:
    assert spread_steps(in_all, share, count) == expected


def test_the_mean_of_the_weights_at_the_points_is_learned(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, tmp_path: Path
) -> None:
    settings = long.model_copy(update=EVEN)
    ways = [
        weights(
            train_adapter(
                tiny_engines, examples, settings.model_copy(update={"epochs": step / 6}), tmp_path / str(step)
            )
        )
        for step in (16, 20, 24)
    ]
    averaged = settings.model_copy(update={"averaged_checkpoints": 3, "averaged_share": 0.5})
    found = weights(train_adapter(tiny_engines, examples, averaged, tmp_path / "averaged"))
    assert [path.name for path in tmp_path.glob("averaged*")] == ["averaged"]
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, (ways[0][name] + ways[1][name] + ways[2][name]) / 3)


@pytest.mark.parametrize("count", [0, 1])
def test_one_point_or_none_is_the_last_one(
    tiny_engines: Engines,
    examples: list[Example],
    long: TrainingSettings,
    whole: TrainedAdapter,
    tmp_path: Path,
    count: int,
) -> None:
    settings = long.model_copy(update={"averaged_checkpoints": count})
    assert contents(train_adapter(tiny_engines, examples, settings, tmp_path / "adapter").folder) == contents(
        whole.folder
    )


@pytest.mark.parametrize("dies_at", [3, 15, 18, LAST_CHECKPOINT + 1, LAST_CHECKPOINT + 3])
def test_a_mean_has_the_same_bytes_wherever_its_training_was_killed(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, tmp_path: Path, dies_at: int
) -> None:
    """Points after steps 12, 14 ... 24, the checkpoint after step 20: some are behind the kill, some are written twice."""
    settings = long.model_copy(update={"averaged_checkpoints": 7, "averaged_share": 0.6})
    undisturbed = train_adapter(tiny_engines, examples, settings, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter", progress=killed_at(dies_at))
    restarted = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert contents(restarted.folder) == contents(undisturbed.folder)
    assert restarted.figures() == undisturbed.figures()


@pytest.mark.parametrize(
    ("losses", "patience", "stopped"),
    [
        ([], 2, False),
        ([0.5], 1, False),
        ([0.5, 0.6], 1, True),
        ([0.5, 0.6], 2, False),
        ([0.5, 0.5, 0.5], 2, True),
        ([0.5, 0.6, 0.4], 2, False),
        ([0.5, 0.6, 0.7, 0.8], 0, False),
    ],
)
def test_a_training_stops_after_so_many_losses_that_are_no_better(
    losses: list[float], patience: int, stopped: bool
) -> None:
    assert has_stopped([[step, loss] for step, loss in enumerate(losses, 1)], patience) is stopped


def test_of_equal_losses_the_first_step_is_the_best() -> None:
    assert best_step([[2, 0.4], [5, 0.3], [7, 0.3]]) == 5


@pytest.mark.usefixtures("told")
def test_the_weights_of_the_lowest_held_out_loss_are_learned_and_told(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, tmp_path: Path
) -> None:
    """11 rows to learn from and one held out: 22 steps with looks after 2, 4, 7 ...; the third is the best of five."""
    settings = long.model_copy(update={**EVEN, "early_stop_patience": 2})
    trained = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    figures = trained.figures()
    assert figures.held_out_losses == [[2, 0.9], [4, 0.7], [7, 0.5], [9, 0.6], [11, 0.7]]
    assert figures.learned_step == 7
    assert figures.rows == 11
    [held_out] = trained.held_out
    rest = [example for example in examples if example.key != held_out]
    until = long.model_copy(update={**EVEN, "epochs": 7 * 2 / 11})
    best = train_adapter(tiny_engines, rest, until, tmp_path / "best")
    assert best.losses == trained.losses[:7]
    assert [step for step, _ in trained.losses] == list(range(1, 12))
    found = weights(trained)
    for name, tensor in weights(best).items():
        assert torch.equal(tensor, found[name])


def test_the_held_out_loss_is_that_of_the_rows_that_are_held_out(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    """At a rate of almost nothing the model stays the base, whose loss on the row the first step of a training has."""
    settings = LONG.model_copy(update={"learning_rate": 1e-12, "early_stop_patience": 10})
    trained = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    [held_out] = [example for example in examples if [example.key] == trained.held_out]
    base = train_adapter(tiny_engines, [held_out], LONG.model_copy(update={"epochs": 1}), tmp_path / "base")
    assert trained.held_out_losses[0][1] == pytest.approx(base.losses[0][1], abs=1e-3)


@pytest.mark.parametrize("dies_at", [3, 19, LAST_CHECKPOINT + 1])
def test_early_stopping_ends_with_the_same_bytes_after_a_kill(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, tmp_path: Path, dies_at: int
) -> None:
    settings = long.model_copy(update={"early_stop_patience": 10, "learning_rate": 3e-3})
    undisturbed = train_adapter(tiny_engines, examples, settings, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter", progress=killed_at(dies_at))
    restarted = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert contents(restarted.folder) == contents(undisturbed.folder)
    assert restarted.figures() == undisturbed.figures()


def test_rows_of_the_same_tokens_are_held_out_together_and_one_alone_is_learned_from() -> None:
    rows = [TrainingRow(f"{number}-{copy}", [number, 5], [-100, 5]) for number in range(10) for copy in range(2)]
    learned, held_out = hold_out(rows, 0.2)
    assert (len(learned), len(held_out)) == (16, 4)
    assert not {row.input_ids[0] for row in learned} & {row.input_ids[0] for row in held_out}
    assert hold_out(rows[::-1], 0.2)[1] == held_out[::-1]
    assert hold_out(rows[:2], 0.2) == (rows[:2], [])


def test_weights_are_chosen_in_one_way() -> None:
    with pytest.raises(ValueError, match="both say which weights are learned: set one of them to 0"):
        TuningSettings(averaged_checkpoints=4, early_stop_patience=2)
