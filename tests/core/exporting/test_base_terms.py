"""A base's licence is what its folder says, and unknown where that says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from xinstr_core.engines.models import resolve_model
from xinstr_core.errors import InputError
from xinstr_core.exporting.base_terms import base_terms

APACHE = "Apache License\n  Version 2.0, January 2004\n"
LLAMA = "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date: September 25, 2024"


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """What the hub's cache has, by id."""
    found: dict[str, Path] = {}

    def snapshot(name: str, **options: Any) -> str:
        assert options == {"local_files_only": True}
        if name not in found:
            raise LocalEntryNotFoundError("not in the cache")
        return str(found[name])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return found


@pytest.mark.parametrize(
    ("file", "text", "licence", "evidence"),
    [
        ("LICENSE", APACHE, "apache-2.0", "as LICENSE beside it reads"),
        ("LICENSE.txt", LLAMA, "llama3.2", "as LICENSE.txt beside it reads"),
        ("LICENSE", "You may look at it.", "unknown", ""),
        ("README.md", "---\nlicense: MIT\n---\n", "mit", "as its README.md says"),
        ("README.md", "---\nlicense: [mit, apache-2.0]\n---\n", "unknown", ""),
        ("config.json", "{}", "unknown", ""),
    ],
)
def test_a_local_base_is_read_by_its_folder(
    tmp_path: Path, cached: dict[str, Path], file: str, text: str, licence: str, evidence: str
) -> None:
    folder = tmp_path / "models" / "base-1b"
    folder.mkdir(parents=True)
    (folder / file).write_text(text, "utf-8")
    for name in (str(folder), "models/base-1b"):
        found = base_terms(name, tmp_path)
        assert (found.name, found.hub_id, found.licence, found.evidence) == ("base-1b", None, licence, evidence)


def test_a_base_of_the_hub_is_read_in_the_cache_alone(tmp_path: Path, cached: dict[str, Path]) -> None:
    assert (base_terms("org/base", tmp_path).licence, base_terms("org/base", tmp_path).hub_id) == (
        "unknown",
        "org/base",
    )
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "LICENSE").write_text(APACHE, "utf-8")
    cached["org/base"] = tmp_path / "cache"
    assert base_terms("org/base", tmp_path).licence == "apache-2.0"


def test_a_base_whose_folder_is_gone_keeps_its_name_and_nothing_else(tmp_path: Path, cached: dict[str, Path]) -> None:
    found = base_terms(str(tmp_path / "gone-1b"), tmp_path)
    assert (found.name, found.hub_id, found.licence, found.is_known) == ("gone-1b", None, "unknown", False)


def test_a_model_of_the_hub_is_fetched_with_its_terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def snapshot(name: str, allow_patterns: list[str]) -> str:
        asked.extend(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(InputError, match=r"has no config\.json"):
        resolve_model("org/base")
    assert {"README.md", "LICENSE*", "NOTICE*"} <= set(asked)
    assert not {"*", "*.py", "*.bin"} & set(asked)
