"""Seeds of every layout become one table that says where each row came from; what does not is told why."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.engines import roles
from xinstr_core.engines.translators import Translation, Translator, translator_identity
from xinstr_core.errors import InputError
from xinstr_core.languages import Language
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.stages import seed_pairs
from xinstr_core.stages.stage import fingerprint_parts, run_stage
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace

SWAHILI = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri."
SWAHILI_TOO = "Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake."
RIGHTS = "All human beings are born free and equal in dignity and rights."
FREEDOM = "No one shall be held in slavery or servitude, wherever it may be."
FINNISH = "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."
# What the tests' translator knows; all else it gives back as it is.
DICTIONARY: dict[str, Translation | BaseException] = {
    "Haki za binadamu ni zipi?": Translation("What are human rights?"),
    "Watu wote wana haki gani?": Translation("Which rights do all people have?"),
    "Niambie juu ya haki zetu": Translation("What are human rights?"),
    "Kwa nini watu wana haki?": Translation(""),
    "Uhuru wa watu ni nini hasa?": Translation("What is the", finished=False),
    "Eleza maana ya uhuru wetu": Translation("Eleza tu maana ya uhuru wetu sisi"),
    "Nani analinda haki zetu?": ValueError("no such row"),
    RIGHTS: Translation(SWAHILI),
    FREEDOM: Translation(FINNISH),
}
Build = Callable[..., Partition]


class Dictionary:
    """Counts loads by direction and rows; dies where it is told to."""

    def __init__(self, die_at: str = "") -> None:
        self.loads: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.die_at = die_at

    def load(self, name: str, source: Language, target: Language) -> Translator:
        self.loads.append((name, source.tag, target.tag))
        return self

    def translate(self, texts: Sequence[str], maximum_new_tokens: int) -> list[Translation]:
        translations = []
        for text in texts:
            if text == self.die_at:
                raise Killed
            made = DICTIONARY.get(text, Translation(text))
            if isinstance(made, BaseException):
                raise made
            translations.append(made)
        self.texts += texts
        return translations


@pytest.fixture
def home(tmp_path: Path) -> Path:
    entry = '[sw]\nname = "Swahili"\nscript = "Latn"\nseeds = "seeds.jsonl"\n'
    (tmp_path / "languages.toml").write_text(entry, "utf-8")
    return tmp_path


@pytest.fixture
def build(home: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    def built(*rows: Any, translator: Dictionary | None = None, **settings: Any) -> Partition:
        (home / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        named = {"translator": "a-model"} if translator else {}
        workspace = Workspace(home, overrides={"seeds": named | {"batch_rows": 3} | settings})
        monkeypatch.setattr(roles, "load_translator", (translator or Dictionary()).load)
        return run_stage(workspace, seed_pairs.read_seed_pairs, "sw", {}).partition

    return built


def aya(inputs: str, targets: str = SWAHILI, code: str = "swa") -> dict[str, str]:
    return {"inputs": inputs, "targets": targets, "language_code": code, "annotation_type": "original-annotations"}


def plain(instruction: str, response: str = SWAHILI) -> dict[str, str]:
    return {"instruction": instruction, "response": response, "source": "ours", "licence": "CC0"}


MIXED = [
    plain("What are human rights?"),
    aya("Haki za binadamu ni zipi?", SWAHILI_TOO),
    plain("Watu wote wana haki gani?"),
    plain("Which rights are there?", RIGHTS),
    aya("Mitkä ovat ihmisoikeudet?", FINNISH, "fin"),
    aya("Niambie juu ya haki zetu"),  # becomes the first pair
    plain("Who is free?", FREEDOM),
    {"instruction": "What is missing?"},
    aya("Kwa nini watu wana haki?"),
    aya("Uhuru wa watu ni nini hasa?"),
    aya("Eleza maana ya uhuru wetu"),
    aya("Nani analinda haki zetu?"),
    aya("Tueleze mambo ya haki zetu sote"),  # comes back as it is
    plain("WHAT are human rights?"),
    plain("What is freedom?", FINNISH),
    plain("What is not text?\x00"),
]


def by_place(partition: Partition) -> dict[int, tuple[str, str, str]]:
    rejected = partition.read("rejected")
    assert rejected["language"].unique().to_list() == ["sw"]
    rows = rejected.select("place", "reason", "value", "threshold").iter_rows()
    return {int(place.split(":")[1]): (reason, value, threshold) for place, reason, value, threshold in rows}


def test_every_layout_becomes_a_row_that_says_where_it_came_from(build: Build) -> None:
    partition = build(*MIXED, translator=Dictionary(), translate_responses=True)
    seeds = partition.read("seeds")
    assert seeds.schema == SEEDS.schema
    assert seeds.drop("pair_id", "language").rows() == [
        ("What are human rights?", SWAHILI, "ours", "CC0", True, "native", None, None),
        (
            "What are human rights?", SWAHILI_TOO, "original-annotations", "unknown", True,
            "native_instruction_translated", "Haki za binadamu ni zipi?", "a-model",
        ),
        (
            "Which rights do all people have?", SWAHILI, "ours", "CC0", True,
            "native_instruction_translated", "Watu wote wana haki gani?", "a-model",
        ),
        ("Which rights are there?", SWAHILI, "ours", "CC0", False, "response_translated", RIGHTS, "a-model"),
    ]  # fmt: skip
    assert seeds["pair_id"].is_unique().all()


def test_every_other_record_is_a_reject_with_its_reason(build: Build) -> None:
    partition = build(*MIXED, translator=Dictionary(), translate_responses=True)
    first = partition.read("seeds")["pair_id"][0]
    assert by_place(partition) == {
        5: ("other_language", "fin", "sw"),
        6: ("duplicate", first, ""),
        7: ("translation_wrong_language", f"fi: {FINNISH}", "sw"),
        8: ("no_response", "fields: instruction", ""),
        9: ("translation_empty", "", ""),
        10: ("translation_cut_off", "11 characters written", "seeds.maximum_new_tokens"),
        11: ("translation_wrong_language", "sw: Eleza tu maana ya uhuru wetu sisi", "en"),
        12: ("translation_failed", "ValueError: no such row", ""),
        13: ("translation_copied", "", ""),
        14: ("duplicate", first, "seeds.jsonl:1"),
        15: ("wrong_language", "fi", "sw or en"),
        16: ("not_text", "NUL or lone surrogate", ""),
    }


def test_no_reject_shows_personal_data(build: Build) -> None:
    contact = "0712 345 678, juma@example.tz"
    partition = build(plain("Which rights do all have?"), plain("", contact), ["x", contact], plain(contact, FINNISH))
    rejected = partition.scan("rejected").select("reason", "excerpt").collect()
    assert rejected["reason"].to_list() == ["no_instruction", "not_a_record", "wrong_language"]
    assert not any("0712" in excerpt or "@" in excerpt for excerpt in rejected["excerpt"])


def test_the_figures_count_pairs_by_origin_and_every_record(build: Build) -> None:
    figures = build(*MIXED, translator=Dictionary(), translate_responses=True).figures
    assert figures["seed_pairs"] == 4
    assert figures["native"] == 3
    assert figures["english_only"] is False
    assert figures["by_origin"] == {"native_instruction_translated": 2, "native": 1, "response_translated": 1}
    funnel = figures["funnel"]
    assert (funnel["taken"], funnel["kept"]) == (16, 4)
    assert funnel["lost"] == {
        "duplicate": 2,
        "translation_wrong_language": 2,
        **dict.fromkeys(("other_language", "no_response", "translation_empty", "translation_cut_off", "translation_failed", "translation_copied", "wrong_language", "not_text"), 1),
    }  # fmt: skip


def test_without_a_translator_what_needs_one_is_told_and_english_stays_english(build: Build) -> None:
    partition = build(*MIXED, translate_responses=True)
    assert partition.read("seeds").select("instruction", "origin", "native").rows() == [
        ("What are human rights?", "native", True),
        ("Which rights are there?", "english", False),
        ("Who is free?", "english", False),
    ]
    needing = {place: why for place, why in by_place(partition).items() if why[0] == "needs_translation"}
    assert needing == dict.fromkeys(
        (2, 3, 6, 9, 10, 11, 12, 13), ("needs_translation", "instruction in sw", "seeds.translator is not set")
    )


def test_english_responses_stay_english_unless_they_are_to_be_translated(build: Build) -> None:
    translator = Dictionary()
    partition = build(*MIXED[:4], translator=translator)
    assert partition.read("seeds")["origin"].to_list() == [
        "native", "english", "native_instruction_translated", "native_instruction_translated",
    ]  # fmt: skip
    assert translator.loads == [("a-model", "sw", "en")]
    assert build(plain("Which rights are there?", RIGHTS), translator=translator).figures["english_only"] is True


def test_a_translator_is_loaded_for_each_direction_that_is_needed(build: Build) -> None:
    translator = Dictionary()
    build(*MIXED, translator=translator, translate_responses=True)
    assert translator.loads == [("a-model", "sw", "en"), ("a-model", "en", "sw")]
    idle = Dictionary()
    build(plain("What are human rights?"), translator=idle, translate_responses=True)
    assert idle.loads == []


def test_a_file_of_which_all_needs_translation_says_what_to_set(build: Build) -> None:
    said = r"gave no seed pair of 2 records \(2 needs_translation\): set seeds\.translator to"
    with pytest.raises(InputError, match=said):
        build(aya("Haki za binadamu ni zipi?"), aya("Watu wote wana haki gani?"))


def test_a_file_of_another_language_is_told_so_and_not_of_its_layout(build: Build) -> None:
    pair = {
        "instruction": "Mitkä ovat ihmisoikeudet ja keille ne kuuluvat?",
        "response": "Ihmisoikeudet kuuluvat kaikille.",
    }
    said = r"of 1 records \(1 wrong_language\): instructions have to be in English and responses in Swahili"
    with pytest.raises(InputError, match=said):
        build(pair | {"language": "fi"})


def test_an_empty_file_is_an_input_error(build: Build) -> None:
    with pytest.raises(InputError, match=r"seeds\.jsonl is empty|gave no seed pair: it holds no records"):
        build()


def test_a_killed_run_goes_on_behind_its_last_batch_and_ends_with_the_same_bytes(build: Build, home: Path) -> None:
    rows = [aya(f"Haki ya {number} ya watu wote ni ipi hasa?") for number in range(9)] + MIXED[:3]
    asked = {row["inputs"]: Translation(f"What is right {n} of all people?") for n, row in enumerate(rows[:9])}
    with pytest.MonkeyPatch.context() as patched:
        for text, translation in asked.items():
            patched.setitem(DICTIONARY, text, translation)
        first = Dictionary()
        whole = build(*rows, translator=first)
        contents = {name: whole.table_path(name).read_bytes() for name in ("seeds", "rejected")}
        (whole.path / "manifest.json").unlink()

        killed = Dictionary(die_at=first.texts[-1])
        with pytest.raises(Killed):
            build(*rows, translator=killed)
        again = Dictionary()
        partition = build(*rows, translator=again)
    assert killed.texts + again.texts == first.texts
    assert len(killed.texts) == 9
    assert {name: partition.table_path(name).read_bytes() for name in contents} == contents


def test_another_translator_or_setting_makes_the_stage_stale_and_a_model_that_is_not_used_does_not(
    home: Path, tmp_path: Path
) -> None:
    (home / "seeds.jsonl").write_text(json.dumps(plain("What are human rights?")) + "\n", "utf-8")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")

    def parts(**settings: Any) -> dict[str, Any]:
        workspace = Workspace(home, overrides={"seeds": settings})
        return fingerprint_parts(workspace, seed_pairs.read_seed_pairs, "sw", {})

    before = parts(translator=str(model))
    assert before == parts(translator=str(model))
    assert before["files"]["translator"] == translator_identity(str(model))
    assert before["model"] is None
    (model / "config.json").write_text('{"d_model": 8}')
    assert parts(translator=str(model)) != before
    assert parts()["files"]["translator"] is None
    assert parts(translate_responses=True) != parts()


def test_the_pocket_worlds_seeds_are_all_native(home: Path) -> None:
    partition = run_stage(Workspace(home, seeds="pocket"), seed_pairs.read_seed_pairs, "sw", {}).partition
    assert partition.figures["by_origin"] == {"native": 180}
    assert partition.read("rejected").height == 0
    assert partition.read("seeds").select(pl.col("original", "translator").is_null().all()).row(0) == (True, True)
