"""What a written folder holds, that plain transformers and peft load it as the tuned model, and when there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.publishing.conftest import PAIRS, plain_scores, random_adapter, with_tuned_model
from tests.core.training.conftest import contents
from xinstr_core.engines import fit
from xinstr_core.engines.base import Request
from xinstr_core.engines.models import (
    ModelReference,
    load_adapted_model,
    load_trained_model,
    resolve_model,
    training_method,
)
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.publishing.model_folder import write_trained, write_whole
from xinstr_core.publishing.tuned import TunedModel

ONLY_LORA = pytest.mark.parametrize("trained", ["lora"], indirect=True)
CARD = "README.md"
TOKENIZER = ["chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def tuned(base: ModelReference, trained: Path, tmp_path: Path) -> TunedModel:
    return TunedModel.find(with_tuned_model(tmp_path / "home", base, trained), "sw")


def assert_scores(model: Any, folder: Path, tuned: TunedModel) -> None:
    """The model, with the folder's tokenizer, gives the engine's scores; these are not the base's."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    requests = [Request(text, tuned.ask(instruction), text) for instruction, text in PAIRS]
    engine, untuned = TransformersEngine(tuned.base, tuned.trained), TransformersEngine(tuned.base)
    for request, of_engine, of_base in zip(requests, engine.score(requests), untuned.score(requests), strict=True):
        found = plain_scores(model, tokenizer, request.prompt, request.completion)
        assert found == pytest.approx(of_engine.tokens, abs=1e-4)
        assert found != pytest.approx(of_base.tokens, abs=1e-2)


def test_what_was_trained_is_written_with_all_that_a_reader_needs(tuned: TunedModel, tmp_path: Path) -> None:
    write_trained(tuned, tmp_path / "new" / "folder")
    weights = (
        ["adapter_config.json", "adapter_model.safetensors"]
        if tuned.is_adapter
        else ["config.json", "model.safetensors"]
    )
    found = contents(tmp_path / "new" / "folder")
    assert sorted(found) == sorted([CARD, *TOKENIZER, *weights])
    assert {name: found[name] for name in TOKENIZER} == contents(tuned.tokenizer)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]


@ONLY_LORA
def test_peft_and_transformers_load_the_adapter(tuned: TunedModel, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "folder"
    write_trained(tuned, folder)
    base = AutoModelForCausalLM.from_pretrained(tuned.base.path)
    assert_scores(PeftModel.from_pretrained(base, folder).eval(), folder, tuned)
    # by the name of the base in adapter_config.json alone
    assert_scores(AutoModelForCausalLM.from_pretrained(folder).eval(), folder, tuned)


@ONLY_LORA
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_an_adapter_names_a_local_base_by_its_path_and_another_by_its_hub_id(
    tuned: TunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(model_name: str, folder: str) -> str:
        model = replace(tuned, figures=tuned.figures.model_copy(update={"base_model": model_name}))
        write_trained(model, tmp_path / folder)
        configuration = json.loads((tmp_path / folder / "adapter_config.json").read_text("utf-8"))
        return str(configuration["base_model_name_or_path"])

    monkeypatch.chdir(tuned.base.path.parent)
    assert named(tuned.base.path.name, "relative") == str(tuned.base.path.resolve())
    assert named("org/model", "hub") == "org/model"
    assert Path(named("pocket", "pocket")) == resolve_model("pocket").path.resolve()


@pytest.mark.parametrize("write", [write_trained, lambda tuned, folder: write_whole(tuned, folder, "float32")])
def test_two_folders_of_one_model_have_the_same_bytes(
    tuned: TunedModel, tmp_path: Path, write: Callable[[TunedModel, Path], object]
) -> None:
    write(tuned, tmp_path / "one")
    write(tuned, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_transformers_loads_the_whole_model(tuned: TunedModel, tmp_path: Path) -> None:
    import torch
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    folder = tmp_path / "folder"
    assert write_whole(tuned, folder, "float32") <= 1e-3
    found = contents(folder)
    assert sorted(found) == sorted([CARD, *TOKENIZER, "config.json", "model.safetensors"])
    assert {name: found[name] for name in TOKENIZER} == contents(tuned.tokenizer)
    assert str(tmp_path).encode() not in found["config.json"]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert model.dtype == torch.float32
    assert_scores(model, folder, tuned)
    is_tied = model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    with safe_open(folder / "model.safetensors", "pt") as tensors:
        has_output_layer = "lm_head.weight" in list(tensors.keys())
    assert (is_tied, has_output_layer) == ((True, False) if tuned.base.path.name == "tied" else (False, True))


def test_bfloat16_is_written_where_it_was_asked_for(tuned: TunedModel, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    assert 1e-3 < write_whole(tuned, tmp_path / "folder", "bfloat16") < 1
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "folder")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@ONLY_LORA
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_merge_that_lost_the_adapter_is_not_written(
    tuned: TunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Any
) -> None:
    import peft

    monkeypatch.setattr(peft.PeftModel, "merge_and_unload", lambda model: model.unload(), raising=False)
    with pytest.raises(InputError, match=r"^the model merged in memory is not the tuned one: .* nothing was written"):
        write_whole(tuned, tmp_path / "out" / "folder", precision)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_file_that_is_not_what_was_merged_is_not_kept(
    tuned: TunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Any
) -> None:
    from transformers import PreTrainedModel

    save = PreTrainedModel.save_pretrained

    def spoiled(model: Any, folder: Path, **options: Any) -> None:
        before = model.model.norm.weight.data.clone()
        model.model.norm.weight.data *= 1.5
        save(model, folder, **options)
        model.model.norm.weight.data = before

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", spoiled)
    with pytest.raises(InputError, match=r"^the model loaded again is not the tuned one: .* nothing was written"):
        write_whole(tuned, tmp_path / "out" / "folder", precision)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_an_adapter_of_the_output_layer_is_not_merged_into_the_embeddings(base: ModelReference, tmp_path: Path) -> None:
    adapter = random_adapter(base, tmp_path / "adapter", ["lm_head"])
    tuned = TunedModel.find(with_tuned_model(tmp_path / "home", base, adapter), "sw")
    with pytest.raises(InputError, match="is not the tuned one"):
        write_whole(tuned, tmp_path / "out" / "folder", "float32")
    assert list((tmp_path / "out").iterdir()) == []


@ONLY_LORA
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_a_folder_with_anything_in_it_is_left_alone(tuned: TunedModel, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", "utf-8")
    (tmp_path / "file").write_text("mine", "utf-8")
    for name, said in (("full", "exists and is not empty"), ("file", "is a file"), ("file/below", "is a file")):
        with pytest.raises(InputError, match=f"{said}: give the name of a new folder"):
            write_trained(tuned, tmp_path / name)
    assert contents(tmp_path / "full") == {"mine.txt": b"mine"}


@ONLY_LORA
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_an_empty_folder_is_filled_and_what_a_killed_run_left_beside_it_goes(tuned: TunedModel, tmp_path: Path) -> None:
    (tmp_path / "out" / "folder").mkdir(parents=True)
    left = tmp_path / "out" / ".folder.xinstr-unfinished"
    left.mkdir()
    (left / "half.safetensors").write_bytes(b"ha")
    write_trained(tuned, tmp_path / "out" / "folder")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["folder"]
    assert not (tmp_path / "out" / "folder" / "half.safetensors").exists()


@ONLY_LORA
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_a_model_that_memory_cannot_hold_is_refused_before_it_is_loaded(
    tuned: TunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "free_memory", lambda: 1000)
    monkeypatch.setattr("xinstr_core.engines.merging.load_causal_model", None)
    with pytest.raises(InputError, match=r" in float32 takes 0\.0 GiB, and 0\.0 GiB are free"):
        write_whole(tuned, tmp_path / "out" / "folder", "float32")
    assert list((tmp_path / "out").iterdir()) == []


@ONLY_LORA
@pytest.mark.parametrize("base", ["tied"], indirect=True)
def test_the_terms_of_the_base_go_with_what_was_made_of_it_and_everybody_may_read_it(
    tuned: TunedModel, tmp_path: Path
) -> None:
    terms = tuned.base.path / "NOTICE"
    terms.write_text("as you like", "utf-8")
    try:
        write_whole(tuned, tmp_path / "folder", "float32")
    finally:
        terms.unlink()
    assert (tmp_path / "folder" / "NOTICE").read_text("utf-8") == "as you like"
    modes = {
        path.stat().st_mode for path in (tmp_path / "folder").iterdir() if path.suffix in (".json", ".safetensors")
    }
    assert len(modes) == 1


@ONLY_LORA
@pytest.mark.parametrize("width", [16, 64])
def test_an_adapter_of_another_base_is_told_in_one_line(
    trained: Path, base: ModelReference, tmp_path: Path, width: int
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    assert training_method(trained) == "lora"
    configuration = AutoConfig.from_pretrained(base.path)
    configuration.hidden_size, configuration.head_dim = width, width // 2
    other = Path(shutil.copytree(base.path, tmp_path / "other"))
    AutoModelForCausalLM.from_config(configuration).save_pretrained(other)
    for load in (load_trained_model, load_adapted_model):
        with pytest.raises(
            InputError, match=r"^the adapter in .* does not fit base model .*: give that one, or build it anew$"
        ):
            load(resolve_model(str(other)), trained)
