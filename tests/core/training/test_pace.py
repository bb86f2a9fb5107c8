"""The speed of a training is counted from its rows, told beside what was learned, and changes no byte of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Killed
from tests.core.training.conftest import LAST_CHECKPOINT, LONG, SHORT, contents, killed_at
from xinstr_core.engines.machine import machine_rate
from xinstr_core.engines.roles import Engines
from xinstr_core.schemas.shared import TrainingSpeed
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.adapter import train_adapter, trainable_model
from xinstr_core.training.pace import Pace, Work
from xinstr_core.training.rows import Example, TrainingRow

# The tiny model: two layers of four projections 32 x 32, three of 32 x 64, and two norms; one more norm at the end.
LAYERS = 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32) + 32
ADAPTER = 2 * (4 * 2 * (32 + 32) + 3 * 2 * (32 + 64))  # rank 2
HEAD = 700 * 32


@pytest.mark.parametrize(
    ("method", "a_token", "a_label"),
    [("lora", 4 * LAYERS + 6 * ADAPTER, 4 * HEAD), ("full", 6 * LAYERS, 6 * HEAD)],
)
def test_operations_are_six_a_trained_weight_four_a_frozen_one_and_none_of_a_lookup(
    tiny_engines: Engines, method: str, a_token: float, a_label: float
) -> None:
    model = trainable_model(tiny_engines, LONG.model_copy(update={"method": method}), None)
    assert Work.of(model) == Work(a_token, a_label)


def test_a_speed_follows_from_rows_seconds_and_the_rate_of_the_machine() -> None:
    pace = Pace(Work(a_token=1000, a_label=200))
    pace.add([TrainingRow("a", [1] * 10, [-100] * 6 + [1] * 4), TrainingRow("b", [1] * 30, [-100] * 20 + [1] * 10)], 64)
    pace.seconds = 2.0
    assert pace.speed(1e5) == TrainingSpeed(
        tokens_a_second=20.0,
        trainable_tokens_a_second=7.0,
        padding_share=0.375,
        model_flops_utilisation=(40 * 1000 + 14 * 200) / 2 / 1e5,
    )
    assert replace(pace, seconds=0.0).speed(1e5) is None


def test_speed_is_told_with_progress_and_of_the_folder_and_stands_in_no_file(
    tiny_engines: Engines, examples: list[Example], short: TrainingSettings, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    trained = train_adapter(
        tiny_engines, examples, short, tmp_path / "one", progress=lambda *_, **said: told.append(said)
    )
    assert [set(said.get("figures", {})) for said in told] == [set(), *[{"loss", *TrainingSpeed.model_fields}] * 3]
    assert {(said["doing"], said["unit"], said["found"]) for said in told} == {("training one", "steps", 0)}
    speed = tiny_engines.trainings["one"]
    assert 0 < speed.model_flops_utilisation < 1
    assert 0 < speed.trainable_tokens_a_second < speed.tokens_a_second
    assert not any(name in trained.figures().model_dump() for name in TrainingSpeed.model_fields)
    assert all(b"a_second" not in data for data in contents(trained.folder).values())
    again = train_adapter(tiny_engines, examples, short, tmp_path / "two")
    assert contents(again.folder) == contents(trained.folder)


def test_a_resumed_training_tells_of_its_own_steps_and_a_finished_one_of_none(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, LONG, tmp_path / "killed", progress=killed_at(LAST_CHECKPOINT + 1))
    assert "killed" not in tiny_engines.trainings
    train_adapter(tiny_engines, examples, LONG, tmp_path / "killed")
    assert tiny_engines.trainings.pop("killed").tokens_a_second > 0
    train_adapter(tiny_engines, examples, SHORT, tmp_path / "killed")
    assert "killed" not in tiny_engines.trainings


def test_the_machine_is_measured_once() -> None:
    assert machine_rate("float32") == machine_rate("float32") > 1e8
