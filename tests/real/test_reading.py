"""Real text survives the tokenizers of real models, and a prompt that is read once gives what reading it for each gives."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest
from real_text import DATA

from xinstr_core.engines import reading, transformers_engine
from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.models import ModelReference, load_tokenizer
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.prompts.render import prompt

pytestmark = pytest.mark.real

LANGUAGES = ("fi", "th", "ur", "ta", "vi")


def texts(language: str, count: int) -> list[str]:
    if not (DATA / "corpus").is_dir():
        pytest.skip(f"{DATA} is missing")
    with ((DATA / "corpus") / f"{language}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in islice(lines, count)]


@pytest.mark.parametrize("name", ["gemma", "smollm2"])
def test_real_text_has_the_tokenizers_own_ids_and_comes_back_whole(name: str, request: pytest.FixtureRequest) -> None:
    from transformers import AutoTokenizer

    model: ModelReference = request.getfixturevalue(name)
    tokenizer, own = load_tokenizer(model), AutoTokenizer.from_pretrained(model.path)
    found = [text for language in LANGUAGES for text in texts(language, 10)]
    broken = [text.replace(". ", ".\n\n\t").replace(", ", ",   ") + "\n<b>x</b> <table>\n" for text in found]
    for text in (*found, *broken):
        ids = encode(tokenizer, text)
        assert ids == own(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text


@pytest.fixture(scope="module")
def engine(gemma: ModelReference) -> TransformersEngine:
    return TransformersEngine(gemma)


@pytest.fixture(scope="module")
def asked() -> list[Request]:
    """A text within Gemma's window of 512 tokens, and one beyond it."""
    prompts = [prompt("reverse").render(text=text) for text in (texts("fi", 3)[2], "\n\n".join(texts("fi", 3)))]
    openings = ("", "What is the best", "Who")
    return [Request(f"{i} {opening}", text, opening) for i, text in enumerate(prompts) for opening in openings]


def one_by_one(call: Any, requests: list[Request]) -> list[Any]:
    return [call([request])[0] for request in requests]


def test_scores_of_a_shared_prompt(engine: TransformersEngine, asked: list[Request]) -> None:
    assert reading.can_share(engine.model)
    for shared, alone in zip(engine.score(asked), one_by_one(engine.score, asked), strict=True):
        assert (*shared.tokens, shared.end) == pytest.approx((*alone.tokens, alone.end), abs=1e-4)


@pytest.mark.parametrize("decoding", [Decoding(8), Decoding(8, 0.7, 0.9)], ids=["greedy", "sampled"])
def test_texts_of_a_shared_prompt(
    engine: TransformersEngine, asked: list[Request], decoding: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = engine.generate(asked, decoding)
    monkeypatch.setattr(transformers_engine, "worth_sharing", lambda rows: False)
    assert shared == engine.generate(asked, decoding)
