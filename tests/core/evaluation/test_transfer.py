"""What the arms of transfer are tuned on, row by row, where it comes from, and what they ask for."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.engines.translators import ENGLISH
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.evaluation.transfer import PAIR_SCHEMA, TransferMaterial, read_pairs
from xinstr_core.languages import Language
from xinstr_core.settings import Arm, EvaluationSettings
from xinstr_core.workspace import Workspace

SWAHILI = Language(tag="sw", name="Swahili", script="Latn")
REGISTRY = """\
[sw]
name = "Swahili"
script = "Latn"

[de]
name = "German"
script = "Latn"
seeds = "de.jsonl"

[fi]
name = "Finnish"
script = "Latn"

[et]
name = "Estonian"
script = "Latn"

[ur]
name = "Urdu"
script = "Arab"

[ta]
name = "Tamil"
script = "Taml"

[eu]
name = "Basque"
script = "Latn"
seeds = "eu.jsonl"

[lb]
name = "Luxembourgish"
script = "Latn"
seeds = {}
"""


def pairs(*keys: str) -> pl.DataFrame:
    return pl.DataFrame([(key, f"ask {key}", f"say {key}") for key in keys], PAIR_SCHEMA, orient="row")


MATERIAL = TransferMaterial(
    pairs("e2", "e1"), {"Swahili": pairs("s3", "s1", "s2"), "Finnish": pairs("f1"), "Urdu": pairs("u2", "u1")}
)


def test_english_rows_stand_by_key_and_are_asked_for_in_english() -> None:
    assert MATERIAL.english_rows().rows() == [
        ("e1", "ask e1", "say e1", "seed", "English"),
        ("e2", "ask e2", "say e2", "seed", "English"),
    ]


def test_a_pinch_takes_the_languages_in_turn_beginning_with_its_own() -> None:
    found = MATERIAL.pinch_rows(5).select("pair_id", "answered_in").rows()
    assert found == [("s1", "Swahili"), ("f1", "Finnish"), ("u1", "Urdu"), ("s2", "Swahili"), ("u2", "Urdu")]
    assert MATERIAL.pinch_rows(40)["pair_id"].to_list() == ["s1", "f1", "u1", "s2", "u2", "s3"], "all there are"


@pytest.mark.parametrize(
    ("material", "arms", "said"),
    [
        (
            TransferMaterial(pairs(), {}),
            ["english_only"],
            "arm english_only needs English pairs, and there is none whose instruction and response are English: name a file",
        ),
        (TransferMaterial(pairs(), {}), ["pinch"], "arm pinch needs English pairs"),
        (
            TransferMaterial(pairs("e1"), {"Swahili": pairs("s1"), "Finnish": pairs()}),
            ["pinch"],
            "in two languages or more, and has them in Swahili of Swahili, Finnish: name registered languages",
        ),
        (
            MATERIAL,
            ["pinch"],
            "arm pinch has 40 rows, so 40 of other languages are no pinch: lower evaluation.pinch_rows",
        ),
    ],
)
def test_what_an_arm_lacks_is_told_in_one_line(material: TransferMaterial, arms: list[Arm], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        material.check(arms, 40, EvaluationSettings())
    assert "\n" not in str(caught.value)


def test_what_an_arm_does_not_use_it_need_not_have() -> None:
    TransferMaterial(pairs(), {}).check(["random", "seed_only"], 1, EvaluationSettings())
    TransferMaterial(pairs("e1"), {}).check(["english_only"], 1, EvaluationSettings())
    MATERIAL.check(["pinch"], 41, EvaluationSettings())


def test_of_a_file_those_pairs_are_read_that_answer_in_the_language(tmp_path: Path) -> None:
    said = {
        "The cow gives milk and the farmer sells it at the market in the morning.": "English",
        "Ng'ombe hutoa maziwa mengi. Watu wa kijiji hunywa chai na maziwa kila asubuhi.": "Swahili",
    }
    path = tmp_path / "pairs.jsonl"
    path.write_text(
        "".join(json.dumps({"instruction": "What does the cow give?", "response": text}) + "\n" for text in said),
        "utf-8",
    )
    for language in (ENGLISH, SWAHILI):
        assert [said[text] for text in read_pairs(path, language)["response"]] == [language.name]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "languages.toml").write_text(REGISTRY, "utf-8")
    for name in ("de", "eu", "english"):
        (tmp_path / f"{name}.jsonl").write_text('{"instruction": "What is it?", "response": "x"}\n', "utf-8")
    return tmp_path


def others(home: Path, tag: str, *named: str, seeds: str | None = None) -> list[str]:
    workspace = Workspace(home, overrides={"evaluation": {"pinch_languages": list(named)}}, seeds=seeds)
    found = workspace.pinch_seeds_files(workspace.language(tag))
    assert [path.name for _, path in found] == [f"{other.tag}.jsonl" for other, _ in found]
    return [other.tag for other, _ in found]


def test_the_first_two_others_of_the_registry_make_a_pinch_and_generated_text_goes_with_itself(home: Path) -> None:
    assert others(home, "sw") == ["fi", "ur"], "the embedded world has no Estonian"
    assert others(home, "eu") == ["de"], "and Luxembourgish has no seeds"
    assert others(home, "sw", seeds="eu.jsonl") == ["de", "eu"], "which for this run are not the embedded world's"


def test_named_languages_are_taken_whatever_their_text_is_and_three_at_most(home: Path) -> None:
    assert others(home, "eu", "ta", "eu", "de") == ["ta", "de"]
    assert others(home, "eu", "ta", "de", "fi", "eu") == ["ta", "de", "fi"]
    with pytest.raises(InputError, match="names 4 beside eu, and 3 are the most: take one out"):
        others(home, "eu", "ta", "de", "fi", "ur")
    with pytest.raises(SettingsError, match="unknown language 'xx'"):
        others(home, "eu", "xx")
    with pytest.raises(InputError, match=r"lb has no seeds: take it out of evaluation\.pinch_languages"):
        others(home, "eu", "lb")


def test_english_pairs_are_those_that_are_named_or_the_embedded_worlds_where_its_seeds_are(home: Path) -> None:
    plain, named = Workspace(home), Workspace(home, overrides={"evaluation": {"english_pairs": "english.jsonl"}})
    of_world = plain.english_pairs_file(plain.language("fi"))
    assert of_world == home / "data/pocket/seeds/en.jsonl"
    assert len(read_pairs(of_world, ENGLISH)) == 180
    assert plain.english_pairs_file(plain.language("eu")) is None
    assert named.english_pairs_file(named.language("eu")) == home / "english.jsonl"
    assert named.english_pairs_file(named.language("fi")) == home / "english.jsonl"
