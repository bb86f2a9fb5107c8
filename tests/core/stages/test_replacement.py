"""What a build would replace by work of another preset or base model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xinstr_core.stages import STAGES
from xinstr_core.stages.replacement import Replacement, replacement
from xinstr_core.stages.stage import settings_of
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

LINE = [*STAGES]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    return tmp_path


def store(workspace: Workspace, *names: str, **changed: Any) -> None:
    """Partitions as a build of the workspace leaves them, as far as it matters here."""
    language = workspace.language("sw")
    chosen = workspace.chosen(language)
    built = {"preset": chosen.preset, "base_model": chosen.settings.base_model, "precision": "float32 (as set)"}
    for name in names:
        stage = STAGES[name]
        made_of = {
            "model": model.fingerprint if (model := stage.model_of(workspace, language)) else None,
            "settings": settings_of(workspace, stage, language),
        }
        workspace.store.commit(name, "sw", "f", made_of | changed, StageOutput(built=changed.get("built", built)))


def test_a_rebuild_with_the_same_replaces_nothing(home: Path) -> None:
    store(Workspace(home), *LINE)
    assert replacement(Workspace(home), "sw", LINE) is None


def test_a_language_that_was_never_built_has_nothing_to_replace(home: Path) -> None:
    assert replacement(Workspace(home, base_model="no/such-model"), "sw", LINE) is None


def test_other_settings_of_the_same_preset_are_no_reason_to_ask(home: Path) -> None:
    store(Workspace(home), *LINE)
    assert replacement(Workspace(home, overrides={"tuning": {"epochs": 9}}), "sw", LINE) is None


def test_another_base_model_concerns_what_a_model_made_and_no_more(home: Path, tiny_model_folder: Path) -> None:
    other = Workspace(home, base_model=str(tiny_model_folder))
    store(Workspace(home), "raw_corpus", "seed_pairs")
    assert replacement(other, "sw", LINE) is None
    store(Workspace(home), "reverse_model", "evaluator")
    assert replacement(other, "sw", LINE) == Replacement(
        "sw",
        ("reverse_model", "evaluator"),
        "preset pocket, base model pocket (float32)",
        f"preset pocket, base model {tiny_model_folder} (float32)",
    )
    assert replacement(other, "sw", ["raw_corpus", "seed_pairs", "candidate_pairs"]) is None
    found = replacement(other, "sw", ["reverse_model"])
    assert found
    assert found.stages == ("reverse_model",)


def test_another_preset_concerns_what_its_settings_change(home: Path) -> None:
    store(Workspace(home), *LINE)
    other = Workspace(home, "modern", base_model="pocket", overrides={"precision": "float32"})
    found = replacement(other, "sw", LINE)
    assert found
    assert found.now == "preset modern, base model pocket (float32)"
    assert set(found.stages) == {name for name in LINE if STAGES[name].uses_model is True}
    same = {"reverse_model": Workspace(home).settings(other.language("sw")).reverse_model.model_dump()}
    named = Workspace(home, "modern", {**other.overrides, **same}, base_model="pocket")
    assert replacement(named, "sw", ["reverse_model"]) is None


def test_another_precision_is_another_model(home: Path) -> None:
    store(Workspace(home), "reverse_model")
    found = replacement(Workspace(home, overrides={"precision": "bfloat16"}), "sw", LINE)
    assert found
    assert found.now == "preset pocket, base model pocket (bfloat16)"


def test_a_model_whose_files_have_changed_is_another(home: Path) -> None:
    store(Workspace(home), "reverse_model", model="what it was")
    assert str(replacement(Workspace(home), "sw", LINE)) == (
        "sw: reverse_model would be replaced, built with preset pocket, base model pocket (float32), "
        "by a build with other files or another system text of that model"
    )


def test_of_a_partition_that_does_not_say_what_it_was_built_with_the_model_is_compared(
    home: Path, tiny_model_folder: Path
) -> None:
    store(Workspace(home), "reverse_model", built={})
    assert (
        replacement(Workspace(home, "modern", base_model="pocket", overrides={"precision": "float32"}), "sw", LINE)
        is None
    )
    found = replacement(Workspace(home, base_model=str(tiny_model_folder)), "sw", LINE)
    assert found
    assert found.stored == "another base model"
