"""Each construction, by name, on a concrete pair: what it makes of it, its level, and what it says of the two scores."""

from __future__ import annotations

import random
from collections import Counter
from typing import get_args

import pytest
import regex

from xinstr_core.curation.constructions import FLAWS, Pair
from xinstr_core.settings import Construction

UGALI = Pair(
    "k1",
    "How is ugali cooked?",
    "Ugali hupikwa kwa maji moto. Unga hutiwa polepole. Huliwa na mboga. Ni chakula cha wengi.",
)
PILAU = Pair(
    "k2", "How is pilau cooked?", "Pilau hupikwa kwa mchele. Viungo hutiwa mapema. Huliwa na nyama. Ni tamu sana."
)
ROBERT = Pair("k3", "Who was Shaaban Robert?", "Shaaban Robert alikuwa mshairi. Aliishi Tanga.")
DATE = Pair("k4", "When did the harvest of 1961 fail?", "Mavuno ya 1961 yalikuwa mabaya. Mvua haikunyesha.")


def spoilt(
    construction: str, pair: Pair = UGALI, others: tuple[Pair, ...] = (PILAU, ROBERT), seed: int = 0
) -> tuple[str, str] | None:
    return FLAWS[construction].spoil(pair, others, random.Random(seed))


def made(construction: str, pair: Pair = UGALI, others: tuple[Pair, ...] = (PILAU, ROBERT), seed: int = 0) -> list[str]:
    """What must not be None."""
    return list(spoilt(construction, pair, others, seed) or ("NOTHING", "NOTHING"))


def test_every_flaw_has_its_level_and_says_of_the_scores_what_it_must() -> None:
    """(level, is the instruction good, does the response fit); None says nothing."""
    assert {name: (flaw.level, flaw.instruction_good, flaw.fits) for name, flaw in FLAWS.items()} == {
        "own": ("3", True, True),
        "cut_off": ("2", True, None),
        "other_ending": ("2", True, None),
        "near_instruction": ("1", True, False),
        "other_instruction": ("1", True, False),
        "other_request": ("1", True, False),
        "echo": ("1", True, False),
        "disordered": ("1", True, None),
        "broken_instruction": ("1", False, None),
        "quoted_instruction": ("1", False, None),
    }


def test_every_construction_that_can_be_set_is_made_here_or_brought_along() -> None:
    brought = {"weaker_response", "base_response", "wrong_language", "generated"}
    assert set(get_args(Construction)) == (set(FLAWS) - {"own"}) | brought


def test_own_is_the_pair_byte_for_byte() -> None:
    odd = Pair("k", "What?\u200d ", "Maji \r\n na\u00a0moto")
    assert made("own", odd) == ["What?\u200d ", "Maji \r\n na\u00a0moto"]


def test_cut_off_ends_inside_a_sentence_after_the_first_half() -> None:
    for seed in range(50):
        instruction, response = made("cut_off", seed=seed)
        assert instruction == UGALI.instruction
        assert UGALI.response.startswith(response)
        assert len(UGALI.response) // 2 - 2 <= len(response) <= len(UGALI.response) - 15
        assert response[-1] not in " \n.!?।۔"
    assert len({made("cut_off", seed=seed)[1] for seed in range(50)}) > 10


def test_other_ending_is_half_of_one_and_half_of_another() -> None:
    assert made("other_ending", others=(PILAU,)) == [
        "How is ugali cooked?",
        "Ugali hupikwa kwa maji moto. Unga hutiwa polepole. Huliwa na nyama. Ni tamu sana.",
    ]


def test_other_ending_of_a_text_without_a_sentence_end_halves_its_words() -> None:
    pair, other = Pair("a", "One?", "moja mbili tatu nne"), Pair("b", "Two?", "tano sita saba nane")
    assert made("other_ending", pair, (other,)) == ["One?", "moja mbili saba nane"]


def test_near_instruction_is_the_one_that_shares_most_words() -> None:
    assert made("near_instruction") == ["How is pilau cooked?", UGALI.response]


def test_near_instruction_breaks_ties_by_key_whatever_the_order() -> None:
    tied = Pair("k9", "How is wali cooked?", "Wali hupikwa kwa maji.")
    assert made("near_instruction", others=(PILAU, tied)) == made("near_instruction", others=(tied, PILAU))
    assert made("near_instruction", others=(PILAU, tied))[0] == "How is wali cooked?"


def test_other_instruction_is_any_other_one() -> None:
    asked = {made("other_instruction", seed=seed)[0] for seed in range(30)}
    assert asked == {PILAU.instruction, ROBERT.instruction}
    assert made("other_instruction")[1] == UGALI.response


def test_other_request_asks_another_question_about_the_same_subject() -> None:
    """The subject is the longest run of an instruction's words that stand in its response."""
    assert made("other_request", ROBERT, (UGALI,)) == ["How is Shaaban Robert cooked?", ROBERT.response]
    assert made("other_request", DATE, (ROBERT,)) == ["Who was 1961?", DATE.response]


@pytest.mark.parametrize(
    ("pair", "others"),
    [
        (Pair("a", "What is this?", "Ni mto mrefu."), (ROBERT,)),  # names nothing of its text
        (ROBERT, (Pair("b", "What is that?", "Ni mlima."),)),  # the other names nothing of its own
        (UGALI, (PILAU,)),  # the same question with the subject put in is its own instruction
        (ROBERT, (Pair("b", "Is Shaaban Robert a poet of Tanga?", "Tanga ni mji."),)),  # is about this subject already
    ],
    ids=["no subject", "no other subject", "same question", "subject in both"],
)
def test_other_request_is_not_made_where_it_would_be_no_other(pair: Pair, others: tuple[Pair, ...]) -> None:
    assert spoilt("other_request", pair, others) is None


def test_echo_repeats_the_instruction() -> None:
    assert made("echo") == ["How is ugali cooked?", "How is ugali cooked?"]


def test_disordered_has_the_same_words_in_another_order() -> None:
    for seed in range(20):
        instruction, response = made("disordered", seed=seed)
        assert instruction == UGALI.instruction
        assert response.split() != UGALI.response.split()
        assert Counter(response.split()) == Counter(UGALI.response.split())


def test_disordered_keeps_letters_with_their_marks_where_no_spaces_are() -> None:
    pair = Pair("a", "What?", "กี่น้ำผู้ใหญ่ไปที่ตลาดเพื่อซื้อของกินในตอนเช้า")
    clusters = [
        [c for c in regex.findall(r"\X", text) if not c.isspace()]
        for text in (pair.response, made("disordered", pair)[1])
    ]
    assert clusters[0] != clusters[1]
    assert Counter(clusters[0]) == Counter(clusters[1])


def test_broken_instruction_lacks_its_last_third_or_more_or_its_order() -> None:
    words = ["Explain", "in", "detail", "how", "ugali", "is", "cooked"]
    pair = Pair("a", " ".join(words), "Ugali hupikwa.")
    cut = shuffled = 0
    for seed in range(60):
        instruction, response = made("broken_instruction", pair, seed=seed)
        assert response == pair.response
        broken = instruction.split()
        if broken == words[: len(broken)]:
            assert 1 <= len(broken) <= 4  # of seven
            cut += 1
        else:
            assert Counter(broken) == Counter(words)
            shuffled += 1
    assert cut > 15
    assert shuffled > 15


def test_quoted_instruction_is_a_sentence_of_the_response() -> None:
    quoted = {made("quoted_instruction", seed=seed)[0] for seed in range(40)}
    assert quoted == {
        "Ugali hupikwa kwa maji moto.",
        "Unga hutiwa polepole.",
        "Huliwa na mboga.",
        "Ni chakula cha wengi.",
    }
    assert made("quoted_instruction")[1] == UGALI.response


@pytest.mark.parametrize(
    ("construction", "pair"),
    [
        ("cut_off", Pair("a", "What?", "5")),
        ("other_ending", Pair("a", "What?", "5")),
        ("disordered", Pair("a", "What?", "Ndiyo.")),
        ("broken_instruction", Pair("a", "What?", "Ndiyo.")),
        ("quoted_instruction", Pair("a", "What?", "5")),
    ],
)
def test_a_pair_too_short_for_a_flaw_does_not_get_it(construction: str, pair: Pair) -> None:
    """Else the flaw would stand in the label alone."""
    assert [spoilt(construction, pair, seed=seed) for seed in range(10)] == [None] * 10


@pytest.mark.parametrize("response", ["moja\nmbili", "moja  mbili", "\nmoja\tmbili "], ids=ascii)
def test_words_in_their_own_order_are_not_disordered_whatever_space_is_between(response: str) -> None:
    found = {spoilt("disordered", Pair("a", "What?", response), seed=seed) for seed in range(20)}
    assert found == {None, ("What?", "mbili moja")}


def test_an_instruction_with_other_spaces_is_not_broken() -> None:
    found = {spoilt("broken_instruction", Pair("a", "What  now?", "Moja."), seed=seed) for seed in range(40)}
    assert found == {None, ("What", "Moja."), ("now? What", "Moja.")}
