"""Presets: which layer wins, and that every value says how surely it is the authors'."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import get_type_hints

import pytest

from xinstr_core.errors import SettingsError
from xinstr_core.presets import load_settings, preset_names, preset_text
from xinstr_core.presets.explain import DECLARED, LEVELS, OUR_LEVELS, ExplainedSetting, explain
from xinstr_core.settings import Settings

METHOD = ("seeds", "reverse_model", "generation", "evaluator", "curation", "diversity", "tuning", "evaluation")


def test_the_pocket_preset_overrides_declared_values_and_leaves_the_others() -> None:
    settings = load_settings("pocket")
    assert settings.base_model == "pocket"
    assert settings.generation.temperature == 0.0
    assert settings.generation.top_p == 0.9
    assert settings.diversity.target_rows == 160
    assert settings.corpus.minimum_characters == 200
    assert settings.corpus.maximum_characters == 2200


@pytest.mark.parametrize("preset", preset_names())
def test_every_shipped_preset_loads(preset: str) -> None:
    assert load_settings(preset).corpus.minimum_characters < load_settings(preset).corpus.maximum_characters


def test_the_users_file_wins_over_the_preset_and_a_run_over_both(tmp_path: Path) -> None:
    path = tmp_path / "xinstr.toml"
    path.write_text("[generation]\ntemperature = 0.3\nseed = 5\n[tuning]\nepochs = 2\n", "utf-8")
    settings = load_settings("pocket", path, {"generation": {"temperature": 0.9}})
    assert settings.generation.temperature == 0.9
    assert settings.generation.seed == 5
    assert settings.generation.maximum_new_tokens == 48
    assert settings.tuning.epochs == 2
    assert settings.tuning.rank == 32


def test_a_users_file_that_does_not_exist_changes_nothing(tmp_path: Path) -> None:
    assert load_settings("pocket", tmp_path / "xinstr.toml") == load_settings("pocket")


def test_overrides_do_not_leak_into_the_next_load() -> None:
    before = load_settings()
    load_settings(overrides={"generation": {"seed": 77}, "base_model": "other"})
    assert load_settings() == before


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"unknown preset '\.\./pocket'; known: .*pocket"):
        load_settings("../pocket")


def explained(preset: str) -> dict[str, ExplainedSetting]:
    return {setting.key: setting for setting in explain(preset)}


@pytest.mark.parametrize("preset", preset_names())
def test_an_explanation_has_every_setting_with_the_value_that_a_build_has(preset: str) -> None:
    settings = load_settings(preset)
    sections = {name: hint for name, hint in get_type_hints(Settings).items() if name in Settings.model_fields}
    outside = ["base_model", "precision"]
    expected = outside + [f"{name}.{key}" for name in list(sections)[2:] for key in sections[name].model_fields]
    assert [setting.key for setting in explain(preset)] == expected
    for setting in explain(preset):
        assert setting.value == reduce(getattr, setting.key.split("."), settings), setting.key


@pytest.mark.parametrize("preset", preset_names())
def test_every_value_has_a_level_and_a_reason(preset: str) -> None:
    for setting in explain(preset):
        assert setting.level in LEVELS, setting.key
        assert len(setting.reason) > 5, setting.key
        assert setting.reason == setting.reason.strip(), setting.key


@pytest.mark.parametrize("preset", ["faithful", "modern"])
def test_a_preset_of_the_method_leaves_no_value_to_the_declarations(preset: str) -> None:
    left = [s.key for s in explain(preset) if s.level == DECLARED]
    assert [key for key in left if key.partition(".")[0] in METHOD or key == "base_model"] == []
    assert left == ["corpus.identification_model"]  # none is named, and TOML has no word for none


@pytest.mark.parametrize("preset", ["faithful", "modern"])
def test_models_of_others_come_with_their_licence(preset: str) -> None:
    settings = explained(preset)
    for key in ("base_model", "seeds.translator", "diversity.encoder"):
        assert any(name in settings[key].reason for name in ("Apache-2.0", "MIT", "Llama 3 licence")), key


def test_only_what_was_published_is_said_to_have_been_read() -> None:
    assert {setting.key: setting.value for setting in explain("faithful") if setting.level == "read"} == {
        "base_model": "meta-llama/Meta-Llama-3-8B",
        "generation.temperature": 0.7,
        "generation.top_p": 0.9,
        "generation.candidates": 1,
        "generation.require_self_contained": False,
        "diversity.target_rows": 32_000,
        "diversity.method": "clusters",
        "evaluation.maximum_new_tokens": 2048,
    }


def test_modern_claims_no_value_as_the_authors_that_faithful_does_not_have() -> None:
    faithful, modern = explained("faithful"), explained("modern")
    claimed = [key for key, setting in modern.items() if setting.level not in ("ours", DECLARED)]
    assert claimed
    assert {key: modern[key].value for key in claimed} == {key: faithful[key].value for key in claimed}
    assert {key: modern[key].level for key in claimed} == {key: faithful[key].level for key in claimed}


def test_nothing_of_the_pocket_preset_is_the_authors() -> None:
    assert {setting.level for setting in explain("pocket")} == {"ours", DECLARED}


def test_a_setting_that_a_preset_does_not_name_is_explained_by_its_declaration() -> None:
    assert explained("pocket")["generation.top_p"] == ExplainedSetting(
        "generation.top_p", 0.9, DECLARED, "nucleus; 0.9 as in the released inference script", overridden=False
    )


def test_a_setting_that_a_preset_names_is_explained_by_its_comment() -> None:
    assert explained("pocket")["generation.temperature"] == ExplainedSetting(
        "generation.temperature",
        0.0,
        "ours",
        "so small a model names the wrong subject more often when it samples",
        overridden=True,
    )
    assert not explained("faithful")["generation.temperature"].overridden


def test_the_comment_of_a_list_stands_after_its_last_line() -> None:
    constructions = explained("faithful")["evaluator.constructions"]
    assert constructions.value == (
        "cut_off",
        "weaker_response",
        "base_response",
        "other_instruction",
        "wrong_language",
    )
    assert constructions.level == "inferred"


@pytest.mark.parametrize(
    "comment",
    ["", "# a reason", "# [certain] a reason", "# [ours]", "# [ours] ", "#[ours] a reason", "# [Ours] a reason"],
)
def test_a_value_without_a_level_and_a_reason_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, comment: str
) -> None:
    monkeypatch.setattr("xinstr_core.presets.explain.preset_text", lambda _: f"[tuning]\nrank = 3 {comment}\n")
    with pytest.raises(SettingsError, match=r"preset 'pocket': tuning\.rank needs a comment '# \[level\] reason'"):
        explain("pocket")


def test_an_explanation_of_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="unknown preset 'nope'; known: faithful, modern, pocket"):
        explain("nope")


@pytest.mark.parametrize("level", [*OUR_LEVELS, "read", "secondary", "recalled"])
def test_every_level_is_defined_at_the_top_of_the_faithful_preset(level: str) -> None:
    assert f"#   {level:9}  " in preset_text("faithful")
