"""Several processes train what one does: same losses and weights, restarts, errors, and nobody stays behind."""

from __future__ import annotations

import json
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.core.conftest import Killed, take_more_than_there_is
from tests.core.training.conftest import LAST_CHECKPOINT, LONG, contents, killed_at
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError, StageError
from xinstr_core.progress import Progress, silent
from xinstr_core.settings import TrainingSettings
from xinstr_core.training import processes, steps
from xinstr_core.training.adapter import (
    SUMMARY,
    Lesson,
    TrainedAdapter,
    _train_in_team,
    train_adapter,
    training_identity,
)
from xinstr_core.training.budget import Budget
from xinstr_core.training.processes import Team, train_together
from xinstr_core.training.rows import Example, TrainingRow

SMOOTH = LONG.model_copy(update={"learning_rate": 1e-3, "batch_rows": 4})


def by_two(settings: TrainingSettings) -> TrainingSettings:
    return settings.model_copy(update={"processes": 2})


def weights(trained: TrainedAdapter) -> dict[str, Any]:
    from safetensors.torch import load_file

    [file] = trained.folder.glob("*model.safetensors")
    return dict(load_file(file))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_two_processes_have_the_loss_and_the_weights_of_one(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, method: Any
) -> None:
    """The last step has one row, so that one of two has nothing to do."""
    settings = SMOOTH.model_copy(update={"method": method, "epochs": 3 + 1 / 12})
    one = train_adapter(tiny_engines, examples, settings, tmp_path / "one")
    told: list[tuple[int, int]] = []
    two = train_adapter(
        tiny_engines,
        examples,
        by_two(settings),
        tmp_path / "two",
        progress=lambda done, total, **_: told.append((done, total)),
    )
    assert [step for step, _ in two.losses] == [step for step, _ in one.losses] == [*range(1, 11)]
    assert [loss for _, loss in two.losses] == pytest.approx([loss for _, loss in one.losses], abs=1e-4)
    expected = weights(one)
    for name, tensor in weights(two).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-5)
    assert told == [(step, 10) for step in range(11)]
    assert (two.rows, two.tokens_seen, two.rejected, two.identity) == (
        one.rows, one.tokens_seen, one.rejected, one.identity,
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("two")] == ["two"]


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    settings = by_two(LONG)
    whole = train_adapter(tiny_engines, examples, settings, tmp_path / "whole")
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, settings, tmp_path / "killed", progress=killed_at(LAST_CHECKPOINT + 1))
    assert active_children() == []
    seen: list[int] = []
    again = train_adapter(
        tiny_engines,
        examples,
        settings,
        tmp_path / "killed",
        progress=lambda done, total, **_: seen.append(done),
    )
    assert seen[0] == LAST_CHECKPOINT
    assert contents(again.folder) == contents(whole.folder)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_training_with_one_line(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, rank: int
) -> None:
    def progress(done: int, total: int, **_: object) -> None:
        members = sorted(active_children(), key=lambda member: member.pid or 0)
        members[rank].kill()

    with pytest.raises(
        StageError, match=r"^one of the 2 processes of a training died \(exit code -9; .*processes = 1$"
    ):
        train_adapter(tiny_engines, examples, by_two(LONG), tmp_path / "adapter", progress=progress)
    assert active_children() == []
    assert not (tmp_path / "adapter").exists()


@pytest.mark.slow
def test_an_error_of_the_training_is_told_as_it_is(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    settings = by_two(LONG).model_copy(update={"maximum_tokens": 16})
    with pytest.raises(StageError, match=r"^none of 12 training rows can be used"):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert active_children() == []


def with_little_memory(
    base: ModelReference, examples: list[Example], settings: TrainingSettings, folder: Path, team: Team, tell: Progress
) -> None:
    """One of the processes of a training in which no pass may have more than 100 tokens."""
    through = steps.backward

    def limited(model: Any, input_ids: Any, **given: Any) -> Any:
        if input_ids.numel() > 100:
            take_more_than_there_is()
        return through(model, input_ids, **given)

    steps.backward = limited  # in a process that ends with this training
    _train_in_team(base, Lesson(examples, settings, folder, None), team, tell)


@pytest.mark.slow
@pytest.mark.parametrize("batch_rows", [1, 2])
def test_a_row_that_is_too_large_for_one_process_is_left_out_by_all(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    large = Example("large", "ugali ni chakula " * 12, "What?")
    settings = SMOOTH.model_copy(update={"epochs": 1, "maximum_tokens": 512, "batch_rows": batch_rows})
    given = (tiny_engines.base, [large, *examples], settings)
    monkeypatch.setattr(steps, "backward", steps.backward)  # what follows changes it in this process, too
    monkeypatch.syspath_prepend(Path(__file__).parents[3])  # where the other process finds this module
    with_little_memory(*given, tmp_path / "one", Team(), silent)
    train_together(partial(with_little_memory, *given, tmp_path / "two"), 2, silent)
    one, two = (json.loads((tmp_path / name / SUMMARY).read_text("utf-8")) for name in ("one", "two"))
    assert [row[:2] for row in two["rejected"]] == [["large", "out_of_memory"]]
    assert (two["rejected"], two["rows"], two["tokens_seen"]) == (one["rejected"], one["rows"], one["tokens_seen"])
    assert [loss for _, loss in two["losses"]] == pytest.approx([loss for _, loss in one["losses"]], abs=1e-4)


def test_more_processes_than_gpus_are_refused_before_any_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        InputError, match=r"^2 processes of a training need a GPU each and there are 1: set processes = 1$"
    ):
        train_together(lambda team, progress: None, 2, lambda done, total, **_: None)


def test_every_row_of_a_step_belongs_to_one_process_and_long_ones_are_shared_out() -> None:
    rows = [TrainingRow(f"r{length}", [1] * length, [1] * length) for length in (5, 1, 4, 2, 3)]
    parts = [[row.key for row in Team(rank, 2).part(rows)] for rank in (0, 1)]
    assert parts == [["r1", "r3", "r5"], ["r2", "r4"]]
    assert Team().part(rows) == rows
    assert [len(Team(rank, 8).part(rows)) for rank in range(8)] == [1, 1, 1, 1, 1, 0, 0, 0]


def test_processes_agree_on_the_least_memory_and_on_all_rows_that_were_too_large() -> None:
    first = Budget({1: 512}, {"a": (3, 900)})
    second = Budget({1: 512, 4: 256}, {"b": (4, 950)})
    agreed = first.agreed([first, second])
    assert agreed == second.agreed([first, second])
    assert agreed == Budget({1: 512, 4: 256}, {"a": (3, 900), "b": (4, 950)})
    assert first.agreed([first]) == first


def test_how_many_processes_share_the_work_is_no_part_of_what_was_learned(
    tiny_engines: Engines, examples: list[Example]
) -> None:
    one, two = (training_identity(tiny_engines.base, examples, settings, None) for settings in (LONG, by_two(LONG)))
    assert one == two
