"""Rows one behind another in a sequence teach what they teach side by side, and see nothing of each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.core.conftest import Killed
from tests.core.training.conftest import LAST_CHECKPOINT, contents, killed_at
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.settings import TrainingSettings
from xinstr_core.training import steps
from xinstr_core.training.adapter import TrainedAdapter, train_adapter, trainable_model
from xinstr_core.training.batches import pack, packed_tokens, packs
from xinstr_core.training.loss import check_packing, hidden_states
from xinstr_core.training.rows import Example, TrainingRow


def weights(trained: TrainedAdapter) -> dict[str, Any]:
    [file] = trained.folder.glob("*model.safetensors")
    return dict(load_file(file))


def test_positions_begin_anew_with_every_row_and_nothing_predicts_its_first_token() -> None:
    batch = pack(3, [TrainingRow("a", [4, 5, 6], [-100, 5, 6]), TrainingRow("b", [8, 9], [8, 9])])
    assert {name: tensor.shape for name, tensor in batch.items()} == dict.fromkeys(batch, (1, 32))
    assert batch["input_ids"][0].tolist() == [4, 5, 6, 8, 9, *[3] * 27]
    assert batch["labels"][0].tolist() == [-100, 5, 6, -100, 9, *[-100] * 27]
    assert batch["position_ids"][0].tolist() == [0, 1, 2, 0, 1, *range(27)]


@given(st.lists(st.integers(2, 300), min_size=1, max_size=12), st.integers(1, 600))
def test_every_row_goes_once_and_no_sequence_of_several_exceeds_the_budget(lengths: list[int], tokens: int) -> None:
    rows = [TrainingRow(str(i), [5] * length, [5] * length) for i, length in enumerate(lengths)]
    groups = packs(rows, tokens)
    assert sorted(row.key for group in groups for row in group) == sorted(map(str, range(len(lengths))))
    assert all(len(group) == 1 or packed_tokens(group) <= tokens for group in groups)


def test_a_row_has_the_same_hidden_states_behind_others_as_alone(tiny_engines: Engines, long: TrainingSettings) -> None:
    model = trainable_model(tiny_engines, long, None).eval()
    rows = [TrainingRow(str(start), [*range(start, start + 9)], [*range(start, start + 9)]) for start in (5, 50, 500)]
    batch = pack(0, rows)
    with torch.no_grad():
        packed = hidden_states(model, batch["input_ids"], batch["position_ids"])[0]
        for place, row in enumerate(rows):
            alone = hidden_states(model, torch.tensor([row.input_ids]))[0]
            torch.testing.assert_close(packed[9 * place : 9 * place + 9], alone, rtol=1e-4, atol=1e-5)


def test_packed_rows_give_the_losses_and_weights_of_rows_side_by_side(
    tiny_engines: Engines,
    examples: list[Example],
    long: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = long.model_copy(update={"batch_rows": 6, "learning_rate": 1e-3})
    plain = train_adapter(tiny_engines, examples, settings, tmp_path / "plain")
    shapes, through = [], steps.backward

    def recorded(model: Any, input_ids: Any, **named: Any) -> Any:
        shapes.append(input_ids.shape)
        return through(model, input_ids, **named)

    monkeypatch.setattr(steps, "backward", recorded)
    packed = train_adapter(tiny_engines, examples, settings.model_copy(update={"packing": True}), tmp_path / "packed")
    assert [loss for _, loss in packed.losses] == pytest.approx([loss for _, loss in plain.losses], abs=1e-4)
    for name, tensor in weights(plain).items():
        torch.testing.assert_close(weights(packed)[name], tensor, rtol=1e-3, atol=1e-5)
    assert len(shapes) == 8  # each step of six rows is one sequence
    assert {rows for rows, _ in shapes} == {1}


def test_a_packed_training_ends_with_the_same_bytes_after_a_kill(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, tmp_path: Path
) -> None:
    settings = long.model_copy(update={"packing": True})
    undisturbed = train_adapter(tiny_engines, examples, settings, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter", progress=killed_at(LAST_CHECKPOINT + 1))
    restarted = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert contents(restarted.folder) == contents(undisturbed.folder)


def test_a_model_that_attends_across_rows_is_refused(
    tiny_engines: Engines, long: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trainable_model(tiny_engines, long, None)
    check_packing(model, [5, 6, 7, 8])
    monkeypatch.setattr("transformers.masking_utils.find_packed_sequence_indices", lambda _: None)
    with pytest.raises(StageError, match="does not keep rows of one sequence apart: set packing = false"):
        check_packing(model, [5, 6, 7, 8])
