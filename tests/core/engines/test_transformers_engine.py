"""The engine's numbers are those of the bare model, row by row, whatever shares the batch."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.engines.models import ModelReference, adapter_hash, load_causal_model, resolve_model
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.pocket.base_model import END
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES
from xinstr_core.progress import silent

TEXTS = [
    *islice(pages(11, PHASES[0].mix), 4),
    "Habari",
    f"quoted {END} mark",
    "### Text:\nกี่ น้ำ\n\n### English Instruction:\n",
]
REQUESTS = [Request(f"key-{i}", text[:120]) for i, text in enumerate(TEXTS)]
GREEDY = Decoding(maximum_new_tokens=6)
SAMPLED = Decoding(maximum_new_tokens=8, temperature=1.0, top_p=0.95, seed=1)
PENALISED = Decoding(maximum_new_tokens=6, repetition_penalty=1.3)
OPENINGS = ["", "Je, ni", " How do I  ", f"quoted {END} mark", "กี่ น้ำ", "\n", "Is it so ? I do n't"]
OPENED = [Request(request.key, request.prompt, opening) for request, opening in zip(REQUESTS, OPENINGS, strict=True)]


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


def greedy_ids(model: Any, ids: list[int], steps: int, end: int, penalty: float = 1.0) -> list[int]:
    """Greedy decoding by its definition: the most likely token, again and again, without cache."""
    written: list[int] = []
    for _ in range(steps):
        logits = last_logits(model, ids + written).clone()
        for token in set(written):
            logits[token] *= penalty if logits[token] < 0 else 1 / penalty
        token = int(logits.argmax())
        if token == end:
            break
        written.append(token)
    return written


@pytest.mark.parametrize("decoding", [GREEDY, PENALISED], ids=["greedy", "penalised"])
@pytest.mark.parametrize("requests", [REQUESTS, OPENED], ids=["prompts", "openings"])
def test_greedy_text_is_the_most_likely_token_again_and_again(
    engine: TransformersEngine, bare: Any, tokenizer: Any, requests: list[Request], decoding: Decoding
) -> None:
    """After prompt and opening; tokens are counted without the opening, which nobody wrote."""
    steps, penalty = decoding.maximum_new_tokens, decoding.repetition_penalty
    for completion, request in zip(engine.generate(requests, decoding), requests, strict=True):
        prompt, opening = encode_prompt(tokenizer, request.prompt), encode(tokenizer, request.completion)
        expected = greedy_ids(bare, prompt + opening, steps, tokenizer.eos_token_id, penalty)
        assert completion.text == tokenizer.decode(opening + expected, skip_special_tokens=True)
        assert completion.text.startswith(request.completion)
        assert completion.key == request.key
        assert completion.prompt_tokens == len(prompt)
        assert completion.completion_tokens == len(expected)
        assert completion.finished == (len(expected) < steps)


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED, PENALISED], ids=["greedy", "sampled", "penalised"])
@pytest.mark.parametrize("requests", [REQUESTS, OPENED], ids=["prompts", "openings"])
def test_text_does_not_depend_on_what_shares_the_batch(
    engine: TransformersEngine, requests: list[Request], decoding: Decoding
) -> None:
    together = engine.generate(requests, decoding)
    assert [engine.generate([request], decoding)[0] for request in requests] == together
    assert engine.generate(requests[::-1], decoding) == together[::-1]
    assert engine.generate(requests[2:5], decoding) == together[2:5]


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_an_opening_changes_what_follows_and_no_other_row(engine: TransformersEngine, decoding: Decoding) -> None:
    plain, opened = engine.generate(REQUESTS, decoding), engine.generate(OPENED, decoding)
    same = [one == other for one, other in zip(plain, opened, strict=True)]
    assert same == [request.completion == "" for request in OPENED]


def test_an_opening_stays_as_it_is_whatever_a_models_tokenizer_would_tidy(
    tiny_model: ModelReference, tmp_path: Path
) -> None:
    """Published tokenizers may join "so ?" when they decode."""
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "copy"))
    path = folder / "tokenizer_config.json"
    tidy = {
        "clean_up_tokenization_spaces": True,
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True,
    }
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **tidy}))
    engine = TransformersEngine(resolve_model(str(folder)))
    for request, completion in zip(OPENED, engine.generate(OPENED, GREEDY), strict=True):
        assert completion.text.startswith(request.completion)


def test_an_empty_prompt_is_read_as_the_end_of_another_text(engine: TransformersEngine, bare: Any) -> None:
    import torch

    tokenizer = engine._tokenizer
    end = tokenizer.eos_token_id
    nothing = Request("nothing", "")
    written = greedy_ids(bare, [end], GREEDY.maximum_new_tokens, end)
    for batch in ([nothing], [REQUESTS[0], nothing]):
        assert engine.generate(batch, GREEDY)[-1].text == tokenizer.decode(written)
        ids = [encode(tokenizer, label)[0] for label in LABELS]
        expected = torch.log_softmax(last_logits(bare, [end]).double(), -1)[ids].tolist()
        assert engine.score_labels(batch, LABELS)[-1].labels == pytest.approx(expected, abs=1e-3)
        with torch.inference_mode():
            state = bare.model(input_ids=torch.tensor([[end]])).last_hidden_state[0, 0]
        vector = engine.embed([request.prompt for request in batch])[-1]
        assert vector == pytest.approx((state / state.norm()).numpy(), abs=1e-4)


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


def test_rows_that_end_early_leave_the_samples_of_the_others_alone(tiny_model: ModelReference, tokenizer: Any) -> None:
    """Every step writes x, y or the end, with probabilities 1/2, 1/4 and 1/4."""
    import torch

    engine = TransformersEngine(tiny_model)
    kinds = [*(encode(tokenizer, letter)[0] for letter in "xy"), tokenizer.eos_token_id]

    def fixed(module: Any, given: Any, output: Any) -> Any:
        output.logits = torch.full_like(output.logits, -torch.inf)
        output.logits[..., kinds] = torch.tensor([0.5, 0.25, 0.25]).log()
        return output

    engine.model.register_forward_hook(fixed)
    requests = [Request(f"row-{i}", "Habari") for i in range(400)]
    decoding = Decoding(maximum_new_tokens=6, temperature=1.0)
    completions = engine.generate(requests, decoding)
    for completion in completions:
        assert set(completion.text) <= {"x", "y"}
        assert completion.completion_tokens == len(completion.text)
        assert completion.finished or len(completion.text) == 6
    lengths = [len(completion.text) for completion in completions if completion.finished]
    for length in range(6):  # (3/4)^length * 1/4 of 400, within four standard deviations
        share = 0.75**length / 4
        assert abs(lengths.count(length) - 400 * share) < 4 * (400 * share * (1 - share)) ** 0.5
    assert engine.generate(requests[:20], decoding) == completions[:20]
    assert [engine.generate([request], decoding)[0] for request in requests[:5]] == completions[:5]


def test_sampling_repeats_for_the_same_seed_whatever_ran_before(engine: TransformersEngine) -> None:
    import torch

    torch.manual_seed(1)
    first = engine.generate(REQUESTS[:3], SAMPLED)
    torch.manual_seed(2)
    engine.generate(REQUESTS[3:], SAMPLED)
    assert engine.generate(REQUESTS[:3], SAMPLED) == first


def test_sampling_differs_by_seed_and_by_key(engine: TransformersEngine) -> None:
    def texts(key: str, seed: int) -> list[str]:
        asked = [Request(f"{key}-{request.key}", request.prompt) for request in REQUESTS[:3]]
        return [c.text for c in engine.generate(asked, Decoding(maximum_new_tokens=8, temperature=1.0, seed=seed))]

    assert texts("a", 1) == texts("a", 1)
    assert texts("a", 1) != texts("a", 2)
    assert texts("a", 1) != texts("b", 1)


@pytest.mark.parametrize("decoding", [Decoding(6, temperature=1.0, top_p=1e-6), Decoding(6, temperature=1e-6)], ids=str)
def test_a_tiny_nucleus_or_temperature_samples_the_greedy_text(engine: TransformersEngine, decoding: Decoding) -> None:
    assert engine.generate(OPENED, decoding) == engine.generate(OPENED, GREEDY)


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


LABELS = ("1", "2", "3")


def test_label_scores_are_the_bare_models_log_probabilities_of_the_next_token(
    engine: TransformersEngine, bare: Any, tokenizer: Any
) -> None:
    import torch

    ids = [encode(tokenizer, label)[0] for label in LABELS]
    for scores, request in zip(engine.score_labels(REQUESTS, LABELS), REQUESTS, strict=True):
        logits = last_logits(bare, encode_prompt(tokenizer, request.prompt))
        assert scores.key == request.key
        assert scores.labels == pytest.approx(torch.log_softmax(logits.double(), -1)[ids].tolist(), abs=1e-3)


def test_label_scores_do_not_depend_on_what_shares_the_batch(engine: TransformersEngine) -> None:
    for together, request in zip(engine.score_labels(REQUESTS, LABELS), REQUESTS, strict=True):
        assert engine.score_labels([request], LABELS)[0].labels == pytest.approx(together.labels, abs=1e-4)


def test_label_scores_come_in_the_order_of_the_labels(engine: TransformersEngine) -> None:
    one, other = (engine.score_labels(REQUESTS, labels) for labels in (LABELS, LABELS[::-1]))
    assert [scores.labels for scores in one] == [scores.labels[::-1] for scores in other]


@pytest.mark.parametrize("labels", [("1", "2", "1"), ("good", "good enough")])
def test_labels_that_begin_alike_are_refused(engine: TransformersEngine, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="do not differ in their first token"):
        engine.score_labels(REQUESTS, labels)


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


def test_padding_takes_no_place_in_a_model_of_absolute_positions(tokenizer: Any, tmp_path: Path) -> None:
    """A short row is padded on its left; such a model would otherwise read it as the end of a long text."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=512, n_embd=32, n_layer=2, n_head=2, initializer_range=1.0
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    reference = resolve_model(str(tmp_path))
    engine, bare = TransformersEngine(reference), load_causal_model(reference)
    long, short = Request("long", "neno " * 60, "tena"), Request("short", "Habari", "1")
    ids = encode_prompt(tokenizer, short.prompt)

    shares = torch.log_softmax(last_logits(bare, ids).double(), -1)
    labels = [encode(tokenizer, label)[0] for label in LABELS]
    assert engine.score_labels([long, short], LABELS)[1].labels == pytest.approx(shares[labels].tolist(), abs=1e-3)
    (one,) = encode(tokenizer, "1")
    assert engine.score([long, short])[1].tokens == pytest.approx((float(shares[one]),), abs=1e-3)
    written = greedy_ids(bare, [*ids, one], GREEDY.maximum_new_tokens, tokenizer.eos_token_id)
    assert engine.generate([long, short], GREEDY)[1].text == "1" + tokenizer.decode(written)
    with torch.inference_mode():
        mean = bare(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0].mean(0)
    assert engine.embed([long.prompt, short.prompt])[1] == pytest.approx((mean / mean.norm()).numpy(), abs=1e-4)


def test_tokens_are_counted_as_they_are_encoded(engine: TransformersEngine, tokenizer: Any) -> None:
    assert engine.count_tokens(f"quoted {END} mark") == len(encode(tokenizer, f"quoted {END} mark"))
    assert engine.count_tokens("") == 0


def test_an_adapter_changes_the_text(tiny_model: ModelReference, engine: TransformersEngine, adapter: Path) -> None:
    adapted = TransformersEngine(tiny_model, adapter)
    assert [c.text for c in adapted.generate(REQUESTS, GREEDY)] != [c.text for c in engine.generate(REQUESTS, GREEDY)]


def test_the_hash_of_an_adapter_is_of_content_and_not_of_place(adapter: Path, tmp_path: Path) -> None:
    assert adapter_hash(Path(shutil.copytree(adapter, tmp_path / "a"))) == adapter_hash(adapter)


def test_one_changed_byte_of_an_adapter_changes_its_hash(adapter: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(adapter, tmp_path / "a"))
    assert adapter_hash(copied) == adapter_hash(adapter)
    content = bytearray((copied / "adapter_model.safetensors").read_bytes())
    content[-1] ^= 1
    (copied / "adapter_model.safetensors").write_bytes(content)
    assert adapter_hash(copied) != adapter_hash(adapter)


def generated(engine: TransformersEngine, requests: list[Request], folder: Path) -> Rows:
    schema = pl.Schema({KEY: pl.String, "text": pl.String})

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return pl.DataFrame([(c.key, c.text) for c in engine.generate(batch, SAMPLED)], schema=schema, orient="row")

    return run_rows(lambda: engine, requests, work, RowLog.open(folder, schema), batch_rows=4, progress=silent)


@pytest.mark.parametrize("place", ["prompt", "opening"])
@pytest.mark.parametrize("bad", range(len(REQUESTS)))
def test_invalid_unicode_in_a_row_costs_that_row_only(
    engine: TransformersEngine, tmp_path: Path, bad: int, place: str
) -> None:
    row = REQUESTS[bad]
    broken = f"{row.prompt[:-1]}\ud800"  # of the same length, so that it shares its batch with the same rows
    spoilt = Request(row.key, broken) if place == "prompt" else Request(row.key, row.prompt, broken)
    found = generated(engine, [*REQUESTS[:bad], spoilt, *REQUESTS[bad + 1 :]], tmp_path / "spoilt")
    whole = generated(engine, REQUESTS, tmp_path / "whole").done
    assert found.done.equals(whole.filter(pl.col(KEY) != row.key))
    assert list(found.failed) == [row.key]
    found.failed[row.key].encode()  # a reason that can be stored
