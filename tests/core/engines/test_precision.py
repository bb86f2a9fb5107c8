"""Numbers of another precision are another model's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.base import Request
from xinstr_core.engines.models import ModelReference, load_causal_model, load_trainable_model, resolve_model
from xinstr_core.engines.precision import choose_precision
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.adapter import train_adapter, training_identity
from xinstr_core.training.rows import Example

EXAMPLES = [Example(f"e{i}", f"### text {i}\n", f"ugali {i} ni chakula.") for i in range(4)]


@pytest.fixture
def half(tiny_model_folder: Path) -> ModelReference:
    return resolve_model(str(tiny_model_folder), "bfloat16")


def test_what_is_set_is_taken_and_auto_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert choose_precision("float32").name == "float32"
    assert choose_precision("bfloat16").reason == "as set"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for capabilities, expected in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        chosen = choose_precision("auto")
        assert (chosen.name, "this processor" in chosen.reason) == (expected, True)


def test_another_precision_is_another_model_to_every_key(tiny_model: ModelReference, half: ModelReference) -> None:
    assert half.fingerprint != tiny_model.fingerprint
    assert half.path == tiny_model.path
    settings = TrainingSettings()
    assert training_identity(half, EXAMPLES, settings, None) != training_identity(tiny_model, EXAMPLES, settings, None)


def test_a_frozen_base_is_held_in_its_precision_and_what_is_trained_in_float32(half: ModelReference) -> None:
    import torch

    assert {p.dtype for p in load_causal_model(half).parameters()} == {torch.bfloat16}
    assert {p.dtype for p in load_trainable_model(half, None, "full").parameters()} == {torch.float32}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_adapter_stays_beside_weights_of_few_digits_and_its_small_differences_count(
    half: ModelReference, tmp_path: Path, method: Any
) -> None:
    """A merge would round them away: the first step of a small learning rate moves no bfloat16 weight."""
    import torch

    settings = TrainingSettings(method=method, epochs=1, rank=2, batch_rows=2, learning_rate=1e-3, maximum_tokens=64)
    engines = Engines(Settings(), half)
    trained = train_adapter(engines, EXAMPLES, settings, tmp_path / "adapter")
    engine = TransformersEngine(half, trained.folder)
    kinds = {parameter.dtype for name, parameter in engine.model.named_parameters() if "lora" in name}
    assert kinds == ({torch.bfloat16} if method == "lora" else set())
    request = Request("a", "### text 1\n", "ugali 1 ni chakula.")
    [before], [after] = (one.score([request]) for one in (TransformersEngine(half), engine))
    assert after.tokens != before.tokens


def test_generation_in_another_precision_runs_and_says_what_it_is(half: ModelReference, tmp_path: Path) -> None:
    copied = resolve_model(str(shutil.copytree(half.path, tmp_path / "copy")), "bfloat16")
    assert copied.fingerprint == half.fingerprint
    [scores] = TransformersEngine(copied).score([Request("a", "ugali", " ni chakula")])
    assert all(isinstance(value, float) and value < 0 for value in scores.tokens)
