"""Fixtures that more than one folder of core tests needs: a tiny random model in a folder of its own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.pocket.base_model import train_tokenizer
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES
from xinstr_core.settings import Settings


class Killed(BaseException):
    """Stands for the end of the process: no `except Exception` may swallow it."""


def take_more_than_there_is() -> None:
    """Raise what torch raises where memory runs out on a processor: in its own words, which no test makes up."""
    import torch

    torch.empty(2**50, dtype=torch.uint8)  # a pebibyte: beyond the addresses of a process


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama (hidden size 32, 2 layers, vocabulary 700) with a byte-level BPE of pocket pages."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = train_tokenizer(islice(pages(3, PHASES[0].mix), 60), vocabulary=700)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            initializer_range=0.2,  # logits far enough apart that rounding decides no greedy token
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder: Path) -> ModelReference:
    found = resolve_model(str(tiny_model_folder))
    return ModelReference("tiny", found.path, found.fingerprint)


@pytest.fixture(scope="session")
def tiny_engines(tiny_model: ModelReference) -> Engines:
    """Engines of the tiny model, under the settings' defaults."""
    return Engines(Settings(), tiny_model)


@pytest.fixture(scope="session")
def tokenizer(tiny_engines: Engines) -> Any:
    return tiny_engines.tokenizer
