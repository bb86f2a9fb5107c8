"""What is read once for several rows gives what reading it for each gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines import reading, transformers_engine
from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import ModelReference, load_tokenizer, resolve_model
from xinstr_core.engines.transformers_engine import TransformersEngine

PROMPTS = ["### Text:\nUgali ni chakula cha " + "mahindi na maji " * 9, "### Text:\nน้ำ " * 4 + "habari za asubuhi"]
FOLLOWING = ["", "What is", " How do I cook it ?", "กี่", "\n"]
REQUESTS = [Request(f"{i}-{j}", text, after) for i, text in enumerate(PROMPTS) for j, after in enumerate(FOLLOWING)]
KINDS = ["full", "window", "positions", "recurrent"]


def configuration(kind: str, vocabulary: int) -> Any:
    """Random models: keys and values whole, of a window of 24 in every second layer, with learned positions, a state."""
    from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, MambaConfig

    small = {"vocab_size": vocabulary, "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.4}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64}
    if kind == "full":
        return LlamaConfig(**small, **heads)
    if kind == "positions":
        return GPT2Config(vocab_size=vocabulary, n_positions=512, n_embd=32, n_layer=2, n_head=2, initializer_range=0.6)
    if kind == "recurrent":
        return MambaConfig(**small, state_size=4)
    layers = ["sliding_attention", "full_attention"]
    return Gemma3TextConfig(**small, **heads, head_dim=16, sliding_window=24, layer_types=layers)


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tiny_model: ModelReference, tmp_path_factory: Any) -> TransformersEngine:
    import torch
    from transformers import AutoModelForCausalLM

    folder: Path = tmp_path_factory.mktemp(request.param)
    tokenizer = load_tokenizer(tiny_model)
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(configuration(request.param, len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    made = TransformersEngine(resolve_model(str(folder)))
    assert reading.can_share(made.model) == (request.param != "recurrent")
    return made


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows shared what was read, a pass."""
    seen: list[int] = []

    def counted(model: Any, rows: Any, pad: int) -> Any:
        seen.append(len(rows))
        return reading_shared(model, rows, pad)

    reading_shared = reading.read_shared
    for module in (reading, transformers_engine):
        monkeypatch.setattr(module, "read_shared", counted)
    return seen


@pytest.mark.parametrize("decoding", [Decoding(7), Decoding(7, 0.8, 0.9, seed=2)], ids=["greedy", "sampled"])
def test_texts_are_those_of_prompts_that_are_read_one_by_one(
    engine: TransformersEngine, shared: list[int], decoding: Decoding
) -> None:
    alone = [engine.generate([request], decoding)[0] for request in REQUESTS]
    assert shared == []
    together = engine.generate(REQUESTS, decoding)
    assert together == alone
    assert shared == ([len(REQUESTS)] if reading.can_share(engine.model) else [])
    assert len({completion.text for completion in together}) > len(PROMPTS)


def test_guided_texts_are_those_of_prompts_that_are_read_one_by_one(
    engine: TransformersEngine, shared: list[int]
) -> None:
    """The prompt that is led away from is far shorter than a text: in a cache of both it is mostly padding."""
    decoding = Decoding(7, 0.8, 0.9, seed=2, guidance=1.0)
    requests = [replace(request, against="### Text:\n") for request in REQUESTS]
    alone = [engine.generate([request], decoding)[0] for request in requests]
    assert shared == []
    assert engine.generate(requests, decoding) == alone
    assert shared == ([2 * len(REQUESTS)] if reading.can_share(engine.model) else [])


def test_scores_are_those_of_prompts_that_are_read_one_by_one(engine: TransformersEngine, shared: list[int]) -> None:
    alone = [engine.score([request])[0] for request in REQUESTS]
    assert shared == []
    together = engine.score(REQUESTS)
    assert shared == ([len(REQUESTS)] if reading.can_share(engine.model) else [])
    for one, other in zip(together, alone, strict=True):
        assert one.key == other.key
        assert (*one.tokens, one.end) == pytest.approx((*other.tokens, other.end), abs=1e-4)


def test_a_row_has_as_many_new_tokens_as_it_may_whatever_opening_stands_before_them(engine: TransformersEngine) -> None:
    for completion in engine.generate(REQUESTS, Decoding(5)):
        assert completion.completion_tokens == 5 or completion.finished
        assert completion.text.startswith(FOLLOWING[int(completion.key[-1])])
