"""The real pretrained models, where `make real-models` has put them; a test that asks for a missing one is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_models import GEMMA, MINILM, MODELS, SMOLLM2, SOURCE, RealModel

from xinstr_core.engines.models import ModelReference, resolve_model


def real_folder(model: RealModel) -> Path:
    folder = MODELS / model.name
    if not (folder / SOURCE).is_file():
        pytest.skip(f"models/{model.name} is missing: make real-models")
    return folder


@pytest.fixture(scope="session")
def gemma() -> ModelReference:
    """Gemma 3 270M, a multilingual base model."""
    return resolve_model(str(real_folder(GEMMA)))


@pytest.fixture(scope="session")
def smollm2() -> ModelReference:
    """SmolLM2 135M Instruct: English, with a chat template."""
    return resolve_model(str(real_folder(SMOLLM2)))


@pytest.fixture(scope="session")
def minilm() -> Path:
    """all-MiniLM-L6-v2, a sentence encoder of English."""
    return real_folder(MINILM)
