"""Preference triples: exactly as many as wanted, two sides that differ, each kind what its name says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
import regex

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.preferences import (
    Make,
    TaughtPair,
    Triple,
    Worse,
    choose_triples,
    cut,
    language_switch,
    other_text,
    written,
    wrong_language,
)
from xinstr_core.errors import InputError
from xinstr_core.schemas.shared import SEED, WEB
from xinstr_core.settings import PreferenceKind

PAIRS = [
    TaughtPair(f"{number:02}", f"What is dish {number}?", f"Chakula {number} ni kizuri sana. Watu wanakipenda.", WEB)
    for number in range(12)
]
ENGLISH = [Pair(f"en-{number}", f"What is town {number}?", f"Town {number} is large.") for number in range(3)]


def choose(wanted: int, pairs: Sequence[TaughtPair] = PAIRS, **makers: Make) -> list[Triple]:
    return choose_triples(pairs, dict(makers), wanted)  # type: ignore[arg-type]


def kinds(triples: Sequence[Triple]) -> Mapping[str, int]:
    return Counter(triple.kind for triple in triples)


def test_kinds_share_what_is_wanted_evenly() -> None:
    found = choose(8, other_text=other_text(PAIRS), cut_off=cut, wrong_language=wrong_language({}, ENGLISH))
    assert kinds(found) == {"other_text": 3, "cut_off": 3, "wrong_language": 2}
    assert len({triple.key for triple in found}) == 8


def test_others_make_up_for_a_kind_that_has_too_few() -> None:
    weaker = written(lambda _: {"03": "Chakula tu.", "07": "Ni chakula."})
    found = choose(10, weaker=weaker, cut_off=cut)
    assert kinds(found) == {"weaker": 2, "cut_off": 8}
    assert {triple.pair.key for triple in found if triple.kind == "weaker"} == {"03", "07"}


def test_of_fewer_than_wanted_all_are_taken() -> None:
    found = choose(1000, cut_off=cut, other_text=other_text(PAIRS))
    assert kinds(found) == {"cut_off": 12, "other_text": 12}


def test_both_sides_hold_text_and_differ() -> None:
    same = [TaughtPair(str(number), f"Ask {number}?", "Jibu moja tu.", SEED) for number in range(3)]
    with pytest.raises(InputError, match=r"^tuning.preferences names other_text, and no pair has such a response: "):
        choose(5, same, other_text=other_text(same))
    texts = {"00": "", "01": " \n", "02": f" {PAIRS[2].response} ", "04": "Ni\x00", "03": "Ni chakula."}
    [only] = choose(5, PAIRS, weaker=written(lambda _: texts))
    assert (only.pair.key, only.worse) == ("03", Worse("03", "Ni chakula."))


CHOSEN: list[tuple[str, PreferenceKind, str]] = [
    ("00", "cut_off", "00"),
    ("02", "other_text", "03"),
    ("00", "other_text", "07"),
    ("07", "cut_off", "07"),
    ("07", "other_text", "06"),
]


@pytest.mark.parametrize("order", [1, -1])
def test_the_choice_depends_on_keys_alone(order: int) -> None:
    found = choose(5, PAIRS[::order], other_text=other_text(PAIRS[::order]), cut_off=cut)
    assert [(t.pair.key, t.kind, t.worse.key) for t in found] == CHOSEN


def test_a_pair_measures_in_all_of_its_triples_or_in_none() -> None:
    many = [TaughtPair(f"{n:04}", f"Ask {n}?", f"Jibu la swali {n} ni hili hapa.", WEB) for n in range(400)]
    found = choose(800, many, cut_off=cut, other_text=other_text(many))
    measuring = {triple.pair.key for triple in found if triple.held_out}
    assert not measuring & {triple.pair.key for triple in found if not triple.held_out}
    assert 25 <= len(measuring) <= 55


def test_another_text_answers_another_instruction() -> None:
    twice = [*PAIRS, TaughtPair("twin", PAIRS[0].instruction, "Jibu lingine kwa swali hilohilo.", WEB)]
    by_key = {pair.key: pair for pair in twice}
    made = other_text(twice)(twice)
    assert made.keys() == by_key.keys()
    for key, worse in made.items():
        assert by_key[worse.key].instruction != by_key[key].instruction
        assert worse.text == by_key[worse.key].response


def test_a_translation_is_preferred_to_another_text_in_another_language() -> None:
    made = wrong_language({"05": "Dish 5 is very good."}, ENGLISH)(PAIRS)
    assert made["05"] == Worse("05", "Dish 5 is very good.")
    assert {worse.key for key, worse in made.items() if key != "05"} == {"en-0", "en-1", "en-2"}


def test_a_switch_begins_as_its_own_response_and_ends_as_another_in_another_language() -> None:
    made = language_switch(ENGLISH)(PAIRS)
    assert made.keys() == {pair.key for pair in PAIRS}
    for pair in PAIRS:
        worse = made[pair.key]
        [other] = [one.response for one in ENGLISH if one.key == worse.key]
        first, *rest = worse.text.split(" ")
        assert pair.response.startswith(f"{first} ")
        own = max(n for n in range(len(rest) + 1) if pair.response.startswith(" ".join([first, *rest[:n]])))
        assert rest[own:]
        assert other.endswith(" ".join(rest[own:]))


def test_a_switch_in_a_script_without_spaces_parts_no_letter() -> None:
    thai = TaughtPair("th", "What is tea?", "น้ำชาเป็นเครื่องดื่มที่ผู้คนทั่วโลกนิยมดื่มกันมาตั้งแต่สมัยโบราณจนถึงทุกวันนี้", WEB)
    [worse] = language_switch(ENGLISH)([thai]).values()
    begun = worse.text.split(" ")[0]
    assert thai.response.startswith(begun)
    assert regex.findall(r"\X", begun) == regex.findall(r"\X", thai.response)[: len(regex.findall(r"\X", begun))]


def test_a_cut_response_is_the_beginning_of_its_own() -> None:
    for pair in PAIRS:
        worse = cut(PAIRS)[pair.key]
        assert worse.key == pair.key
        assert pair.response.startswith(worse.text)
        assert len(pair.response) // 2 - 5 <= len(worse.text) < len(pair.response) - 1


@pytest.mark.parametrize(
    ("kind", "make", "advice"),
    [
        ("wrong_language", wrong_language({}, []), "give some seed pairs in English, too"),
        ("language_switch", language_switch([]), "give some seed pairs in English, too"),
        (
            "weaker",
            written(lambda _: {}),
            'add "weaker_response" to evaluator.constructions, and set tuning.include_seeds',
        ),
        ("untuned", written(lambda _: {}), "the base model writes nothing, or what the pairs have"),
    ],
)
def test_a_kind_of_which_there_is_none_is_told_in_one_line(kind: PreferenceKind, make: Make, advice: str) -> None:
    with pytest.raises(InputError) as raised:
        choose_triples(PAIRS, {"cut_off": cut, kind: make}, 4)
    assert str(raised.value) == (
        f"tuning.preferences names {kind}, and no pair has such a response: {advice}, or take it out"
    )


def test_no_more_is_written_than_is_taken() -> None:
    asked: list[str] = []

    def write(pairs: Sequence[TaughtPair]) -> dict[str, str]:
        asked.extend(pair.key for pair in pairs)
        return {pair.key: f"Chakula {pair.key}." for pair in pairs if pair.key != "04"}

    found = choose(5, untuned=written(write))
    assert len(found) == 5
    assert len(asked) == 5 + ("04" in asked)


def test_what_no_pair_has_is_told_before_a_model_writes() -> None:
    def write(pairs: Sequence[TaughtPair]) -> dict[str, str]:
        raise AssertionError

    with pytest.raises(InputError, match=r"tuning\.preferences names wrong_language, and no pair has"):
        choose_triples(PAIRS, {"untuned": written(write), "wrong_language": wrong_language({}, []), "cut_off": cut}, 6)
