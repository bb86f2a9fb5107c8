"""The engine's numbers are those of the bare model, row by row, whatever shares the batch."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.engines.models import ModelReference, load_causal_model, resolve_model
from xinstr_core.engines.transformers_engine import TransformersEngine, adapter_hash
from xinstr_core.pocket.base_model import END
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES

TEXTS = [
    *islice(pages(11, PHASES[0].mix), 4),
    "Habari",
    f"quoted {END} mark",
    "### Text:\nกี่ น้ำ\n\n### English Instruction:\n",
]
REQUESTS = [Request(f"key-{i}", text[:120]) for i, text in enumerate(TEXTS)]
GREEDY = Decoding(maximum_new_tokens=6)


@pytest.fixture(scope="module")
def engine(tiny_model: ModelReference) -> TransformersEngine:
    return TransformersEngine(tiny_model)


@pytest.fixture(scope="module")
def bare(tiny_model: ModelReference) -> Any:
    """The model without the engine, to compute expected numbers one row at a time and without padding."""
    return load_causal_model(tiny_model)


@pytest.fixture(scope="module")
def adapter(tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with random weights on both sides, so that it changes every logit."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    model = get_peft_model(
        load_causal_model(tiny_model),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False),
    )
    folder = tmp_path_factory.mktemp("adapters") / "random"
    model.save_pretrained(folder)
    return folder


def last_logits(model: Any, ids: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1]


def greedy_ids(model: Any, ids: list[int], steps: int, end: int) -> list[int]:
    """Greedy decoding by its definition: the most likely token, again and again, without cache."""
    written: list[int] = []
    for _ in range(steps):
        token = int(last_logits(model, ids + written).argmax())
        if token == end:
            break
        written.append(token)
    return written


def test_greedy_text_is_the_most_likely_token_again_and_again(
    engine: TransformersEngine, bare: Any, tokenizer: Any
) -> None:
    for completion, request in zip(engine.generate(REQUESTS, GREEDY), REQUESTS, strict=True):
        ids = encode_prompt(tokenizer, request.prompt)
        expected = greedy_ids(bare, ids, GREEDY.maximum_new_tokens, tokenizer.eos_token_id)
        assert completion.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert completion.key == request.key
        assert completion.prompt_tokens == len(ids)
        assert completion.completion_tokens == len(expected)
        assert completion.finished == (len(expected) < GREEDY.maximum_new_tokens)


def test_greedy_text_does_not_depend_on_what_shares_the_batch(engine: TransformersEngine) -> None:
    together = engine.generate(REQUESTS, GREEDY)
    assert [engine.generate([request], GREEDY)[0] for request in REQUESTS] == together
    assert engine.generate(REQUESTS[::-1], GREEDY) == together[::-1]


def test_greedy_stays_greedy_whatever_defaults_come_with_the_model(
    tiny_model: ModelReference, engine: TransformersEngine, tmp_path: Path
) -> None:
    """Published models carry decoding defaults; a run's decoding is ours, else other engines give other tokens."""
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "copy"))
    path = folder / "generation_config.json"
    defaults = {"repetition_penalty": 5.0, "do_sample": True, "temperature": 2.0, "top_k": 5, "no_repeat_ngram_size": 1}
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **defaults}))
    other = TransformersEngine(resolve_model(str(folder)))
    assert other.generate(REQUESTS, GREEDY) == engine.generate(REQUESTS, GREEDY)


def test_a_completion_that_meets_the_limit_is_not_finished(engine: TransformersEngine) -> None:
    completion = engine.generate(REQUESTS[:1], Decoding(maximum_new_tokens=1))[0]
    assert (completion.finished, completion.completion_tokens) == (False, 1)


def test_a_completion_that_the_model_ends_is_finished_and_carries_no_end_mark(
    tiny_model: ModelReference, tokenizer: Any
) -> None:
    """Every embedding but the end token's is set to zero, so that the end token decides every step."""
    import torch

    engine = TransformersEngine(tiny_model)
    with torch.no_grad():
        weight = engine.model.get_output_embeddings().weight
        state = engine.model.model(input_ids=torch.tensor([encode_prompt(tokenizer, "Habari")])).last_hidden_state[
            0, -1
        ]
        engine.model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(weight))
        engine.model.lm_head.weight[tokenizer.eos_token_id] = state
    completion = engine.generate([Request("a", "Habari")], GREEDY)[0]
    assert (completion.text, completion.completion_tokens, completion.finished) == ("", 0, True)


def test_sampling_repeats_for_the_same_seed_whatever_ran_before(engine: TransformersEngine) -> None:
    import torch

    sampled = Decoding(maximum_new_tokens=8, temperature=1.0, seed=1)
    torch.manual_seed(1)
    first = engine.generate(REQUESTS[:3], sampled)
    torch.manual_seed(2)
    engine.generate(REQUESTS[3:], sampled)
    assert engine.generate(REQUESTS[:3], sampled) == first


def test_sampling_differs_by_seed(engine: TransformersEngine) -> None:
    one, two = (
        engine.generate(REQUESTS[:3], Decoding(maximum_new_tokens=8, temperature=1.0, seed=seed)) for seed in (1, 2)
    )
    assert [c.text for c in one] != [c.text for c in two]


def test_a_tiny_nucleus_samples_the_greedy_text(engine: TransformersEngine) -> None:
    sampled = engine.generate(REQUESTS, Decoding(maximum_new_tokens=6, temperature=1.0, top_p=1e-6))
    assert sampled == engine.generate(REQUESTS, GREEDY)


COMPLETIONS = [
    Request("a", "### Text:\nUgali\n", "ni chakula cha กี่"),
    Request("b", "", "Habari za asubuhi"),
    Request("c", "Habari", ""),
    Request("d", "### Text:\n" + "neno " * 30, "1"),
]


def test_scores_are_the_bare_models_log_probabilities_token_by_token(
    engine: TransformersEngine, bare: Any, tokenizer: Any
) -> None:
    """Where nothing stands before a completion, the end mark of another text does."""
    import torch

    for scores, request in zip(engine.score(COMPLETIONS), COMPLETIONS, strict=True):
        ids = encode_prompt(tokenizer, request.prompt) or [tokenizer.eos_token_id]
        expected = []
        for token in [*encode(tokenizer, request.completion), tokenizer.eos_token_id]:
            expected.append(float(torch.log_softmax(last_logits(bare, ids).double(), -1)[token]))
            ids = [*ids, token]
        assert scores.key == request.key
        assert scores.tokens == pytest.approx(expected[:-1], abs=1e-3)
        assert scores.end == pytest.approx(expected[-1], abs=1e-3)


def test_scores_do_not_depend_on_what_shares_the_batch(engine: TransformersEngine) -> None:
    for together, request in zip(engine.score(COMPLETIONS), COMPLETIONS, strict=True):
        alone = engine.score([request])[0]
        assert alone.tokens == pytest.approx(together.tokens, abs=1e-4)
        assert alone.end == pytest.approx(together.end, abs=1e-4)


def test_an_embedding_is_the_normalised_mean_of_the_last_states(
    engine: TransformersEngine, bare: Any, tokenizer: Any
) -> None:
    import numpy
    import torch

    vectors = engine.embed([request.prompt for request in REQUESTS])
    assert vectors.shape == (len(REQUESTS), 32)
    assert vectors.dtype == numpy.float32
    for vector, request in zip(vectors, REQUESTS, strict=True):
        with torch.inference_mode():
            states = bare.model(input_ids=torch.tensor([encode_prompt(tokenizer, request.prompt)])).last_hidden_state[0]
        mean = states.mean(0)
        assert vector == pytest.approx((mean / mean.norm()).numpy(), abs=1e-4)


def test_tokens_are_counted_as_they_are_encoded(engine: TransformersEngine, tokenizer: Any) -> None:
    assert engine.count_tokens(f"quoted {END} mark") == len(encode(tokenizer, f"quoted {END} mark"))
    assert engine.count_tokens("") == 0


def test_an_adapter_changes_the_text_and_the_fingerprint(
    tiny_model: ModelReference, engine: TransformersEngine, adapter: Path
) -> None:
    adapted = TransformersEngine(tiny_model, adapter)
    assert adapted.fingerprint != engine.fingerprint
    assert [c.text for c in adapted.generate(REQUESTS, GREEDY)] != [c.text for c in engine.generate(REQUESTS, GREEDY)]


def test_the_fingerprint_is_of_content_and_not_of_place(
    tiny_model: ModelReference, adapter: Path, tmp_path: Path
) -> None:
    moved = ModelReference("other name", Path(shutil.copytree(tiny_model.path, tmp_path / "m")), tiny_model.fingerprint)
    copied = Path(shutil.copytree(adapter, tmp_path / "a"))
    assert TransformersEngine(moved, copied).fingerprint == TransformersEngine(tiny_model, adapter).fingerprint


def test_one_changed_byte_of_an_adapter_changes_its_hash(adapter: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(adapter, tmp_path / "a"))
    assert adapter_hash(copied) == adapter_hash(adapter)
    content = bytearray((copied / "adapter_model.safetensors").read_bytes())
    content[-1] ^= 1
    (copied / "adapter_model.safetensors").write_bytes(content)
    assert adapter_hash(copied) != adapter_hash(adapter)
