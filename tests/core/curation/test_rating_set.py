"""Rated rows have the level that their construction says, and no row is wrong that is called right or the other way."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import regex

from xinstr_core.curation.constructions import FLAWS, Pair
from xinstr_core.curation.rating_set import Material, RatedPair, build_rating_set, shuffled_pairs
from xinstr_core.identity import content_key
from xinstr_core.pocket.documents import Topic, write_document, write_instruction
from xinstr_core.pocket.templates import load_templates
from xinstr_core.schemas.shared import LEVELS
from xinstr_core.settings import Construction, EvaluatorSettings

ALL = EvaluatorSettings().constructions
UGALI = Pair("k1", "How is ugali cooked?", "Ugali hupikwa kwa maji moto. Huliwa na mboga.")
PILAU = Pair("k2", "How is pilau cooked?", "Pilau hupikwa kwa mchele. Huliwa na nyama.")
ROBERT = Pair("k3", "Who was Shaaban Robert?", "Shaaban Robert alikuwa mshairi. Aliishi Tanga.")


def pocket_pairs(language: str, count: int = 12) -> list[Pair]:
    rng = random.Random(f"pairs {language}")
    pairs = []
    for number in range(count):
        intent = rng.choice(tuple(load_templates(language).intents.values()))
        topic = Topic(language, intent.name, rng.choice(intent.train))
        pairs.append(Pair(f"{language}-{number}", write_instruction(topic, "en", rng), write_document(topic, rng)))
    return pairs


SWAHILI = pocket_pairs("sw")


def texts(rows: list[RatedPair]) -> list[tuple[str, str, str, str]]:
    return [(row.construction, row.level, row.instruction, row.response) for row in rows]


def test_the_rows_of_two_pairs_are_these() -> None:
    """One that repeats the row before it (the only other instruction is also the nearest) is left out."""
    rows = build_rating_set([UGALI, PILAU], ("other_ending", "near_instruction", "other_instruction", "echo"))
    assert texts(rows) == [
        ("own", "3", UGALI.instruction, UGALI.response),
        ("other_ending", "2", UGALI.instruction, "Ugali hupikwa kwa maji moto. Huliwa na nyama."),
        ("near_instruction", "1", PILAU.instruction, UGALI.response),
        ("echo", "1", UGALI.instruction, UGALI.instruction),
        ("own", "3", PILAU.instruction, PILAU.response),
        ("other_ending", "2", PILAU.instruction, "Pilau hupikwa kwa mchele. Huliwa na mboga."),
        ("near_instruction", "1", UGALI.instruction, PILAU.response),
        ("echo", "1", PILAU.instruction, PILAU.instruction),
    ]
    assert [(row.instruction_good, row.fits) for row in rows[:4]] == [
        (True, True), (True, None), (True, False), (True, False)
    ]  # fmt: skip
    assert [row.key for row in rows] == [
        content_key("rated", pair.key, row.construction)
        for row, pair in zip(rows, [UGALI] * 4 + [PILAU] * 4, strict=True)
    ]
    assert LEVELS == ("1", "2", "3")


@pytest.mark.parametrize("construction", [name for name in ALL if name in FLAWS])
def test_a_construction_is_made_only_when_it_is_switched_on(construction: Construction) -> None:
    on = {row.construction for row in build_rating_set(SWAHILI, (construction,))}
    assert on == {"own", construction}
    without = tuple(name for name in ALL if name != construction)
    assert construction not in {row.construction for row in build_rating_set(SWAHILI, without)}


def test_without_constructions_the_pairs_stand_as_they_are() -> None:
    assert texts(build_rating_set(SWAHILI, ())) == [("own", "3", p.instruction, p.response) for p in SWAHILI]


@pytest.mark.parametrize("language", ["sw", "th", "ur", "hi"])
def test_no_two_rows_are_alike_and_every_row_has_the_flaw_of_its_construction(language: str) -> None:
    rows = build_rating_set(pocket_pairs(language, 30), ALL)
    assert len({(row.instruction, row.response) for row in rows}) == len({row.key for row in rows}) == len(rows)
    for row in rows:
        flaw = FLAWS[row.construction]
        assert (row.level, row.instruction_good, row.fits) == (flaw.level, flaw.instruction_good, flaw.fits)
    assert Counter(row.construction for row in rows)["own"] == len(
        {(p.instruction, p.response) for p in pocket_pairs(language, 30)}
    )


def test_the_same_pairs_and_seed_give_the_same_rows_and_another_seed_other_ones() -> None:
    assert build_rating_set(SWAHILI, ALL, seed=3) == build_rating_set(list(SWAHILI), ALL, seed=3)
    one, two = (build_rating_set(SWAHILI, ("cut_off",), seed=seed) for seed in (1, 2))
    assert [row.key for row in one] == [row.key for row in two]
    assert [row.response for row in one] != [row.response for row in two]


def test_a_pairs_rows_depend_on_its_own_key_and_the_others_alone() -> None:
    """Not on its place in the list, nor on what else is switched on: whatever needs no other pair is the same."""
    by_key = {row.key: row for row in build_rating_set(SWAHILI, ALL)}
    alone = ("cut_off", "disordered", "broken_instruction", "quoted_instruction", "echo")
    fewer = build_rating_set([SWAHILI[7], SWAHILI[2]], alone)
    assert len(fewer) == 12
    assert [by_key[row.key] for row in fewer] == fewer


def test_the_order_of_the_pairs_changes_only_the_order_of_rows_that_ask_no_random_other() -> None:
    fixed = tuple(name for name in ALL if name not in ("other_ending", "other_instruction", "other_request"))
    forwards, backwards = build_rating_set(SWAHILI, fixed), build_rating_set(SWAHILI[::-1], fixed)
    assert sorted(forwards, key=lambda row: row.key) == sorted(backwards, key=lambda row: row.key)


def test_another_key_makes_other_rows_of_the_same_pair() -> None:
    again = Pair("another key", SWAHILI[0].instruction, SWAHILI[0].response)
    cuts = [build_rating_set([pair, SWAHILI[1]], ("cut_off",))[1] for pair in (SWAHILI[0], again)]
    assert cuts[0].response != cuts[1].response


def test_english_pairs_are_rows_in_the_wrong_language_only_when_it_is_switched_on() -> None:
    material = Material(english=[Pair("e1", "What is tea?", "Tea is a drink.")])
    [row] = [row for row in build_rating_set([UGALI, PILAU], ("wrong_language",), material) if row.level != "3"]
    assert row == RatedPair(
        content_key("rated", "e1", "wrong_language"),
        "What is tea?",
        "Tea is a drink.",
        "e1",
        "1",
        "wrong_language",
        True,
        None,
    )
    assert {row.construction for row in build_rating_set([UGALI, PILAU], (), material)} == {"own"}


def test_what_models_wrote_is_level_two_of_a_weaker_one_and_level_one_of_the_base() -> None:
    written = Material({"weaker_response": {"k1": "Ugali ni ugali."}, "base_response": {"k2": "the the the"}})
    rows = build_rating_set([UGALI, PILAU], ("weaker_response", "base_response"), written)
    assert texts([row for row in rows if row.level != "3"]) == [
        ("weaker_response", "2", UGALI.instruction, "Ugali ni ugali."),
        ("base_response", "1", PILAU.instruction, "the the the"),
    ]
    assert {(row.instruction_good, row.fits) for row in rows if row.level != "3"} == {(True, None)}
    assert {row.construction for row in build_rating_set([UGALI, PILAU], ("echo",), written)} == {"own", "echo"}


def test_a_model_that_wrote_the_right_response_gives_no_flawed_row() -> None:
    written = Material({"weaker_response": {"k1": UGALI.response}})
    assert {row.level for row in build_rating_set([UGALI, PILAU], ("weaker_response",), written)} == {"3"}


def test_a_wrong_instruction_is_never_the_pairs_own() -> None:
    """Pairs may share an instruction; one of them is then no wrong instruction for the other."""
    same = [Pair(f"k{i}", "Describe a dish.", f"Chakula namba {i} ni kizuri sana. Huliwa na wengi.") for i in range(5)]
    rated = build_rating_set([*same, Pair("other", "Who was he?", "Alikuwa mwalimu. Aliishi Tabora.")], ALL)
    right = {(pair.instruction, pair.response) for pair in same}
    assert not {(row.instruction, row.response) for row in rated if row.level == "1"} & right


def test_an_instruction_asked_in_other_words_is_no_wrong_instruction_for_the_same_response() -> None:
    pairs = [UGALI, Pair("k9", "How do you cook ugali?", UGALI.response), ROBERT]
    wrong = [row for row in build_rating_set(pairs, ALL) if row.level == "1" and row.response == UGALI.response]
    assert not {row.instruction for row in wrong} & {pair.instruction for pair in pairs[:2]}


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)])
def test_a_row_that_is_another_pair_as_it_stands_is_no_flawed_one(order: tuple[int, ...]) -> None:
    """The instruction of the second, under the response of the first, is the third: right, whoever comes first."""
    pairs = [
        Pair("k1", "Is the Nile long?", "Ndiyo, sana."),
        Pair("k2", "Is the sea deep?", "Bahari ni ya kina kirefu."),
        Pair("k3", "Is the sea deep?", "Ndiyo, sana."),
        ROBERT,
    ]
    rows = build_rating_set([pairs[i] for i in (*order, 3)], ("near_instruction", "other_instruction"))
    right = {(pair.instruction, pair.response) for pair in pairs}
    assert {(row.instruction, row.response) for row in rows if row.level == "3"} == right
    assert not {(row.instruction, row.response) for row in rows if row.level != "3"} & right


@pytest.mark.parametrize("response", ["Nairobi", "Ndiyo.", "Mji mkuu", "5", "กรุงเทพ"])
def test_no_flawed_row_of_a_short_response_equals_the_right_pair_or_is_blank_at_an_end(response: str) -> None:
    pairs = [
        Pair("k1", "What is the capital?", response),
        Pair("k2", "Who was he?", "Alikuwa mwalimu. Aliishi Tabora."),
    ]
    flawed = [row for seed in range(6) for row in build_rating_set(pairs, ALL, seed=seed) if row.level != "3"]
    assert not [row for row in flawed if (row.instruction, row.response) == (pairs[0].instruction, response)]
    assert not [
        row for row in flawed if row.response != row.response.strip() or not row.response or not row.instruction
    ]


@pytest.mark.parametrize("pairs", [[], SWAHILI[:1], [Pair("a", "Same?", "Moja."), Pair("b", "Same?", "Mbili.")]])
def test_pairs_without_a_contrast_give_no_rows(pairs: list[Pair]) -> None:
    assert build_rating_set(pairs, ALL) == []


@pytest.mark.parametrize("language", ["th", "hi", "ta", "vi", "ur", "bn"])
def test_disorder_in_scripts_with_marks_keeps_every_letter_with_its_marks(language: str) -> None:
    pairs = pocket_pairs(language)
    disordered = [row for row in build_rating_set(pairs, ("disordered",)) if row.construction == "disordered"]
    for row, pair in zip(disordered, pairs, strict=True):
        before, after = (
            Counter(c for c in regex.findall(r"\X", text) if not c.isspace()) for text in (pair.response, row.response)
        )
        assert after == before


def test_shuffled_pairs_have_the_instruction_of_the_pair_half_the_list_away() -> None:
    rows = shuffled_pairs([ROBERT, UGALI, PILAU])
    assert [(row.instruction, row.response) for row in rows] == [
        (PILAU.instruction, UGALI.response),
        (ROBERT.instruction, PILAU.response),
        (UGALI.instruction, ROBERT.response),
    ]
    assert {(row.level, row.construction, row.instruction_good, row.fits) for row in rows} == {
        ("1", "shuffled", True, False)
    }


def test_a_shuffled_pair_that_is_right_is_left_out() -> None:
    """Asked in other words, or the same of two responses, it fits."""
    same_response = Pair("k2", "How do you cook ugali?", UGALI.response)
    same_instruction = Pair("k2", UGALI.instruction, "Kwa maji moto.")
    assert shuffled_pairs([UGALI, same_response]) == shuffled_pairs([UGALI, same_instruction]) == []


@pytest.mark.parametrize("pairs", [[], [UGALI]])
def test_fewer_than_two_pairs_cannot_be_shuffled(pairs: list[Pair]) -> None:
    assert shuffled_pairs(pairs) == []
