"""Presets: which layer wins, and that every value says how surely it is the authors'."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from xinstr_core.errors import SettingsError
from xinstr_core.presets import THIS_RUN, Layer, choose, load_settings, preset_names, preset_text
from xinstr_core.presets.explain import DECLARED, LEVELS, OUR_LEVELS, ExplainedSetting, explain
from xinstr_core.settings import EngineSettings, Settings

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


FILE = Layer(
    "xinstr.toml", {"preset": "modern", "generation": {"temperature": 0.3, "seed": 5}, "tuning": {"epochs": 2}}
)
ENTRY = Layer("languages.toml [sw]", {"base_model": "mine", "tuning": {"epochs": 5}, "generation": {"seed": 6}})
RUN = Layer(THIS_RUN, {"generation": {"temperature": 0.9}})


def test_every_layer_wins_over_those_before_it() -> None:
    chosen = choose(FILE, ENTRY, RUN)
    assert chosen.preset == "modern"
    assert chosen.changed() == {
        "base_model": "mine",
        "generation.temperature": 0.9,
        "generation.seed": 6,
        "tuning.epochs": 5,
    }
    assert chosen.places == {
        "preset": "xinstr.toml",
        "base_model": "languages.toml [sw]",
        "generation.temperature": THIS_RUN,
        "generation.seed": "languages.toml [sw]",
        "tuning.epochs": "languages.toml [sw]",
    }
    assert chosen.settings.tuning.rank == load_settings("modern").tuning.rank


def test_the_last_preset_named_is_what_every_layer_is_laid_over() -> None:
    chosen = choose(FILE, Layer("languages.toml [sw]", {"preset": "pocket"}))
    assert (chosen.preset, chosen.places["preset"]) == ("pocket", "languages.toml [sw]")
    assert (chosen.settings.generation.temperature, chosen.settings.generation.maximum_new_tokens) == (0.3, 48)
    assert choose().preset == "pocket"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"preset": "fancy"}, "unknown preset 'fancy'; known: faithful, modern, pocket, small"),
        ({"preset": 3}, "unknown preset 3; known: faithful, modern, pocket, small"),
        (
            {"presett": "modern"},
            "unknown setting 'presett'; known here: preset, base_model, precision, prompt_format, ",
        ),
        ({"tuning": {"epoch": 2}}, "unknown setting 'tuning.epoch'; known here: method, epochs, "),
        ({"tuning": {"epochs": 0}}, "setting tuning.epochs: "),
        ({"tuning": 3}, "setting tuning: "),
        ({"evaluator": {"signals": "level"}}, "setting evaluator.signals: a list is wanted"),
        ({"corpus": {"minimum_characters": 9000}}, "setting corpus: minimum_characters 9000 is above "),
    ],
)
def test_what_is_wrong_is_told_with_the_place_that_says_it(wrong: dict[str, Any], said: str) -> None:
    for place in ("xinstr.toml", "languages.toml [sw]"):
        with pytest.raises(SettingsError) as caught:
            choose(Layer("before", {"tuning": {"rank": 8}}), Layer(place, wrong), Layer(THIS_RUN, {"seeds": {}}))
        assert str(caught.value).startswith(f"{place}: {said}")
    with pytest.raises(SettingsError) as caught:
        choose(Layer("xinstr.toml", {"tuning": {"rank": 8}}), Layer(THIS_RUN, wrong))
    assert str(caught.value).startswith(said)


def test_a_wrong_value_that_a_later_layer_corrects_is_none() -> None:
    assert choose(Layer("xinstr.toml", {"tuning": {"epochs": 0}}), Layer(THIS_RUN, {"tuning": {"epochs": 1}}))


def test_a_file_that_does_not_exist_says_nothing(tmp_path: Path) -> None:
    assert Layer.read(tmp_path / "xinstr.toml") == Layer("xinstr.toml", {})


def test_overrides_do_not_leak_into_the_next_load() -> None:
    before = load_settings()
    choose(Layer(THIS_RUN, {"generation": {"seed": 77}, "base_model": "other"}))
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
    outside = ["base_model", "precision", "prompt_format", "system_text"]
    inside = [name for name in sections if name not in outside]
    named = (f"{name}.{key}" for name in inside for key in sections[name].model_fields)
    engine = [f"engines.default.{key}" for key in EngineSettings.model_fields]
    expected = outside + [key for name in named for key in (engine if name == "engines.default" else [name])]
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
    left = [s.key for s in explain(preset) if s.level == DECLARED and not s.key.startswith("engines.")]
    assert [key for key in left if key.partition(".")[0] in METHOD or key == "base_model"] == []
    assert left == ["corpus.identification_model"]  # none is named, and TOML has no word for none


@pytest.mark.parametrize("preset", ["faithful", "modern", "small"])
def test_models_of_others_come_with_their_licence(preset: str) -> None:
    settings = explained(preset)
    for key in ("base_model", "seeds.translator", "diversity.encoder"):
        assert settings[key].value is None or any(
            name in settings[key].reason for name in ("Apache-2.0", "MIT", "Llama 3 licence")
        ), key


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


@pytest.mark.parametrize("preset", ["pocket", "small"])
def test_nothing_of_our_own_presets_is_the_authors(preset: str) -> None:
    assert {setting.level for setting in explain(preset)} == {"ours", DECLARED}


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
    with pytest.raises(SettingsError, match="unknown preset 'nope'; known: faithful, modern, pocket, small"):
        explain("nope")


@pytest.mark.parametrize("level", [*OUR_LEVELS, "read", "secondary", "recalled"])
def test_every_level_is_defined_at_the_top_of_the_faithful_preset(level: str) -> None:
    assert f"#   {level:9}  " in preset_text("faithful")
