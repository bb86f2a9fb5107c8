"""Homes for builds: a folder with a registry of its own, and the asking model as base model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.dagster.asking_model import TINY_SETTINGS, write_asking_model
from xinstr_dagster.cli.output import console

REGISTRY = """
[sw]
name = "Swahili"
script = "Latn"

[fi]
name = "Finnish"
script = "Latn"

[th]
name = "Thai"
script = "Thai"
retired = true
"""


@pytest.fixture(autouse=True)
def wide_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed has room, whatever terminal the tests run in: a console that was made in a narrow one stays as it is."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(console, "_width", 200)


@pytest.fixture(scope="session")
def asking_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "asking"
    write_asking_model(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a registry, without a model."""
    (tmp_path / "languages.toml").write_text(REGISTRY, "utf-8")
    monkeypatch.setenv("XINSTR_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def model_home(asking_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder with a registry, the asking model and tiny settings, shared by a module's tests."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "languages.toml").write_text(REGISTRY, "utf-8")
    (folder / "xinstr.toml").write_text(f"base_model = '{asking_model}'\n{TINY_SETTINGS}", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XINSTR_HOME", str(folder))
        yield folder


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
