from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pytest

from xinstr_core.corpus.readers import MAXIMUM_LINE_BYTES, Reject
from xinstr_core.engines.translators import Translation
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key
from xinstr_core.seed_fields import Exchange
from xinstr_core.seeds import (
    SeedPair,
    Untranslated,
    _instruction_language,
    read_seeds,
    translated_seeds,
    untranslated,
)

SWAHILI = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri."
ENGLISH = "All human beings are born free and equal in dignity and rights."
FINNISH = "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan."
WOLOF = "Doomi aadama yépp danuy juddu, yam ci tawfeex ci sag ak sañ-sañ. Nekk na it ku xam dëgg te ànd na ak xelam."


QUESTION = "Je, haki za binadamu ni nini katika nchi yetu?"
ASKED = "What are human rights in our country?"
CALLED = ("Swahili", "swh", "swa")


def seeds_of(
    folder: Path, *rows: Any, language: str = "sw", called: Sequence[str] = CALLED, translate_responses: bool = False
) -> list[SeedPair | Untranslated | Reject]:
    path = folder / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return list(read_seeds(path, language, called, translate_responses=translate_responses))


def waiting(
    place: str,
    request: str,
    response: str,
    source: str,
    licence: str,
    part: Literal["instruction", "response"],
    **more: str,
) -> Untranslated:
    return Untranslated(Exchange(place, request, response, source=source, licence=licence, **more), part)


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
            origin="native",
        )
    ]


def test_an_english_response_is_a_seed_that_is_not_native(tmp_path: Path) -> None:
    (pair,) = seeds_of(tmp_path, {"instruction": "What are human rights?", "response": ENGLISH})
    assert isinstance(pair, SeedPair)
    assert (pair.native, pair.response, pair.source, pair.licence) == (False, ENGLISH, "", "unknown")
    assert (pair.origin, pair.original, pair.translator) == ("english", None, None)


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
    assert second == Reject("seeds.jsonl:2", "duplicate", "WHAT are  human rights?", first.pair_id, "seeds.jsonl:1")
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
    path = tmp_path / "seeds.docx"
    path.write_text("instruction,response\n", "utf-8")
    with pytest.raises(InputError, match=r"cannot read this format; known suffixes: \.jsonl, \.parquet, \.txt"):
        list(read_seeds(path, "sw"))


def test_an_instruction_in_the_language_needs_translation_and_the_response_stays(tmp_path: Path) -> None:
    row = {"instruction": f" {QUESTION}", "response": f"{SWAHILI} ", "source": "forum", "licence": "CC0"}
    (found,) = seeds_of(tmp_path, row)
    assert found == waiting("seeds.jsonl:1", QUESTION, SWAHILI, "forum", "CC0", "instruction")
    assert found.text == QUESTION
    assert untranslated(found, "sw") == Reject(
        "seeds.jsonl:1", "needs_translation", QUESTION, "instruction in sw", "seeds.translator is not set"
    )


def test_a_record_in_the_aya_layout_needs_translation_and_names_its_kind(tmp_path: Path) -> None:
    row = {"inputs": QUESTION, "targets": SWAHILI, "annotation_type": "original-annotations"}
    labels: list[tuple[dict[str, str], str]] = [
        ({}, ""),
        ({"language_code": "swa"}, "swa"),
        ({"language_code": "swh_Latn", "language": "English"}, "swh_Latn"),
        ({"language": "swahili"}, "swahili"),
    ]
    for label, said in labels:
        assert seeds_of(tmp_path, row | label) == [
            waiting("seeds.jsonl:1", QUESTION, SWAHILI, "original-annotations", "", "instruction", said=said)
        ]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"language_code": "fin"}, "fin"),
        ({"language": "English", "language_code": "eng"}, "eng"),
        ({"language": "Finnish"}, "Finnish"),
    ],
)
def test_an_aya_record_of_another_language_is_counted_whatever_it_says(
    tmp_path: Path, label: dict[str, str], said: str
) -> None:
    row = {"inputs": QUESTION, "targets": SWAHILI} | label
    assert seeds_of(tmp_path, row) == [Reject("seeds.jsonl:1", "other_language", "", said, "sw")]


def test_an_aya_record_with_an_english_instruction_is_a_native_seed(tmp_path: Path) -> None:
    (pair,) = seeds_of(tmp_path, {"inputs": ASKED, "targets": SWAHILI, "language_code": "swa"})
    assert isinstance(pair, SeedPair)
    assert (pair.instruction, pair.origin) == (ASKED, "native")


def test_a_label_does_not_make_a_response_be_in_the_language(tmp_path: Path) -> None:
    assert seeds_of(tmp_path, {"inputs": QUESTION, "targets": FINNISH, "language_code": "swa"}) == [
        Reject("seeds.jsonl:1", "wrong_language", FINNISH, "fi", "sw or en")
    ]


def test_a_label_decides_where_a_response_says_nothing_of_its_language(tmp_path: Path) -> None:
    labelled, plain = seeds_of(
        tmp_path,
        {"inputs": QUESTION, "targets": "1964", "language_code": "swa"},
        {"instruction": ASKED, "response": "1964"},
    )
    assert labelled == waiting("seeds.jsonl:1", QUESTION, "1964", "", "", "instruction", said="swa")
    assert plain == Reject("seeds.jsonl:2", "wrong_language", "1964", "und", "sw or en")


def test_an_english_pair_whose_response_is_to_be_translated(tmp_path: Path) -> None:
    (found,) = seeds_of(tmp_path, {"instruction": ASKED, "response": ENGLISH}, translate_responses=True)
    assert found == waiting("seeds.jsonl:1", ASKED, ENGLISH, "", "", "response")
    assert found.text == ENGLISH


def test_a_pair_whose_question_is_in_a_third_language_or_not_its_answers_is_rejected(tmp_path: Path) -> None:
    finnish = "Mitä ihmisoikeudet ovat ja miten niitä valvotaan Suomessa nykyään?"
    assert seeds_of(
        tmp_path, {"instruction": finnish, "response": SWAHILI}, {"instruction": QUESTION, "response": ENGLISH}
    ) == [
        Reject("seeds.jsonl:1", "wrong_language", finnish, "instruction in fi", "en or sw"),
        Reject("seeds.jsonl:2", "wrong_language", QUESTION, "instruction in sw", "en"),
    ]


@pytest.mark.parametrize(
    ("instruction", "response", "language"),
    [
        ("How do you make “ฆ้องวง”?", "ฆ้องวงเป็นเครื่องดนตรีไทยที่ทำจากโลหะและไม้ ใช้บรรเลงในวงปี่พาทย์", "th"),
        ("Teach me the game of đập niêu đất.", "Đập niêu đất là một trò chơi dân gian trong các lễ hội làng.", "vi"),
        ("List fruits", SWAHILI, "sw"),
        ("Classify: Cirrus, Cumulus, Stratus", SWAHILI, "sw"),
    ],
)
def test_an_english_instruction_that_names_something_of_the_language_is_english(
    tmp_path: Path, instruction: str, response: str, language: str
) -> None:
    (pair,) = seeds_of(tmp_path, {"instruction": instruction, "response": response}, language=language)
    assert isinstance(pair, SeedPair), pair
    assert pair.origin == "native"


def test_repeats_are_found_across_layouts(tmp_path: Path) -> None:
    first, second = seeds_of(
        tmp_path, {"inputs": QUESTION, "targets": SWAHILI}, {"instruction": QUESTION.upper(), "response": SWAHILI}
    )
    assert isinstance(first, Untranslated)
    assert isinstance(second, Reject)
    assert (second.reason, second.threshold) == ("duplicate", "seeds.jsonl:1")


PENDING = waiting("a:1", QUESTION, SWAHILI, "forum", "CC0", "instruction")
ENGLISH_PENDING = waiting("a:2", ASKED, ENGLISH, "dolly", "CC0", "response")


def test_a_translated_instruction_makes_a_native_pair_with_its_original(tmp_path: Path) -> None:
    (pair,) = translated_seeds([PENDING], [Translation(f" {ASKED} ")], [], "sw", "model@1")
    assert pair == SeedPair(
        content_key("seed", "sw", ASKED.casefold(), SWAHILI.casefold(), "model@1"),
        ASKED,
        SWAHILI,
        "forum",
        "CC0",
        native=True,
        origin="native_instruction_translated",
        original=QUESTION,
        translator="model@1",
    )


def test_a_translated_response_makes_a_pair_that_is_not_native() -> None:
    (pair,) = translated_seeds([ENGLISH_PENDING], [Translation(SWAHILI)], [], "sw", "model@1")
    assert pair == SeedPair(
        content_key("seed", "sw", ASKED.casefold(), SWAHILI.casefold(), "model@1"),
        ASKED,
        SWAHILI,
        "dolly",
        "CC0",
        native=False,
        origin="response_translated",
        original=ENGLISH,
        translator="model@1",
    )


def test_another_translator_makes_another_pair() -> None:
    one, other = (
        next(translated_seeds([PENDING], [Translation(ASKED)], [], "sw", name)) for name in ("model@1", "model@2")
    )
    assert isinstance(one, SeedPair)
    assert isinstance(other, SeedPair)
    assert one.pair_id != other.pair_id


@pytest.mark.parametrize(
    ("translation", "reason", "value", "threshold"),
    [
        (Translation("", False, "ValueError: bad"), "translation_failed", "ValueError: bad", ""),
        (Translation("A\x00"), "translation_failed", "NUL or lone surrogate", ""),
        (Translation("What are", False), "translation_cut_off", "8 characters written", "seeds.maximum_new_tokens"),
        (Translation(" \n "), "translation_empty", "", ""),
        (Translation(f"{QUESTION.upper()} "), "translation_copied", "", ""),
        (
            Translation("Haki zetu sote ni zipi hapa nchini mwetu?"),
            "translation_wrong_language",
            "sw: Haki zetu sote ni zipi hapa nchini mwetu?",
            "en",
        ),
    ],
)
def test_an_instruction_that_was_not_translated_is_rejected_with_its_reason(
    translation: Translation, reason: str, value: str, threshold: str
) -> None:
    assert list(translated_seeds([PENDING], [translation], [], "sw", "m")) == [
        Reject("a:1", reason, QUESTION, value, threshold)
    ]


def test_a_response_that_came_out_in_another_language_is_rejected() -> None:
    (found,) = translated_seeds([ENGLISH_PENDING], [Translation(FINNISH)], [], "sw", "m")
    assert found == Reject("a:2", "translation_wrong_language", ENGLISH, f"fi: {FINNISH}", "sw")


def test_what_translation_makes_alike_is_a_duplicate_of_what_was_there(tmp_path: Path) -> None:
    (kept,) = seeds_of(tmp_path, {"instruction": ASKED, "response": SWAHILI})
    assert isinstance(kept, SeedPair)
    again = waiting("a:3", "Haki za binadamu nchini ni zipi?", FINNISH, "", "", "instruction")
    pending = [PENDING, again, again]
    first, second, third = translated_seeds(pending, [Translation(ASKED)] * 3, [kept], "sw", "m")
    assert first == Reject("a:1", "duplicate", ASKED, kept.pair_id)
    assert isinstance(second, SeedPair)
    assert third == Reject("a:3", "duplicate", ASKED, second.pair_id)


@pytest.mark.parametrize("field", ["inputs", "targets", "annotation_type", "language_code"])
@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_what_cannot_be_stored_never_reaches_a_table(tmp_path: Path, field: str, bad: str) -> None:
    row = {"inputs": QUESTION, "targets": SWAHILI, "annotation_type": "re-annotations", "language_code": "sw"}
    (found,) = seeds_of(tmp_path, row | {field: f"{row[field]}{bad}"})
    assert found == Reject("seeds.jsonl:1", "not_text", "", "NUL or lone surrogate")


@pytest.mark.parametrize("value", [None, "", 3, [QUESTION, "tena"], {"text": QUESTION}])
def test_an_aya_record_without_a_usable_field_is_rejected_by_what_is_missing(tmp_path: Path, value: Any) -> None:
    found = seeds_of(tmp_path, {"inputs": value, "targets": SWAHILI}, {"inputs": QUESTION, "targets": value})
    assert [one.reason for one in found if isinstance(one, Reject)] == ["no_instruction", "no_response"]


def test_a_byte_order_mark_and_long_fields_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    long = f"{SWAHILI} " * 10_000
    rows = [{"inputs": QUESTION, "targets": long}, {"inputs": QUESTION, "targets": long * 2}]
    path.write_bytes(b"\xef\xbb\xbf" + "".join(json.dumps(row) + "\n" for row in rows).encode())
    whole, cut = read_seeds(path, "sw")
    assert whole == waiting("seeds.jsonl:1", QUESTION, long.strip(), "", "", "instruction")
    assert isinstance(cut, Reject)
    assert (cut.reason, cut.threshold) == ("line_too_long", f"{MAXIMUM_LINE_BYTES} bytes")


def test_a_pair_that_was_refused_does_not_make_the_next_one_a_duplicate(tmp_path: Path) -> None:
    """Of a short response only the record's own word tells the language: the second record says what the first lacks."""
    plain = {"instruction": "How many towns are there?", "response": "42"}
    labelled = {"inputs": plain["instruction"], "targets": "42", "language_code": "sw"}
    refused, pair = seeds_of(tmp_path, plain, labelled)
    assert isinstance(refused, Reject)
    assert refused.reason == "wrong_language"
    assert isinstance(pair, SeedPair)


@pytest.mark.parametrize("empty", [None, ""])
def test_the_layout_of_a_record_is_that_of_the_fields_with_a_value(tmp_path: Path, empty: str | None) -> None:
    row = {"instruction": empty, "response": empty, "inputs": "What are human rights?", "targets": SWAHILI}
    (pair,) = seeds_of(tmp_path, row)
    assert isinstance(pair, SeedPair)
    assert (pair.instruction, pair.response) == ("What are human rights?", SWAHILI)


def test_real_instructions_are_told_from_sentences_of_the_languages() -> None:
    """One English instruction in a thousand, and one sentence in a hundred, may be taken for the other."""
    data = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not data.is_dir():
        pytest.skip("no real data beside the checkout")
    english = [json.loads(line)["instruction"] for line in (data / "seed_en.jsonl").open(encoding="utf-8")]
    taken = [text for text in english if _instruction_language(text, "sw") != "en"]
    assert len(taken) <= len(english) / 1000
    for tag in ("bn", "eu", "fi", "hi", "id", "ne", "sw", "ta", "th", "tr", "ur", "vi"):
        lines = islice((data / "eval" / f"parallel_{tag}.jsonl").open(encoding="utf-8"), 300)
        assert sum(_instruction_language(json.loads(line)["text"], tag) == "en" for line in lines) <= 3, tag
