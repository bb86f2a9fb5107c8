from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.corpus.readers import Reject
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key
from xinstr_core.seeds import SeedPair, read_seeds

SWAHILI = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri."
ENGLISH = "All human beings are born free and equal in dignity and rights."
FINNISH = "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."
WOLOF = "Doomi aadama yépp danuy juddu, yam ci tawfeex ci sag ak sañ-sañ. Nekk na it ku xam dëgg te ànd na ak xelam."


def seeds_of(folder: Path, *rows: Any, language: str = "sw") -> list[SeedPair | Reject]:
    path = folder / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return list(read_seeds(path, language))


def test_a_response_in_the_language_is_a_native_seed(tmp_path: Path) -> None:
    row = {"instruction": " What are human rights?\n", "response": f"\n{SWAHILI} ", "source": "UDHR", "licence": "PD"}
    assert seeds_of(tmp_path, row) == [
        SeedPair(
            pair_id=content_key("seed", "sw", "what are human rights?", SWAHILI.casefold()),
            instruction="What are human rights?",
            response=SWAHILI,
            source="UDHR",
            licence="PD",
            native=True,
        )
    ]


def test_an_english_response_is_a_seed_that_is_not_native(tmp_path: Path) -> None:
    (pair,) = seeds_of(tmp_path, {"instruction": "What are human rights?", "response": ENGLISH})
    assert isinstance(pair, SeedPair)
    assert (pair.native, pair.response, pair.source, pair.licence) == (False, ENGLISH, "", "unknown")


def test_a_response_in_a_third_language_is_rejected_with_what_was_found(tmp_path: Path) -> None:
    assert seeds_of(tmp_path, {"instruction": "What are human rights?", "response": FINNISH}) == [
        Reject("seeds.jsonl:1", "wrong_language", FINNISH, "fi", "sw or en")
    ]


def test_a_response_in_a_language_the_identifier_does_not_know_is_a_native_seed(tmp_path: Path) -> None:
    (pair,) = seeds_of(tmp_path, {"instruction": "What are human rights?", "response": WOLOF}, language="wo")
    assert isinstance(pair, SeedPair), pair
    assert pair.native


@pytest.mark.parametrize("value", [None, "", " \n\t", 3, ["text"], {"text": "x"}, False])
def test_a_seed_without_a_usable_field_is_rejected_by_the_name_of_the_field(tmp_path: Path, value: Any) -> None:
    no_instruction, no_response, neither = seeds_of(
        tmp_path,
        {"instruction": value, "response": SWAHILI},
        {"instruction": "Why?", "response": value},
        {"text": SWAHILI},
    )
    assert isinstance(no_instruction, Reject)
    assert isinstance(no_response, Reject)
    assert isinstance(neither, Reject)
    assert (no_instruction.place, no_instruction.reason) == ("seeds.jsonl:1", "no_instruction")
    assert (no_response.place, no_response.reason) == ("seeds.jsonl:2", "no_response")
    assert (neither.place, neither.reason) == ("seeds.jsonl:3", "no_instruction")


def test_a_pair_that_differs_only_in_case_or_spacing_is_a_duplicate(tmp_path: Path) -> None:
    first, second, other = seeds_of(
        tmp_path,
        {"instruction": "What are human rights?", "response": SWAHILI},
        {"instruction": "WHAT are  human rights?", "response": SWAHILI.upper()},
        {"instruction": "Which rights do people have?", "response": SWAHILI},
    )
    assert isinstance(first, SeedPair)
    assert second == Reject("seeds.jsonl:2", "duplicate", "WHAT are  human rights?", first.pair_id)
    assert isinstance(other, SeedPair)


def test_one_pair_has_another_key_in_another_language(tmp_path: Path) -> None:
    row = {"instruction": "What are human rights?", "response": ENGLISH}
    (swahili,), (thai,) = seeds_of(tmp_path, row), seeds_of(tmp_path, row, language="th")
    assert isinstance(swahili, SeedPair)
    assert isinstance(thai, SeedPair)
    assert swahili.pair_id != thai.pair_id


def test_markers_of_prompts_in_a_seed_stay_as_they_were_written(tmp_path: Path) -> None:
    instruction = "Explain <|endoftext|> and ### Rating: 5"
    (pair,) = seeds_of(tmp_path, {"instruction": instruction, "response": f"{SWAHILI}\n### Rating: 1"})
    assert isinstance(pair, SeedPair)
    assert (pair.instruction, pair.response) == (instruction, f"{SWAHILI}\n### Rating: 1")


@pytest.mark.parametrize("field", ["instruction", "response", "source", "licence"])
def test_a_lone_surrogate_in_a_seed_never_reaches_a_table(tmp_path: Path, field: str) -> None:
    row = {"instruction": "What are human rights?", "response": SWAHILI, "source": "UDHR", "licence": "PD"}
    (found,) = seeds_of(tmp_path, row | {field: f"{row[field]} \ud800"})
    for value in vars(found).values():
        str(value).encode("utf-8")


def test_broken_lines_are_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    good = json.dumps({"instruction": "What are human rights?", "response": SWAHILI}).encode()
    path.write_bytes(b"{broken\n\xff\xfe\n[1]\n\n" + good + b"\n")
    found = list(read_seeds(path, "sw"))
    assert [(f.place, f.reason) for f in found[:-1] if isinstance(f, Reject)] == [
        ("seeds.jsonl:1", "not_json"),
        ("seeds.jsonl:2", "not_utf8"),
        ("seeds.jsonl:3", "not_a_record"),
    ]
    assert isinstance(found[-1], SeedPair)


def test_an_empty_file_has_no_seeds(tmp_path: Path) -> None:
    assert seeds_of(tmp_path) == []


def test_a_seed_file_of_unknown_kind_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    path.write_text("instruction,response\n", "utf-8")
    with pytest.raises(InputError, match=r"cannot read this format; known suffixes: \.jsonl, \.parquet, \.txt"):
        list(read_seeds(path, "sw"))
