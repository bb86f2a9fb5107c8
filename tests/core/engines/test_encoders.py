"""Texts become unit vectors in their own order, and an encoder is known by its content."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest

from xinstr_core.engines.encoders import BASE_MODEL, BATCH_TEXTS, encoder_identity, load_encoder
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.settings import DiversitySettings, Settings


@pytest.fixture(scope="module")
def sentence_encoder_folder(tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder made of the tiny model: mean pooling of its last states."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    transformer = Transformer(str(tiny_model.path))
    pooling = Pooling(32, pooling_mode="mean")
    folder = tmp_path_factory.mktemp("encoders") / "mean"
    sentence_transformers.SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(folder))
    return folder


def test_vectors_come_in_the_order_of_the_texts(tiny_model: ModelReference, tiny_engines: Engines) -> None:
    texts = ["a much longer instruction than the others, about ugali", "ugali", "กี่ น้ำ", "How is ugali cooked?"]
    vectors = tiny_engines.encoder()()(texts)
    engine = TransformersEngine(tiny_model)
    expected = numpy.concatenate([engine.embed([text]) for text in texts])
    assert vectors.dtype == numpy.float32
    numpy.testing.assert_allclose(vectors, expected, atol=1e-4)


def test_more_texts_than_a_batch_keep_their_order(tiny_engines: Engines) -> None:
    texts = [f"{'x' * (i % 5)} {i}" for i in range(BATCH_TEXTS + 20)]
    encode = tiny_engines.encoder()()
    vectors = encode(texts)
    assert vectors.shape == (len(texts), 32)
    for index in (0, 3, BATCH_TEXTS - 1, BATCH_TEXTS, len(texts) - 1):
        numpy.testing.assert_allclose(vectors[index], encode([texts[index]])[0], atol=1e-4)


def test_vectors_have_length_one(tiny_engines: Engines) -> None:
    vectors = tiny_engines.encoder()()(["How is ugali cooked?", "?", "<|endoftext|>", " "])
    numpy.testing.assert_allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_encoder_that_is_not_there_is_an_input_error() -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(InputError, match="'/no/such/encoder' cannot be loaded"):
        load_encoder("/no/such/encoder")


def test_a_sentence_transformers_folder_gives_unit_vectors_in_order(
    tiny_model: ModelReference, tiny_engines: Engines, sentence_encoder_folder: Path
) -> None:
    texts = ["a much longer instruction than the others, about ugali", "ugali"]
    settings = Settings(diversity=DiversitySettings(encoder=str(sentence_encoder_folder)))
    vectors = Engines(settings, tiny_model).encoder()()(texts)
    numpy.testing.assert_allclose(vectors, tiny_engines.encoder()()(texts), atol=1e-4)


def test_pickled_weights_of_an_encoder_are_not_loaded(sentence_encoder_folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(sentence_encoder_folder, tmp_path / "pickled"))
    for weights in list(folder.rglob("model.safetensors")):
        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
    with pytest.raises(InputError, match="encoder"):
        load_encoder(str(folder))


def written(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


FILES: dict[str, Any] = {
    "model_dot_safetensors": "weights",
    "tokenizer_dot_json": "tokens",
    "pool__config_dot_json": "mean",
}


BASE = ModelReference("base", Path("base"), "f1")


def test_the_identity_of_a_hub_encoder_is_its_name() -> None:
    assert encoder_identity("org/encoder", BASE) == "org/encoder"


def test_the_identity_of_the_base_model_as_encoder_is_its_content() -> None:
    moved, other = ModelReference("b", Path("elsewhere"), "f1"), ModelReference("base", Path("base"), "f2")
    assert encoder_identity(BASE_MODEL, BASE) == encoder_identity(BASE_MODEL, moved)
    assert encoder_identity(BASE_MODEL, BASE) != encoder_identity(BASE_MODEL, other)


def test_the_identity_of_a_folder_is_its_content_and_not_its_place(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name, **FILES) for name in ("one", "two"))
    assert encoder_identity(str(one), BASE) == encoder_identity(str(two), BASE) != str(one)


@pytest.mark.parametrize("changed", sorted(FILES))
def test_another_file_content_is_another_encoder(tmp_path: Path, changed: str) -> None:
    """Weights, tokenizer and pooling all change the vectors."""
    one = written(tmp_path / "one", **FILES)
    two = written(tmp_path / "two", **{**FILES, changed: "other"})
    assert encoder_identity(str(one), BASE) != encoder_identity(str(two), BASE)
