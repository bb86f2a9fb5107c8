"""Folders of real models with a random adapter: the whole model is the adapter beside its base, tied as the base is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.publishing.conftest import random_adapter, with_tuned_model
from xinstr_core.engines.encoding import encode_prompt
from xinstr_core.engines.models import ModelReference, load_tokenizer
from xinstr_core.engines.tokenizer_files import as_typed
from xinstr_core.publishing.model_folder import write_trained, write_whole
from xinstr_core.publishing.tuned import TunedModel

pytestmark = pytest.mark.real

ASKED = ("What is the capital of Finland?", "Kuka kirjoitti Kalevalan?", "Eleza jinsi ya kupika ugali.")


@pytest.fixture(scope="module", params=["gemma", "smollm2"])
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TunedModel:
    base: ModelReference = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    return TunedModel.find(with_tuned_model(folder / "home", base, random_adapter(base, folder / "adapter")), "sw")


@pytest.fixture(scope="module")
def adapted(tuned: TunedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The folder with the adapter, and the logits of the model that peft makes of it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("written") / "adapter"
    write_trained(tuned, folder)
    base = AutoModelForCausalLM.from_pretrained(tuned.base.path, dtype=torch.float32)
    untuned = logits(base.eval(), folder, tuned)
    found = logits(PeftModel.from_pretrained(base, folder).eval(), folder, tuned)
    assert min(difference(untuned, found)) > 1  # so that a lost adapter is seen
    return folder, found


def logits(model: Any, folder: Path, tuned: TunedModel) -> list[Any]:
    """Of prompts as plain transformers reads them."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [tokenizer(as_typed(folder, tuned.ask(asked)), return_tensors="pt")["input_ids"] for asked in ASKED]
    with torch.inference_mode():
        return [model(input_ids=row).logits for row in rows]


def difference(one: list[Any], other: list[Any]) -> list[float]:
    return [float((left - right).abs().max()) for left, right in zip(one, other, strict=True)]


def test_the_whole_model_is_the_adapter_beside_its_base_and_stays_tied(
    tuned: TunedModel, adapted: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    from safetensors import safe_open
    from transformers import AutoModelForCausalLM

    assert write_whole(tuned, tmp_path / "whole", "float32") <= 1e-3
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "whole").eval()
    _, beside = adapted
    assert max(difference(logits(model, tmp_path / "whole", tuned), beside)) <= 1e-3
    assert model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    with safe_open(tmp_path / "whole" / "model.safetensors", "pt") as tensors:
        assert "lm_head.weight" not in list(tensors.keys())


def test_a_reader_of_the_folder_has_the_tokens_the_template_and_the_end(
    tuned: TunedModel, adapted: tuple[Path, list[Any]]
) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    folder, _ = adapted
    ours, plain = load_tokenizer(tuned.base), AutoTokenizer.from_pretrained(folder)
    for asked in ASKED:
        prompt = tuned.ask(asked)
        assert plain(as_typed(folder, prompt))["input_ids"] == encode_prompt(ours, prompt)
    assert plain.chat_template == ours.chat_template
    assert GenerationConfig.from_pretrained(folder).eos_token_id == ours.eos_token_id
