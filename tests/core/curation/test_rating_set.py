"""Rated rows have the level that their construction says, and no row is wrong that is called right or the other way."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from xinstr_core.curation.rating_set import LEVELS, Pair, RatedPair, build_rating_set, distinct
from xinstr_core.pocket.documents import Topic, write_document, write_instruction
from xinstr_core.pocket.templates import load_templates


def pocket_pairs(language: str, count: int = 12) -> list[Pair]:
    rng = random.Random(f"pairs {language}")
    pairs = []
    for number in range(count):
        intent = rng.choice(tuple(load_templates(language).intents.values()))
        topic = Topic(language, intent.name, rng.choice(intent.train))
        pairs.append(Pair(f"{language}-{number}", write_instruction(topic, "en", rng), write_document(topic, rng)))
    return pairs


SWAHILI = pocket_pairs("sw")


def of(rated: list[RatedPair], construction: str) -> list[RatedPair]:
    return [row for row in rated if row.construction == construction]


def test_every_pair_gives_two_rows_of_level_three_two_of_two_and_three_of_one() -> None:
    assert Counter(row.level for row in build_rating_set(SWAHILI)) == {"3": 24, "2": 24, "1": 36}
    assert LEVELS == ("1", "2", "3")


def test_level_three_is_the_pair_byte_for_byte() -> None:
    own = of(build_rating_set(SWAHILI), "own")
    assert {row.level for row in own} == {"3"}
    assert [(row.instruction, row.response) for row in own[::2]] == [(p.instruction, p.response) for p in SWAHILI]


def test_the_same_pairs_and_seed_give_the_same_rows() -> None:
    assert build_rating_set(SWAHILI, seed=3) == build_rating_set(list(SWAHILI), seed=3)


def test_another_seed_gives_other_rows_under_the_same_keys() -> None:
    one, two = build_rating_set(SWAHILI, seed=1), build_rating_set(SWAHILI, seed=2)
    assert [row.response for row in of(one, "cut_off")] != [row.response for row in of(two, "cut_off")]
    assert [row.key for row in of(one, "cut_off")] == [row.key for row in of(two, "cut_off")]


def test_keys_are_unique_and_the_same_in_every_process() -> None:
    rated = build_rating_set(
        [Pair("k1", "What is ugali?", "Ugali ni chakula."), Pair("k2", "Who was he?", "Alikuwa mwalimu.")]
    )
    assert len({row.key for row in rated}) == len(rated) == 14
    assert rated[0].key == "ceed2ca0e6448632f93e"


def test_a_response_that_is_cut_off_is_a_proper_beginning_with_at_least_its_first_half() -> None:
    for row, pair in zip(of(build_rating_set(SWAHILI), "cut_off"), SWAHILI, strict=True):
        assert (row.level, row.instruction) == ("2", pair.instruction)
        assert pair.response.startswith(row.response)
        assert len(pair.response) // 2 - 6 <= len(row.response) < len(pair.response)
        assert row.response[-1] not in " \n.!?।۔"


def test_another_ending_starts_as_the_response_and_ends_as_another() -> None:
    pairs = [
        Pair("k1", "What is ugali?", "Ugali ni chakula. Ni kitamu. Huliwa na mboga. Ni cheupe."),
        Pair("k2", "Who was he?", "Alikuwa mwalimu. Aliishi Tabora. Alifundisha watoto. Alipenda vitabu."),
    ]
    rows = of(build_rating_set(pairs), "other_ending")
    assert [(row.level, row.instruction, row.response) for row in rows] == [
        ("2", "What is ugali?", "Ugali ni chakula. Ni kitamu. Alifundisha watoto. Alipenda vitabu."),
        ("2", "Who was he?", "Alikuwa mwalimu. Aliishi Tabora. Huliwa na mboga. Ni cheupe."),
    ]


def test_the_hardest_wrong_instruction_is_the_one_that_shares_most_words() -> None:
    pairs = [
        Pair("k1", "How is ugali cooked?", "Ugali hupikwa kwa unga."),
        Pair("k2", "How is pilau cooked?", "Pilau hupikwa kwa mchele."),
        Pair("k3", "Who was Shaaban Robert?", "Alikuwa mshairi."),
    ]
    near = of(build_rating_set(pairs), "near_instruction")
    assert [(row.level, row.instruction, row.response) for row in near[:2]] == [
        ("1", "How is pilau cooked?", "Ugali hupikwa kwa unga."),
        ("1", "How is ugali cooked?", "Pilau hupikwa kwa mchele."),
    ]


def test_a_disordered_response_has_the_same_words_in_another_order() -> None:
    for row, pair in zip(of(build_rating_set(SWAHILI), "disordered"), SWAHILI, strict=True):
        assert row.level == "1"
        assert sorted(row.response.split()) == sorted(pair.response.split())
        assert row.response.split() != pair.response.split()


def test_an_echo_repeats_its_own_instruction() -> None:
    rows = of(build_rating_set(pocket_pairs("sw", 40)), "echo")
    assert rows
    assert {row.level for row in rows} == {"1"}
    assert all(row.response == row.instruction for row in rows)


@pytest.mark.parametrize("language", ["th", "hi", "ta", "vi", "ur", "bn"])
def test_disorder_in_scripts_with_marks_keeps_every_letter_with_its_marks(language: str) -> None:
    import regex

    for row, pair in zip(
        of(build_rating_set(pocket_pairs(language)), "disordered"), pocket_pairs(language), strict=True
    ):
        before, after = (
            Counter(cluster for cluster in regex.findall(r"\X", text) if not cluster.isspace())
            for text in (pair.response, row.response)
        )
        assert after == before


def test_a_wrong_instruction_is_never_the_pairs_own() -> None:
    """Pairs may share an instruction; one of them is then no wrong instruction for the other."""
    same = [Pair(f"k{i}", "Describe a dish.", f"Chakula namba {i} ni kizuri sana. Huliwa na wengi.") for i in range(5)]
    rated = build_rating_set([*same, Pair("other", "Who was he?", "Alikuwa mwalimu. Aliishi Tabora.")])
    right = {(pair.instruction, pair.response) for pair in same}
    assert not {(row.instruction, row.response) for row in rated if row.level == "1"} & right


def test_an_instruction_asked_in_other_words_is_no_wrong_instruction_for_the_same_response() -> None:
    response = "Ugali ni chakula cha unga wa mahindi. Hupikwa kwa maji moto."
    pairs = [
        Pair("k1", "How is ugali cooked?", response),
        Pair("k2", "How do you cook ugali?", response),
        Pair("k3", "Who was Shaaban Robert?", "Alikuwa mshairi. Aliishi Tanga."),
    ]
    asked = {pair.instruction for pair in pairs[:2]}
    wrong = [row for row in build_rating_set(pairs) if row.level == "1" and row.response == response]
    assert [row.instruction for row in wrong if row.instruction in asked] == []


@pytest.mark.parametrize("response", ["Nairobi", "Ndiyo.", "Mji mkuu", "5", "กรุงเทพ"])
def test_no_flawed_row_of_a_short_response_equals_the_right_pair_or_is_empty(response: str) -> None:
    pairs = [
        Pair("k1", "What is the capital?", response),
        Pair("k2", "Who was he?", "Alikuwa mwalimu. Aliishi Tabora."),
    ]
    flawed = [row for seed in range(6) for row in build_rating_set(pairs, seed=seed) if row.level != "3"]
    assert {
        row.construction for row in flawed if (row.instruction, row.response) == (pairs[0].instruction, response)
    } == set()
    assert {row.construction for row in flawed if not row.response.strip()} == set()


@pytest.mark.parametrize("pairs", [[], SWAHILI[:1], [Pair("a", "Same?", "Moja."), Pair("b", "Same?", "Mbili.")]])
def test_pairs_without_a_contrast_give_no_rows(pairs: list[Pair]) -> None:
    assert build_rating_set(pairs) == []


def test_a_response_without_any_sentence_end_is_still_halved() -> None:
    pairs = [Pair("k1", "One?", "moja mbili tatu nne"), Pair("k2", "Two?", "tano sita saba nane")]
    assert [row.response for row in of(build_rating_set(pairs), "other_ending")] == [
        "moja mbili saba nane",
        "tano sita tatu nne",
    ]


def test_distinct_rows_keep_the_first_of_equal_ones_in_their_order() -> None:
    rows = [
        RatedPair("a", "i", "r", "3", "own"),
        RatedPair("b", "i", "r", "3", "own"),
        RatedPair("c", "j", "r", "1", "near_instruction"),
        RatedPair("d", "j", "r", "1", "other_instruction"),
        RatedPair("e", "i", "s", "2", "cut_off"),
    ]
    assert [row.key for row in distinct(rows)] == ["a", "c", "e"]
