"""Guided decoding leads away from what would be written without the text, as its formula says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.engines.sampling import PLAUSIBLE
from xinstr_core.engines.transformers_engine import TransformersEngine

GUIDED = Decoding(6, guidance=1.5)
PROMPTS = ["Mto huu unaanzia milimani. Swali: ", "Jiji kubwa la pwani. Swali: "]
OPENINGS = ["", "What", "Is it so", ""]
REQUESTS = [
    Request(f"{number} {opening} {sample}", text, opening, "Swali: ")
    for number, text in enumerate(PROMPTS)
    for sample, opening in enumerate(OPENINGS)
]


@pytest.fixture(scope="module")
def engine(tiny_model: ModelReference) -> TransformersEngine:
    return TransformersEngine(tiny_model)


def log_probabilities(model: Any, ids: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)


def guided_ids(model: Any, prompt: list[int], against: list[int], opening: list[int], end: int) -> list[int]:
    """Greedy decoding by the definition, token by token, without cache and batch."""
    import torch

    written = list[int]()
    for _ in range(GUIDED.maximum_new_tokens):
        likely, unled = (log_probabilities(model, ids + opening + written) for ids in (prompt, against))
        led = likely + GUIDED.guidance * (likely - unled)
        token = int(torch.where(likely >= likely.max() + math.log(PLAUSIBLE), led, -torch.inf).argmax())
        if token == end:
            break
        written.append(token)
    return written


def test_greedy_texts_are_those_of_the_formula(engine: TransformersEngine, tiny_model: ModelReference) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model.path)
    model = load_causal_model(tiny_model)
    for request, completion in zip(REQUESTS, engine.generate(REQUESTS, GUIDED), strict=True):
        prompt, against = (encode_prompt(tokenizer, text) for text in (request.prompt, request.against))
        opening = encode(tokenizer, request.completion)
        ids = guided_ids(model, prompt, against, opening, tokenizer.eos_token_id)
        expected = tokenizer.decode([*opening, *ids], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert completion.text == expected


@pytest.mark.parametrize("decoding", [GUIDED, replace(GUIDED, temperature=0.8, top_p=0.9)], ids=["greedy", "sampled"])
def test_a_row_is_led_alike_whatever_shares_its_batch(engine: TransformersEngine, decoding: Decoding) -> None:
    together = engine.generate(REQUESTS, decoding)
    assert together == [engine.generate([request], decoding)[0] for request in REQUESTS]
    assert together != engine.generate(REQUESTS, replace(decoding, guidance=0.0))


def test_to_be_led_away_from_the_prompt_itself_changes_nothing_but_what_is_implausible(
    engine: TransformersEngine,
) -> None:
    same = [replace(request, against=request.prompt) for request in REQUESTS]
    assert engine.generate(same, GUIDED) == engine.generate(same, Decoding(6))
