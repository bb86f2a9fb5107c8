"""A tuned model is found with its base and its prompt, or what is missing is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.publishing.conftest import INSTRUCTIONS, random_adapter, with_tuned_model
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.prompts.render import prompt
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.workspace import Workspace


@pytest.fixture(scope="session")
def adapter(tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_adapter(tiny_model, tmp_path_factory.mktemp("trained") / "adapter")


@pytest.fixture
def workspace(tiny_model: ModelReference, adapter: Path, tmp_path: Path) -> Workspace:
    return with_tuned_model(tmp_path / "home", tiny_model, adapter)


def test_a_tuned_model_knows_its_base_and_some_instructions(workspace: Workspace, tiny_model: ModelReference) -> None:
    found = TunedModel.find(workspace, "sw")
    assert (found.base.path, found.base.fingerprint) == (tiny_model.path, tiny_model.fingerprint)
    assert (found.base_folder, found.is_adapter) == (tiny_model.path.resolve(), True)
    assert found.instructions == INSTRUCTIONS


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_base_comes_in_the_precision_that_it_was_tuned_in(
    tiny_model: ModelReference, adapter: Path, tmp_path: Path, precision: str
) -> None:
    base = resolve_model(str(tiny_model.path), precision)  # type: ignore[arg-type]
    found = TunedModel.find(with_tuned_model(tmp_path / "home", base, adapter), "sw")
    assert found.base.precision == precision


@pytest.mark.parametrize(("seed_rows", "template"), [(0, "response_web"), (1, "response_seed")])
def test_it_is_asked_as_it_was_taught(
    tiny_model: ModelReference, adapter: Path, tmp_path: Path, seed_rows: int, template: str
) -> None:
    found = TunedModel.find(with_tuned_model(tmp_path / "home", tiny_model, adapter, seed_rows), "sw")
    assert found.ask("What?") == prompt(template).render(instruction="What?", language="Swahili")


def test_what_was_never_built_is_refused_with_the_command(workspace: Workspace) -> None:
    with pytest.raises(InputError, match=r"^fi has no tuned model yet: xinstr build fi --to tuned_model$"):
        TunedModel.find(workspace, "fi")
    with pytest.raises(SettingsError, match="unknown language 'xx'"):
        TunedModel.find(workspace, "xx")


def test_a_partition_without_its_tokenizer_is_refused(workspace: Workspace) -> None:
    path = workspace.store.path("tuned_model", "sw") / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    del manifest["folders"]["tokenizer"]
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(InputError, match="of an earlier release: xinstr build sw makes it anew"):
        TunedModel.find(workspace, "sw")


def test_a_base_that_has_changed_is_refused(tiny_model: ModelReference, adapter: Path, tmp_path: Path) -> None:
    base = resolve_model(str(shutil.copytree(tiny_model.path, tmp_path / "base")))
    found = TunedModel.find(with_tuned_model(tmp_path / "home", base, adapter), "sw")
    (base.path / "generation_config.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match="or how it is asked, has changed since sw was tuned on it: xinstr build sw"):
        _ = found.base


def test_a_hub_id_is_no_folder(workspace: Workspace) -> None:
    found = TunedModel.find(workspace, "sw")
    named = replace(found, figures=found.figures.model_copy(update={"base_model": "org/model"}))
    assert named.base_folder is None
