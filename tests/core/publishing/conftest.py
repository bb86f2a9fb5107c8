"""A language with a tuned model that nothing had to be built for: random adapters and weights on a base, as trainings leave them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.engines.models import ModelReference, load_causal_model, load_tokenizer, resolve_model
from xinstr_core.engines.tokenizer_files import write_tokenizer
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.tuned_model import TunedFigures
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

REGISTRY = '[sw]\nname = "Swahili"\nscript = "Latn"\n\n[fi]\nname = "Finnish"\nscript = "Latn"\n'
INSTRUCTIONS = ("What is ugali?", "Who eats pilau on Sundays?", "Where does the river begin?")
PAIRS = [("What is chapati?", "Chapati ni mkate."), ("Who cooks?", "Mama anapika ugali na samaki.")]


def random_adapter(base: ModelReference, folder: Path, targets: Any = "all-linear") -> Path:
    """A LoRA adapter of rank 4 that moves logits by whole units, as a training leaves one."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    configuration = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM")
    model = get_peft_model(load_causal_model(base), configuration)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.02)
    model.peft_config["default"].base_model_name_or_path = "base"
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    (folder / "training.json").write_text("{}", "utf-8")
    return folder


def random_weights(base: ModelReference, folder: Path) -> Path:
    """All weights of the base, each moved a little."""
    import torch

    torch.manual_seed(1)
    model = load_causal_model(base)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    (folder / "training.json").write_text("{}", "utf-8")
    return folder


def with_tuned_model(home: Path, base: ModelReference, trained: Path, seed_rows: int = 0) -> Workspace:
    """A home where Swahili has a tuned model: `base` with what is in `trained`."""
    home.mkdir(exist_ok=True)
    (home / "languages.toml").write_text(REGISTRY, "utf-8")
    workspace = Workspace(home)
    tokenizer = home / "tokenizer"
    write_tokenizer(base, load_tokenizer(base), tokenizer)
    figures = TunedFigures(
        rows=2,
        tokens_seen=20,
        losses=[],
        rejected_rows=[],
        curated_rows=2 - seed_rows,
        seed_rows=seed_rows,
        seed_rows_by_origin={},
        base_model=str(base.path),
        base_model_fingerprint=base.fingerprint,
        prompt_format=base.prompt_format,
        system_text=base.system_text,
        data_fingerprint="data",
    )
    folders = {"adapter": Path(shutil.copytree(trained, home / "adapter")), "tokenizer": tokenizer}
    workspace.store.commit("tuned_model", "sw", "f", {}, StageOutput(folders=folders, figures=figures))
    selected = pl.DataFrame({"pair_id": [*"abc"], "instruction": INSTRUCTIONS})
    workspace.store.commit("diversified_set", "sw", "f", {}, StageOutput({SELECTED.name: selected}))
    return workspace


def plain_scores(model: Any, tokenizer: Any, prompt: str, completion: str) -> list[float]:
    """Natural log-probabilities of a completion's tokens, by nothing but the model that transformers loaded."""
    import torch

    before, ids = encode_prompt(tokenizer, prompt), encode(tokenizer, completion)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([before + ids])).logits[0, len(before) - 1 : -1]
    return torch.log_softmax(logits.double(), -1).gather(1, torch.tensor(ids).unsqueeze(1)).squeeze(1).tolist()


@pytest.fixture(scope="session", params=["tied", "untied"])
def base(request: pytest.FixtureRequest, tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny model, with an output layer that is its embeddings and with one of its own, and with a chat template."""
    import torch

    folder = Path(shutil.copytree(tiny_model_folder, tmp_path_factory.mktemp("bases") / request.param))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}", "utf-8")
    if request.param == "untied":
        configuration = json.loads((folder / "config.json").read_text("utf-8"))
        (folder / "config.json").write_text(json.dumps({**configuration, "tie_word_embeddings": False}), "utf-8")
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        torch.manual_seed(2)
        model.lm_head.weight.data.normal_(std=0.2)
        model.save_pretrained(folder)
    return resolve_model(str(folder))


@pytest.fixture(scope="session", params=["lora", "full"])
def trained(request: pytest.FixtureRequest, base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training by each method leaves."""
    method: Literal["lora", "full"] = request.param
    folder = tmp_path_factory.mktemp("trained") / method
    return random_adapter(base, folder) if method == "lora" else random_weights(base, folder)
