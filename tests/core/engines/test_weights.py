"""A model whose files are broken, incomplete or of another model is found from their headers, in one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from xinstr_core.engines.encoders import check_encoder
from xinstr_core.engines.fit import check_usable
from xinstr_core.engines.models import ModelReference, check_model, load_causal_model
from xinstr_core.engines.shape import ModelShape
from xinstr_core.errors import InputError

GIGANTIC = 1 << 50  # bytes; no machine has as much


@pytest.fixture
def copied(tiny_model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))


def reference(folder: Path) -> ModelReference:
    return ModelReference("mine", folder, "content")


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size - 100)


def cut_in_header(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 50)


def empty(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def without_shard(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")


def without_layer(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    last = max(name.split(".layers.")[1].split(".")[0] for name in weights if ".layers." in name)
    kept = {name: tensor for name, tensor in weights.items() if f".layers.{last}." not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def of_another_width(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 2 * config["hidden_size"]}), "utf-8")


BROKEN: dict[Callable[[Path], None], str] = {
    cut: r"model.safetensors is cut off, \d+ of \d+ bytes: fetch it again",
    cut_in_header: "model.safetensors is damaged .*: fetch it again",
    empty: "model.safetensors is damaged .*: fetch it again",
    without_shard: "model-00002-of-00002.safetensors of model.safetensors.index.json is missing: fetch it again",
    without_layer: r"no weights of layers \d of \d: fetch it again",
    of_another_width: "they are of different models",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_broken_files_are_one_line_that_says_what_to_do(copied: Path, broken: Callable[[Path], None]) -> None:
    broken(copied)
    with pytest.raises(InputError, match=BROKEN[broken]) as raised:
        check_model(reference(copied))
    assert "'mine'" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_weight_that_is_missing_is_not_filled_at_random(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    lost = next(name for name in weights if name.endswith("q_proj.weight"))
    save_file(
        {name: one for name, one in weights.items() if name != lost}, copied / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match=f"its files lack 1 weights, {lost} the first: fetch it again"):
        load_causal_model(reference(copied))


def test_a_model_larger_than_the_machine_is_known_by_its_header(copied: Path) -> None:
    header = {"model.embed_tokens.weight": {"dtype": "F32", "shape": [1, GIGANTIC], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    (copied / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 4)
    assert ModelShape.of(reference(copied)).parameters == GIGANTIC
    config = json.loads((copied / "config.json").read_text("utf-8"))
    (copied / "config.json").write_text(json.dumps(config | {"hidden_size": GIGANTIC, "num_hidden_layers": 0}), "utf-8")
    with pytest.raises(InputError, match="are all that there is: take a smaller base model"):
        check_usable(reference(copied))


@pytest.mark.parametrize("broken", [cut, cut_in_header, empty], ids=lambda one: one.__name__)
def test_a_broken_encoder_is_named_with_its_setting(copied: Path, broken: Callable[[Path], None]) -> None:
    broken(copied)
    with pytest.raises(InputError, match=r"diversity.encoder '.*model': model.safetensors is .*: fetch it again"):
        check_encoder(str(copied))


def test_an_encoder_folder_that_is_not_there_is_not_looked_for_at_the_hub(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in (str(tmp_path / "models" / "none"), "models/of/mine"):
        with pytest.raises(InputError, match=r"there is no such folder: correct diversity\.encoder"):
            check_encoder(name)
    check_encoder("base-model")
    check_encoder("BAAI/bge-m3")
    check_encoder("all-MiniLM-L6-v2")
