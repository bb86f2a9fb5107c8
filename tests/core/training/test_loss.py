"""The loss of the labelled positions and its gradients are those of torch's cross entropy over all logits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from xinstr_core.engines.models import load_causal_model
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.training import loss
from xinstr_core.training.batches import collate, labels_of
from xinstr_core.training.loss import Head, backward, check_head, cross_entropy, head_of
from xinstr_core.training.rows import TrainingRow


def positions(count: int = 7, width: int = 5, vocabulary: int = 11) -> tuple[Any, Any, Any, Any]:
    draw = torch.Generator().manual_seed(1)
    hidden, weight = (torch.randn(rows, width, generator=draw) for rows in (count, vocabulary))
    return hidden, weight, torch.randn(vocabulary, generator=draw), torch.randint(vocabulary, (count,), generator=draw)


@pytest.mark.parametrize("chunk", [1, 22, 33, 10_000], ids=["one by one", "twos", "threes", "all"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("scale", "softcap"), [(1.0, None), (0.25, None), (1.0, 2.0), (3.0, 2.0)])
def test_loss_and_gradients_are_those_of_all_logits(
    chunk: int, bias: bool, scale: float, softcap: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "_HEAD_ROWS", 4)  # of a vocabulary of 11
    hidden, weight, offset, labels = positions()
    offset = offset if bias else None
    leaves = [leaf.requires_grad_() for leaf in (hidden, weight, offset) if leaf is not None]
    logits = scale * torch.nn.functional.linear(hidden, weight, offset)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    wanted = [0.5 * gradient for gradient in torch.autograd.grad(expected, leaves)]
    with torch.no_grad():
        summed, gradient = cross_entropy(hidden, labels, Head(weight, offset, scale, softcap), 0.5, chunk)
    found = [gradient, *(leaf.grad for leaf in leaves[1:])]
    torch.testing.assert_close(summed, expected.detach(), rtol=1e-6, atol=0)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden, weight, bias, labels = positions()
    with torch.no_grad():
        cross_entropy(hidden, labels, Head(weight, bias), 1.0)
    assert weight.grad is None
    assert bias.grad is None


def test_logits_of_huge_size_give_a_finite_loss() -> None:
    hidden, weight, _, labels = positions()
    with torch.no_grad():
        summed, gradient = cross_entropy(1e4 * hidden, labels, Head(weight, None), 1.0)
    assert bool(torch.isfinite(summed))
    assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_gradients_of_a_whole_model_are_those_of_its_own_loss(tiny_engines: Engines, tied: bool) -> None:
    """Embeddings that are the head or are not, padding, and rows of different lengths included."""
    rows = [
        TrainingRow("a", [5, 6, 7, 8, 9], [-100, -100, 7, 8, 9]),
        TrainingRow("b", [10, 11, 12], [10, 11, 12]),
    ]
    model = load_causal_model(tiny_engines.base)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    batch = collate(0, rows)
    own = model(**batch).loss
    own.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    summed = backward(model, **batch, weight=1 / labels_of(rows), dtype=torch.float32)
    assert float(summed) / labels_of(rows) == pytest.approx(float(own.detach()), rel=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6)


def test_padding_changes_no_loss(tiny_engines: Engines) -> None:
    model = load_causal_model(tiny_engines.base)
    short = TrainingRow("a", [5, 6, 7], [-100, 6, 7])
    long = TrainingRow("b", list(range(5, 105)), [-100] * 50 + list(range(55, 105)))

    def of(*rows: TrainingRow) -> float:
        return float(backward(model, **collate(0, rows), weight=1.0, dtype=torch.float32))

    assert of(short, long) == pytest.approx(of(short) + of(long), rel=1e-6)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (1.0, None)),
        ({"final_logit_softcapping": 30.0}, (1.0, 30.0)),
        ({"logits_scaling": 8.0}, (0.125, None)),
        ({"logit_scale": 0.0625}, (0.0625, None)),
    ],
    ids=["llama", "gemma 2", "granite", "cohere"],
)
def test_a_head_is_read_from_the_configuration(config: dict[str, float], expected: tuple[float, float | None]) -> None:
    layer = torch.nn.Linear(2, 3)
    text = SimpleNamespace(**config)
    whole = SimpleNamespace(get_text_config=lambda: text)
    head = head_of(SimpleNamespace(config=whole, get_output_embeddings=lambda: layer))
    assert (head.scale, head.softcap) == expected
    assert head.weight is layer.weight


def test_the_heads_of_families_that_scale_or_bound_their_logits_are_known() -> None:
    from transformers import (
        CohereConfig,
        CohereForCausalLM,
        Gemma2Config,
        Gemma2ForCausalLM,
        GraniteConfig,
        GraniteForCausalLM,
    )

    small = {
        "vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0, "initializer_range": 2.0,
    }  # fmt: skip
    for family, config in (
        (Gemma2ForCausalLM, Gemma2Config(**small, final_logit_softcapping=3.0)),
        (GraniteForCausalLM, GraniteConfig(**small, logits_scaling=8.0)),
        (CohereForCausalLM, CohereConfig(**small, logit_scale=0.0625)),
    ):
        check_head(family(config).eval(), [5, 6, 7])


def test_a_model_with_another_kind_of_head_is_refused(tiny_engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_causal_model(tiny_engines.base)
    check_head(model, [5, 6, 7])
    known = head_of(model)
    monkeypatch.setattr("xinstr_core.training.loss.head_of", lambda _: replace(known, scale=1.1))
    with pytest.raises(StageError, match="LlamaForCausalLM makes its logits in a way that training does not know"):
        check_head(model, [5, 6, 7])
