"""What `make real-models` leaves are the models they are called: they load, know what they should, and end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from real_models import MODELS, REAL_MODELS, SOURCE, RealModel, is_whole

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import (
    ModelReference,
    check_model,
    load_causal_model,
    load_prompt_format,
    load_tokenizer,
    resolve_model,
)
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.prompts.render import Rendered, prompt
from xinstr_core.training.rows import IGNORED, Example, build_rows

pytestmark = pytest.mark.real


def tied(model: Any) -> bool:
    return bool(model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr())


@pytest.mark.parametrize("model", REAL_MODELS, ids=lambda model: model.name)
def test_a_folder_is_what_its_source_file_says(model: RealModel) -> None:
    folder = MODELS / model.name
    if not (folder / SOURCE).is_file():
        pytest.skip(f"models/{model.name} is missing: make real-models")
    assert is_whole(model, folder)
    assert all((folder / Path(name).name).is_file() for name in model.terms_files)


def test_gemma_goes_on_in_indonesian_and_finnish(gemma: ModelReference) -> None:
    engine = TransformersEngine(gemma)
    assert tied(engine.model)
    requests = [Request("id", "Ibu kota Indonesia adalah"), Request("fi", "Suomen pääkaupunki on")]
    written = {completion.key: completion.text for completion in engine.generate(requests, Decoding(5))}
    assert written["id"].startswith(" kota yang indah")
    assert written["fi"].startswith(" yksi Suomen suurimm")


def test_gemma_keeps_its_special_tokens(gemma: ModelReference) -> None:
    check_model(gemma)
    tokenizer = load_tokenizer(gemma)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in ("<pad>", "<eos>", "<bos>", "<unk>")}
    assert ids == {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3}
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id) == (0, 1, 2)
    assert tokenizer.convert_ids_to_tokens(tokenizer("Hei,  maailma\n\n12").input_ids) == [
        "<bos>", "Hei", ",", "▁▁", "ma", "ail", "ma", "\n\n", "1", "2",
    ]  # fmt: skip
    assert tokenizer.chat_template is None


def test_smollm2_answers_in_its_chat_format_and_ends(smollm2: ModelReference) -> None:
    model, tokenizer = load_causal_model(smollm2), load_tokenizer(smollm2)
    assert tied(model)
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert tokenizer.decode(prompt["input_ids"][0]) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    )
    written = model.generate(**prompt, max_new_tokens=20, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(written) == "The capital of France is Paris.<|im_end|>"


def test_smollm2_keeps_its_special_tokens_and_splits_numbers_first(smollm2: ModelReference) -> None:
    check_model(smollm2)
    tokenizer = load_tokenizer(smollm2)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>", "<|im_end|>", "<|im_end|>",
    )  # fmt: skip
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)
    assert tokenizer.convert_ids_to_tokens(tokenizer("List:\n\n12").input_ids) == ["List", ":", "ĊĊ", "1", "2"]


def test_minilm_finds_the_sentence_that_says_the_same(minilm: Path) -> None:
    pytest.importorskip("sentence_transformers")
    from xinstr_core.engines.encoders import load_encoder

    encode = load_encoder(str(minilm))
    vectors = encode(["How do I bake bread?", "A recipe for a loaf.", "The match ended in a draw."])
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


ASKED = prompt("response_web").render(instruction="What is ugali?", language="Swahili")


def test_smollm2_is_asked_in_its_own_turns_and_learns_its_reply_with_the_turn_s_end(smollm2: ModelReference) -> None:
    asked = resolve_model(str(smollm2.path), "float32", "auto")
    tokenizer = load_tokenizer(asked)
    [row], rejected = build_rows(load_prompt_format(asked, tokenizer), [Example("k", ASKED, "Ugali ni chakula.")], 100)
    assert rejected == []
    assert tokenizer.convert_ids_to_tokens(row.input_ids) == [
        "<|im_start|>", "system", "Ċ", "You", "Ġare", "Ġa", "Ġhelpful", "ĠAI", "Ġassistant", "Ġnamed", "ĠSm", "ol", "LM", ",",
        "Ġtrained", "Ġby", "ĠH", "ugging", "ĠFace", "<|im_end|>", "Ċ",
        "<|im_start|>", "user", "Ċ", "What", "Ġis", "Ġu", "gal", "i", "?", "Ċ", "Answer", "Ġin", "ĠSwahili", ".", "<|im_end|>", "Ċ",
        "<|im_start|>", "ass", "istant", "Ċ", "U", "gal", "i", "Ġni", "Ġch", "ak", "ula", ".", "<|im_end|>",
    ]  # fmt: skip
    labels = [IGNORED if label == IGNORED else tokenizer.convert_ids_to_tokens(label) for label in row.labels]
    assert labels == [IGNORED] * 41 + ["U", "gal", "i", "Ġni", "Ġch", "ak", "ula", ".", "<|im_end|>"]


def test_smollm2_answers_in_chat_and_ends_its_turn(smollm2: ModelReference) -> None:
    asked = resolve_model(str(smollm2.path), "float32", "auto")
    question = Rendered("", "What is the capital of France?")
    [reply] = TransformersEngine(asked).generate([Request("a", question)], Decoding(20))
    assert (reply.text, reply.finished) == ("The capital of France is Paris.", True)
