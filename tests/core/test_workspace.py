"""What a language is built with: of xinstr.toml, its entry, and this run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xinstr_core.engines import models
from xinstr_core.engines.models import resolve_model
from xinstr_core.errors import SettingsError
from xinstr_core.workspace import Workspace

REGISTRY = """\
[sw]
name = "Swahili"
script = "Latn"

[fi]
name = "Finnish"
script = "Latn"
corpus = "own.jsonl"
preset = "modern"
base_model = "mine"

[fi.settings]
precision = "float32"

[fi.settings.tuning]
epochs = 5
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "languages.toml").write_text(REGISTRY, "utf-8")
    return tmp_path


def tell_all(home: Path, text: str) -> None:
    (home / "xinstr.toml").write_text(text, "utf-8")


def test_a_language_of_which_nothing_is_said_has_the_pocket_preset(home: Path) -> None:
    workspace = Workspace(home)
    chosen = workspace.chosen(workspace.language("sw"))
    assert (chosen.preset, chosen.settings.base_model, chosen.changed(), chosen.places) == ("pocket", "pocket", {}, {})


def test_every_language_has_what_its_own_entry_says(home: Path) -> None:
    tell_all(home, 'preset = "faithful"\nbase_model = "ours"\n[tuning]\nepochs = 2\nrank = 8\n')
    workspace = Workspace(home)
    sw, fi = workspace.chosen(workspace.language("sw")), workspace.chosen(workspace.language("fi"))
    assert (sw.preset, sw.settings.base_model, sw.settings.tuning.epochs, sw.settings.tuning.rank) == (
        "faithful", "ours", 2, 8,
    )  # fmt: skip
    assert (fi.preset, fi.settings.base_model, fi.settings.tuning.epochs, fi.settings.tuning.rank) == (
        "modern", "mine", 5, 8,
    )  # fmt: skip
    assert fi.settings.precision == "float32"


def test_what_is_given_for_a_run_wins_for_every_language(home: Path) -> None:
    tell_all(home, 'preset = "faithful"\n[tuning]\nepochs = 2\n')
    workspace = Workspace(home, "pocket", {"tuning": {"epochs": 9}, "base_model": "set"}, base_model="given")
    for tag in ("sw", "fi"):
        chosen = workspace.chosen(workspace.language(tag))
        assert (chosen.preset, chosen.settings.base_model, chosen.settings.tuning.epochs) == ("pocket", "given", 9)


def test_places_say_who_said_it(home: Path) -> None:
    tell_all(home, "[tuning]\nepochs = 2\nrank = 8\n")
    workspace = Workspace(home, overrides={"tuning": {"rank": 4}}, seeds="pocket")
    assert workspace.places(workspace.language("sw")) == {
        "tuning.epochs": "xinstr.toml",
        "tuning.rank": "this run",
        "seeds": "this run",
    }
    assert workspace.places(workspace.language("fi")) == {
        "preset": "languages.toml [fi]",
        "base_model": "languages.toml [fi]",
        "precision": "languages.toml [fi]",
        "tuning.epochs": "languages.toml [fi]",
        "tuning.rank": "this run",
        "corpus": "languages.toml [fi]",
        "seeds": "this run",
    }


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            'preset = "fancy"',
            r"^languages\.toml \[eu\]: unknown preset 'fancy'; known: faithful, modern, pocket, small$",
        ),
        (
            "settings = { tuning = { epoch = 2 } }",
            r"^languages\.toml \[eu\]: unknown setting 'tuning\.epoch'; known here: method, epochs, ",
        ),
        ("settings = { tuning = { epochs = 0 } }", r"^languages\.toml \[eu\]: setting tuning\.epochs: "),
        ("settings = 3", r"languages\.toml: \[eu\] settings: "),
        ("settings = { base_model = 'x' }", r"\[eu\] settings: .*base_model stands in the entry itself"),
        ('base_model = ""', r"languages\.toml: \[eu\] base_model: "),
        ("tuning = { epochs = 2 }", r"\[eu\] tuning: .*known: name, .*preset, base_model, settings, retired"),
    ],
)
def test_what_is_wrong_in_an_entry_is_told_and_concerns_it_alone(home: Path, entry: str, said: str) -> None:
    with (home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write(f'\n[eu]\nname = "Basque"\nscript = "Latn"\n{entry}\n')
    workspace = Workspace(home)
    with pytest.raises(SettingsError, match=said):
        workspace.chosen(workspace.language("eu"))


def test_a_wrong_setting_of_one_language_leaves_the_others(home: Path) -> None:
    with (home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write("[sw.settings.tuning]\nspeed = 2\n")
    workspace = Workspace(home)
    assert workspace.settings(workspace.language("fi")).tuning.epochs == 5
    with pytest.raises(SettingsError, match=r"languages\.toml \[sw\]: unknown setting 'tuning\.speed'"):
        workspace.settings(workspace.language("sw"))


def test_a_kept_model_is_found_beside_the_registry_and_read_once(
    home: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_model_folder, home / "mine")
    tell_all(home, 'base_model = "mine"\nprecision = "float32"\n')
    read = []
    monkeypatch.setattr(models, "files_hash", lambda folder, names: read.append(folder) or "content")
    workspace = Workspace(home)
    sw, fi = (workspace.model(workspace.language(tag)) for tag in ("sw", "fi"))
    assert sw == fi
    assert (sw.path, read) == (home / "mine", [home / "mine"])
    assert workspace.model(workspace.language("sw")) is sw


def test_the_model_of_a_run_is_that_of_every_language(home: Path, tiny_model_folder: Path) -> None:
    workspace = Workspace(home, overrides={"precision": "float32"}, base_model=str(tiny_model_folder))
    found = {workspace.model(workspace.language(tag)).fingerprint for tag in ("sw", "fi")}
    assert found == {resolve_model(str(tiny_model_folder)).fingerprint}


def test_the_corpus_refuses_the_text_of_gold_pairs_as_of_any_evaluation_set(home: Path) -> None:
    entry = '[eu]\nname = "Basque"\nscript = "Latn"\ngold = "gold.jsonl"\n'
    (home / "languages.toml").write_text(entry, "utf-8")
    (home / "gold.jsonl").write_text("{}", "utf-8")
    (home / "exam.jsonl").write_text("{}", "utf-8")
    workspace = Workspace(home, overrides={"corpus": {"evaluation_sets": ["exam.jsonl"]}})
    found = workspace.evaluation_files(workspace.language("eu"))
    assert [path.name for path in found] == ["exam.jsonl", "gold.jsonl"]
