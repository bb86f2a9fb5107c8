"""Where a model comes from, what identifies it, and that nothing in its folder runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from xinstr_core.engines.models import (
    ModelReference,
    check_model,
    load_causal_model,
    load_tokenizer,
    load_trained_model,
    resolve_model,
)
from xinstr_core.errors import InputError


@pytest.fixture
def copied(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may break."""
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "copy"))


def reference(folder: Path) -> ModelReference:
    return ModelReference("mine", folder, "any")


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


def test_the_same_files_in_another_folder_are_the_same_model(tiny_model_folder: Path, copied: Path) -> None:
    assert resolve_model(str(copied)).fingerprint == resolve_model(str(tiny_model_folder)).fingerprint
    assert resolve_model(str(copied)).path == copied


def test_one_changed_byte_of_the_weights_makes_another_model(copied: Path) -> None:
    before = resolve_model(str(copied)).fingerprint
    weights = copied / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert resolve_model(str(copied)).fingerprint != before


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_a_changed_description_makes_another_model(copied: Path, name: str) -> None:
    before = resolve_model(str(copied)).fingerprint
    edit(copied / name, note="changed")
    assert resolve_model(str(copied)).fingerprint != before


@pytest.mark.parametrize("name", ["tokenizer.model", "vocab.txt", "merges.txt", "chat_template.jinja"])
def test_a_changed_tokenizer_file_that_is_no_json_makes_another_model(copied: Path, name: str) -> None:
    """Sentencepiece models, merge lists and chat templates are downloaded and loaded, so they belong to what a model is."""
    (copied / name).write_bytes(b"#version: 0.2\na b\n")
    before = resolve_model(str(copied)).fingerprint
    (copied / name).write_bytes(b"#version: 0.2\nb a\n")
    assert resolve_model(str(copied)).fingerprint != before


def test_a_read_me_does_not_make_another_model(copied: Path) -> None:
    before = resolve_model(str(copied)).fingerprint
    (copied / "README.md").write_text("new words")
    assert resolve_model(str(copied)).fingerprint == before


def test_a_folder_without_configuration_is_refused_by_name(copied: Path) -> None:
    (copied / "config.json").unlink()
    with pytest.raises(InputError, match=rf"{re.escape(str(copied))} has no config\.json"):
        resolve_model(str(copied))


def test_pickled_weights_alone_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no \.safetensors weights; convert"):
        resolve_model(str(copied))


@pytest.mark.parametrize("name", ["/no/such/folder", "a/b/c", "../up", "with space", "", "org//model"])
def test_a_name_that_can_be_no_model_is_an_input_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="base model"):
        resolve_model(name)


def test_a_hub_name_that_cannot_be_fetched_is_an_input_error() -> None:
    with pytest.raises(InputError, match="'nobody/nothing': there is no such directory, and the hub gave no model"):
        resolve_model("nobody/nothing")


def test_weights_are_loaded_in_float32_and_evaluation_mode(tiny_model: ModelReference, copied: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    halves = {name: tensor.half() for name, tensor in load_file(copied / "model.safetensors").items()}
    save_file(halves, copied / "model.safetensors", metadata={"format": "pt"})
    edit(copied / "config.json", dtype="float16")
    model = load_causal_model(reference(copied))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training
    expected = load_causal_model(tiny_model).get_input_embeddings().weight.half().float()
    assert torch.equal(model.get_input_embeddings().weight, expected)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\x00" * 64], ids=["empty", "text", "zeros"])
def test_broken_weights_are_an_input_error(copied: Path, content: bytes) -> None:
    (copied / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="base model 'mine' cannot be loaded"):
        load_causal_model(reference(copied))


def test_weights_cut_off_in_a_copy_are_an_input_error(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="base model 'mine' cannot be loaded"):
        load_causal_model(reference(copied))


@pytest.mark.parametrize("content", ["{", "[]", '"llama"', '{"model_type": "unheard-of"}', "{}"])
def test_a_broken_configuration_is_an_input_error(copied: Path, content: str) -> None:
    (copied / "config.json").write_text(content)
    with pytest.raises(InputError, match="base model 'mine' cannot be loaded"):
        load_causal_model(reference(copied))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_broken_tokenizer_is_an_input_error(copied: Path, content: str) -> None:
    (copied / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match="base model 'mine': its tokenizer cannot be read"):
        load_tokenizer(reference(copied))


def test_a_model_without_a_tokenizer_is_an_input_error(copied: Path) -> None:
    (copied / "tokenizer.json").unlink()
    (copied / "tokenizer_config.json").unlink()
    with pytest.raises(InputError, match="base model 'mine': its tokenizer cannot be read"):
        load_tokenizer(reference(copied))


@pytest.mark.parametrize("model_type", ["llama", "evil"])
def test_code_that_comes_with_a_model_does_not_run(copied: Path, tmp_path: Path, model_type: str) -> None:
    """The model is loaded with the library's own class, or refused; its module is never imported."""
    witness = tmp_path / "it-ran"
    (copied / "evil.py").write_text(f"open({str(witness)!r}, 'w').close()\nclass Evil: pass\n")
    remote = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}
    edit(copied / "config.json", model_type=model_type, auto_map=remote)
    edit(copied / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]})
    for load in (load_causal_model, load_tokenizer):
        try:
            load(reference(copied))
        except InputError:
            assert model_type == "evil"
    assert not witness.exists()


def test_a_tokenizer_without_a_pad_token_pads_with_the_end_token(copied: Path) -> None:
    configuration = json.loads((copied / "tokenizer_config.json").read_text("utf-8"))
    del configuration["pad_token"]
    (copied / "tokenizer_config.json").write_text(json.dumps(configuration))
    loaded = load_tokenizer(reference(copied))
    assert loaded.pad_token_id == loaded.eos_token_id == loaded.convert_tokens_to_ids("<|endoftext|>")


def test_a_tokenizer_keeps_the_pad_token_it_has(tiny_model: ModelReference) -> None:
    loaded = load_tokenizer(tiny_model)
    assert loaded.pad_token_id == loaded.convert_tokens_to_ids("<|pad|>") != loaded.eos_token_id


def test_a_tokenizer_without_an_end_token_is_an_input_error(copied: Path) -> None:
    """A model that cannot be taught to stop is of no use, and its rows would have a label of None."""
    configuration = json.loads((copied / "tokenizer_config.json").read_text("utf-8"))
    del configuration["eos_token"]
    (copied / "tokenizer_config.json").write_text(json.dumps(configuration))
    with pytest.raises(InputError, match="end"):
        load_tokenizer(reference(copied))


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors"])
def test_a_trained_model_without_one_of_its_files_is_an_input_error_that_names_base_and_folder(
    tiny_model: ModelReference, copied: Path, lost: str
) -> None:
    (copied / lost).unlink()
    with pytest.raises(InputError, match="base model 'tiny, trained: copy' cannot be loaded"):
        load_trained_model(tiny_model, copied)


def test_a_tokenizer_that_gives_more_ids_than_there_are_embeddings_is_an_input_error(copied: Path) -> None:
    check_model(reference(copied))
    size = json.loads((copied / "config.json").read_text("utf-8"))["vocab_size"]
    edit(copied / "config.json", vocab_size=size - 1)
    with pytest.raises(InputError, match=rf"ids up to {size - 1}, and it has embeddings for {size - 1} tokens"):
        check_model(reference(copied))


def test_a_control_token_beyond_the_embeddings_is_none_that_text_could_give(copied: Path) -> None:
    """Gemma 3's tokenizer has a mark of an image, for which its text models have no embedding."""
    tokenizer = load_tokenizer(reference(copied))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.save_pretrained(copied)
    check_model(reference(copied))
