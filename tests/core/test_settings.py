from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from xinstr_core.errors import SettingsError
from xinstr_core.presets import THIS_RUN, Layer, choose, load_settings
from xinstr_core.settings import EngineSettings, EnginesSettings


def user_file(folder: Path, text: str) -> Path:
    path = folder / "xinstr.toml"
    path.write_text(text, "utf-8")
    return path


def test_an_unknown_setting_lists_the_settings_of_its_section() -> None:
    with pytest.raises(SettingsError) as caught:
        choose(Layer(THIS_RUN, {"curation": {"round": 3}}))
    assert str(caught.value) == (
        "unknown setting 'curation.round'; "
        "known here: rounds, minimum_top_probability, wanted_precision, minimum_precision, minimum_instruction_quality, minimum_pair_fit, stop_agreement, "
        "round_epochs, maximum_added_pairs"
    )


def test_an_unknown_section_lists_the_sections() -> None:
    with pytest.raises(SettingsError) as caught:
        choose(Layer(THIS_RUN, {"Corpus": {}}))
    message = str(caught.value)
    assert message.startswith(
        "unknown setting 'Corpus'; known here: preset, base_model, precision, prompt_format, system_text, engines, corpus, seeds, reverse_model, "
    )


def test_an_unknown_setting_in_the_users_file_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^xinstr\.toml: unknown setting 'corpus\.minimum_length'; known here: minimum_characters, ",
    ):
        choose(Layer.read(user_file(tmp_path, "[corpus]\nminimum_length = 3\n")))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("corpus", "minimum_characters", 0),
        ("corpus", "near_duplicate_similarity", 1.5),
        ("corpus", "near_duplicate_similarity", 0),
        ("corpus", "maximum_recurring_share", float("nan")),
        ("generation", "temperature", -0.1),
        ("generation", "temperature", float("inf")),
        ("generation", "top_p", 0),
        ("tuning", "epochs", 0),
        ("tuning", "learning_rate", "fast"),
        ("tuning", "rank", 2.5),
        ("curation", "rounds", 6),
        ("evaluator", "held_out_share", 1),
        ("evaluator", "constructions", []),
        ("evaluator", "constructions", ["cut_off", "other_ending"]),
        ("evaluator", "constructions", ["echo"]),
        ("evaluator", "constructions", ["cut_off", "echo", "echo"]),
        ("evaluator", "signals", []),
        ("diversity", "seed", -1),
        ("evaluation", "bootstrap_samples", None),
    ],
)
def test_an_impossible_value_is_named_with_its_setting(section: str, key: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        choose(Layer(THIS_RUN, {section: {key: value}}))
    assert str(caught.value).startswith(f"setting {section}.{key}: ")
    assert str(caught.value).endswith(f"(got {value!r})")


def test_every_wrong_setting_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        choose(Layer(THIS_RUN, {"corpus": {"minimum_characters": -1}, "tuning": {"speed": 2}}))
    first, second = str(caught.value).split("; ", 1)
    assert first.startswith("setting corpus.minimum_characters: ")
    assert second.startswith("unknown setting 'tuning.speed'; known here: method, epochs, ")


def test_a_section_that_is_no_table_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"setting corpus: .*\(got 3\)"):
        choose(Layer(THIS_RUN, {"corpus": 3}))


@pytest.mark.parametrize(
    "content", [b"[corpus\nx = 1", b"[corpus]\nminimum_characters = \xff\xfe", b"a = 1\na = 2\n", b"\x00"]
)
def test_a_users_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "xinstr.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"xinstr\.toml: "):
        Layer.read(path)


def test_settings_cannot_be_changed_after_loading() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.corpus.minimum_characters = 1
    assert settings.corpus.minimum_characters == 200


def test_a_word_where_a_list_is_wanted_is_told_how_a_list_looks() -> None:
    with pytest.raises(SettingsError) as caught:
        choose(Layer(THIS_RUN, {"evaluator": {"signals": "level"}}))
    assert str(caught.value) == "setting evaluator.signals: a list is wanted, such as ['level']"


ADDRESS = "http://127.0.0.1:8000/v1"


def engines(**said: object) -> EnginesSettings:
    return choose(Layer(THIS_RUN, {"engines": said})).settings.engines


def test_a_role_has_the_default_engine_but_for_what_it_says_itself() -> None:
    found = engines(
        default={"kind": "openai", "address": ADDRESS, "requests_at_once": 8},
        writer={"model": "other"},
        rater={"kind": "transformers"},
    )
    assert found.of("tuned") == found.default
    assert found.of("writer") == found.default.model_copy(update={"model": "other"})
    assert found.of("rater") == EngineSettings()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"default": {"kind": "vlm"}}, r"setting engines.default.kind: .*'transformers'.*'openai'.*got 'vlm'"),
        (
            {"judge": {}},
            r"unknown setting 'engines.judge'; known here: default, reader, reverse, rater, writer, tuned, encoder",
        ),
        (
            {"writer": {"url": ADDRESS}},
            r"unknown setting 'engines.writer.url'; known here: kind, precision, python, memory_s",
        ),
        ({"default": {"kind": "openai"}}, "an engine of kind openai needs an address, such as http://"),
        ({"default": {"address": ADDRESS}}, 'address is of openai: say kind = "openai" too'),
        ({"default": {"kind": "vllm"}}, "an engine of kind vllm needs python, of an environment with vLLM: /path/to"),
        ({"reader": {"memory_share": 0.5}}, 'memory_share is of vllm: say kind = "vllm" too'),
        (
            {"reader": {"kind": "openai", "address": ADDRESS, "precision": "float32"}},
            "precision is of transformers and",
        ),
        (
            {"default": {"kind": "openai", "address": "127.0.0.1:8000"}},
            "engines.default.address: an address begins with http:// or https://",
        ),
        ({"default": {"kind": "openai", "address": "http://me:key@host/v1"}}, "a key belongs in the environment$"),
        (
            {"default": {"kind": "openai", "address": ADDRESS, "key_variable": "sk-123"}},
            "key_variable: the name of an environment variable is wanted, and not the key$",
        ),
    ],
)
def test_an_engine_that_cannot_be_is_told_with_what_is_known(said: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        engines(**said)


def test_the_engine_of_a_role_is_a_change_of_the_preset() -> None:
    chosen = choose(Layer(THIS_RUN, {"engines": {"writer": {"kind": "openai", "address": ADDRESS}}}))
    changed = chosen.changed()
    assert {name: changed[name] for name in ("engines.writer.kind", "engines.writer.address")} == {
        "engines.writer.kind": "openai",
        "engines.writer.address": ADDRESS,
    }
    assert all(name.startswith("engines.writer.") for name in changed)
    assert chosen.places["engines.writer.kind"] == THIS_RUN
