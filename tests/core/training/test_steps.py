"""What goes through the model at once changes no result: splits, memory that runs out, restarts; a loss of no size stops."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.core.conftest import Killed, take_more_than_there_is
from tests.core.training.conftest import LONG, SHORT, contents, killed_at
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training import budget, steps
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example
from xinstr_core.training.schedule import learning_rate_share


def weights(trained: TrainedAdapter) -> dict[str, Any]:
    from safetensors.torch import load_file

    [file] = trained.folder.glob("*model.safetensors")
    return dict(load_file(file))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and padded tokens of every pass through the model that a training asks for."""
    asked: list[tuple[int, int]] = []
    through = steps.backward

    def recorded(model: Any, input_ids: Any, **given: Any) -> Any:
        asked.append(tuple(input_ids.shape))
        return through(model, input_ids, **given)

    monkeypatch.setattr(steps, "backward", recorded)
    return asked


@pytest.fixture
def memory_for(monkeypatch: pytest.MonkeyPatch, passes: list[tuple[int, int]]) -> Any:
    """Make a pass over more than so many tokens run out of memory, in torch's own way on a processor."""

    def limit(tokens: int) -> None:
        through = steps.backward

        def limited(model: Any, input_ids: Any, **given: Any) -> Any:
            if input_ids.numel() > tokens:
                passes.append(tuple(input_ids.shape))
                take_more_than_there_is()
            return through(model, input_ids, **given)

        monkeypatch.setattr(steps, "backward", limited)

    return limit


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_split_changes_neither_losses_nor_weights(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    settings = LONG.model_copy(update={"method": method, "epochs": 3, "batch_rows": 6, "learning_rate": 1e-3})
    trained = []
    for tokens in (1, 128, 100_000):  # one row at a time, a few, all of a step
        monkeypatch.setattr(budget, "_ENOUGH_TOKENS", {"cpu": tokens})
        trained.append(train_adapter(tiny_engines, examples, settings, tmp_path / str(tokens)))
    first = weights(trained[0])
    for other in trained[1:]:
        assert [loss for _, loss in other.losses] == pytest.approx([loss for _, loss in trained[0].losses], abs=1e-4)
        for name, tensor in weights(other).items():
            torch.testing.assert_close(tensor, first[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("setting", ["on", "off"])
def test_activations_that_are_computed_again_change_no_bit(
    tiny_engines: Engines, examples: list[Example], short: TrainingSettings, tmp_path: Path, setting: str
) -> None:
    plain = train_adapter(tiny_engines, examples, short, tmp_path / "plain")
    settings = short.model_copy(update={"activation_checkpointing": setting})
    other = train_adapter(tiny_engines, examples, settings, tmp_path / "other")
    assert contents(other.folder) == contents(plain.folder)


@pytest.mark.parametrize(("setting", "layers"), [("auto", 2), ("on", 2), ("off", 1)])
def test_a_row_beyond_the_budget_has_its_layers_computed_twice_unless_told_not_to(
    tiny_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, layers: int
) -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP

    calls = []
    forward = LlamaMLP.forward
    monkeypatch.setattr(
        LlamaMLP, "forward", lambda self, x: (calls.append(1) if self.training else None, forward(self, x))[1]
    )
    monkeypatch.setattr(budget, "_ENOUGH_TOKENS", {"cpu": 32})
    settings = SHORT.model_copy(update={"activation_checkpointing": setting, "epochs": 1})
    train_adapter(tiny_engines, [Example("a", "ugali ni chakula " * 10, "What?")], settings, tmp_path / "adapter")
    assert len(calls) == 2 * layers  # two layers


def test_a_step_that_runs_out_of_memory_is_begun_again_with_half_at_once(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, passes: list[tuple[int, int]], memory_for: Any
) -> None:
    settings = SHORT.model_copy(update={"batch_rows": 12, "epochs": 1})
    whole = train_adapter(tiny_engines, examples, settings, tmp_path / "whole")
    most = max(rows * tokens for rows, tokens in passes)
    passes.clear()
    memory_for(most - 1)
    trained = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert trained.losses == [[1, pytest.approx(whole.losses[0][1], abs=1e-4)]]
    assert trained.rejected == []
    failed = next(i for i, (rows, tokens) in enumerate(passes) if rows * tokens == most)
    assert all(rows == 1 or rows * tokens <= most // 2 for rows, tokens in passes[failed + 1 :])


def test_a_row_that_is_too_large_by_itself_is_rejected_and_the_others_are_trained(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, memory_for: Any
) -> None:
    large = Example("large", "ugali ni chakula " * 12, "What?")
    settings = SHORT.model_copy(update={"epochs": 2, "maximum_tokens": 512})
    memory_for(100)
    trained = train_adapter(tiny_engines, [large, *examples], settings, tmp_path / "adapter")
    [(key, reason, tokens)] = trained.rejected
    assert (key, reason) == ("large", "out_of_memory")
    assert tokens > 100
    assert trained.rows == len(examples)
    assert all(math.isfinite(loss) for _, loss in trained.losses)


def test_rows_that_are_all_too_large_are_an_error_that_says_what_to_change(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, memory_for: Any
) -> None:
    memory_for(1)
    with pytest.raises(StageError, match=r"no row of 6 steps fits into memory: lower maximum_tokens"):
        train_adapter(tiny_engines, examples, SHORT.model_copy(update={"epochs": 1}), tmp_path / "adapter")


def test_another_error_of_the_model_is_not_taken_for_one_of_memory(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(steps, "backward", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train_adapter(tiny_engines, examples, SHORT, tmp_path / "adapter")


def test_a_training_whose_memory_ran_out_is_resumed_with_the_same_splits_and_bytes(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, memory_for: Any, passes: list[tuple[int, int]]
) -> None:
    """The second run has more memory, and splits as the first one had to all the same, from the same step on."""
    settings = LONG.model_copy(update={"batch_rows": 3, "epochs": 6})
    memory_for(100)
    whole = train_adapter(tiny_engines, examples, settings, tmp_path / "whole")
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter", progress=killed_at(22))
    memory_for(10_000)
    assert contents(train_adapter(tiny_engines, examples, settings, tmp_path / "adapter").folder) == contents(
        whole.folder
    )


def test_the_budget_is_kept_beside_the_checkpoints_and_outlives_a_change_of_memory(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_ENOUGH_TOKENS", {"cpu": 96})
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, LONG, tmp_path / "adapter", progress=killed_at(2))
    kept = json.loads((tmp_path / "adapter-checkpoints" / "memory.json").read_text("utf-8"))
    assert kept == {"tokens": {"1": 96}, "too_large": {}}
    monkeypatch.setattr(budget, "free_memory", lambda: pytest.fail("asked again"))
    train_adapter(tiny_engines, examples, LONG, tmp_path / "adapter")


def test_memory_that_does_not_hold_one_row_is_an_error_that_says_what_to_change(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "free_memory", lambda: 2**20)
    with pytest.raises(StageError, match=r"0\.0 GiB of free memory .* lower maximum_tokens, set method"):
        train_adapter(tiny_engines, examples, SHORT, tmp_path / "adapter")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_step_and_rows_and_keeps_the_checkpoint(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    through, calls = steps.backward, []

    def broken(*arguments: Any, **given: Any) -> Any:
        calls.append(1)
        return through(*arguments, **given) * (value if len(calls) > 30 else 1)

    monkeypatch.setattr(steps, "backward", broken)
    monkeypatch.setattr(
        budget, "_ENOUGH_TOKENS", {"cpu": 32}
    )  # each row by itself, two a step: fewer than 30 in 15 steps
    settings = LONG.model_copy(update={"epochs": 7})
    with pytest.raises(StageError, match=rf"loss of step \d+ of 42 is {value:.4g}.*rows (ask|tell)-.*learning_rate"):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_gradients_that_are_no_numbers_stop_before_the_weights_are_touched(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = steps.backward

    def broken(model: Any, *arguments: Any, **given: Any) -> Any:
        loss = through(model, *arguments, **given)
        next(p for p in model.parameters() if p.grad is not None).grad.fill_(math.nan)
        return loss

    monkeypatch.setattr(steps, "backward", broken)
    with pytest.raises(StageError, match=r"loss of step 1 of 3 is .*, of its gradients nan.*fetch it again") as raised:
        train_adapter(tiny_engines, examples, SHORT, tmp_path / "adapter")
    assert "learning_rate" not in str(raised.value), "at the first step it has done nothing"


def test_positions_that_are_too_few_are_named_and_not_the_setting(
    tiny_model_folder: Path, examples: list[Example], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2}), "utf-8")
    engines = Engines(Settings(), resolve_model(str(folder)))
    with pytest.raises(StageError, match="the base model has positions for 2 tokens alone"):
        train_adapter(engines, examples, SHORT, tmp_path / "adapter")


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.4])
@pytest.mark.parametrize("steps_in_all", [1, 2, 24, 100, 337])
def test_the_learning_rate_is_that_of_the_schedules_of_transformers(
    steps_in_all: int, share: float, schedule: Any
) -> None:
    from transformers import get_scheduler

    settings = TrainingSettings(schedule=schedule, warmup_share=share)
    warmup = max(1, round(share * steps_in_all)) if share else 0
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    expected = get_scheduler(name, optimizer, warmup, steps_in_all)
    for step in range(1, steps_in_all + 1):
        assert learning_rate_share(step, steps_in_all, settings) == pytest.approx(expected.get_last_lr()[0])
        optimizer.step()
        expected.step()


def test_weights_decay_by_the_learning_rate_of_every_step(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    """AdamW's decay is apart from the gradient: what one step takes from a weight is rate x decay x weight."""
    settings = SHORT.model_copy(
        update={"method": "full", "schedule": "constant", "warmup_share": 0.0, "batch_rows": 12}
    )
    plain, decayed = (
        train_adapter(
            tiny_engines, examples, settings.model_copy(update={"weight_decay": decay}), tmp_path / str(decay)
        )
        for decay in (0.0, 0.5)
    )
    from safetensors.torch import load_file

    before, without = load_file(tiny_engines.base.path / "model.safetensors"), weights(plain)
    for name, tensor in weights(decayed).items():
        torch.testing.assert_close(tensor, without[name] - 1e-2 * 0.5 * before[name], rtol=1e-4, atol=1e-6)


def test_a_processors_memory_is_left_to_others_unless_the_weights_take_more() -> None:
    """As Gemma 3 270M in bfloat16: 0.9 MB a token, so that 704 MiB hold 821."""
    gemma = SimpleNamespace(num_hidden_layers=18, hidden_size=640, intermediate_size=2048)
    found = [budget.enough_tokens(gemma, 2, weights, "cpu") for weights in (0, 704 << 20, 800 << 20, 8 << 30)]
    assert found == [821, 821, 933, 1024]
    assert budget.enough_tokens(gemma, 2, 0, "cuda") == 16384
