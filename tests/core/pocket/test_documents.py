from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from xinstr_core.pocket.documents import (
    MAXIMUM_CHARACTERS,
    MINIMUM_CHARACTERS,
    Topic,
    draw_topics,
    fill,
    write_document,
    write_instruction,
)
from xinstr_core.pocket.oracle import read_document, read_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates


def test_a_sentence_is_filled_with_the_subject_and_names_of_its_language() -> None:
    templates = load_templates("sw")
    filled = fill(templates, "{subject}|{item}|{number}|{place}|{person}", "cook_dish", "wali", random.Random(1))
    subject, item, number, place, person = filled.split("|")
    assert subject == "wali"
    assert item in templates.intents["cook_dish"].items
    assert 2 <= int(number) <= 90
    assert place in templates.places
    assert person in templates.people


def test_a_thai_subject_is_filled_in_quotes() -> None:
    assert fill(load_templates("th"), "ทำ{subject}", "cook_dish", "ส้มตำ", random.Random(1)) == "ทำ“ส้มตำ”"


def test_a_subject_that_looks_like_a_slot_is_not_filled_again() -> None:
    assert fill(load_templates("en"), "About {subject}.", "cook_dish", "{item}", random.Random(1)) == "About {item}."


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_documents_of_every_topic_are_of_a_length_that_the_corpus_keeps(language: str) -> None:
    rng = random.Random(7)
    for topic in draw_topics(language, 384, rng):
        assert MINIMUM_CHARACTERS <= len(write_document(topic, rng)) <= MAXIMUM_CHARACTERS


def test_a_document_is_an_opening_details_in_their_order_and_a_closing() -> None:
    intent = load_templates("en").intents["cook_dish"]
    topic = Topic("en", "cook_dish", intent.train[0])
    patterns = {s: re.compile(re.sub(r"\\{\w+\\}", ".+?", re.escape(s))) for s in intent.sentences}
    for seed in range(30):
        text = write_document(topic, random.Random(seed), (4, 4))
        written = re.split(r"(?<=\.) ", text)
        found = [next(s for s, pattern in patterns.items() if pattern.fullmatch(sentence)) for sentence in written]
        assert found[0] in intent.openings
        assert found[-1] in intent.closings
        positions = [intent.details.index(sentence) for sentence in found[1:-1]]
        assert positions == sorted(set(positions))
        assert len(positions) == 4


def test_one_seed_writes_one_document_and_another_seed_another() -> None:
    topic = Topic("sw", "cook_dish", load_templates("sw").intents["cook_dish"].train[0])
    assert write_document(topic, random.Random(1)) == write_document(topic, random.Random(1))
    assert write_document(topic, random.Random(1)) != write_document(topic, random.Random(2))


@pytest.mark.parametrize("written_in", ["en", "th"])
def test_an_instruction_is_a_request_of_the_intent_with_the_subject_in_its_language(written_in: str) -> None:
    requests = load_templates(written_in).intents["cook_dish"].instructions
    topic = Topic("th", "cook_dish", "ส้มตำ")
    written = {write_instruction(topic, written_in, random.Random(seed)) for seed in range(60)}
    assert written == {request.replace("{subject}", "“ส้มตำ”") for request in requests}
    assert {read_instruction(text, "th", written_in) for text in written} == {topic}


@pytest.mark.parametrize("held_out", [False, True])
def test_topics_cover_every_subject_once_before_any_repeats(held_out: bool) -> None:
    intents = load_templates("sw").intents
    everything = {Topic("sw", n, s) for n, i in intents.items() for s in (i.held_out if held_out else i.train)}
    drawn = draw_topics("sw", len(everything), random.Random(3), held_out=held_out)
    assert set(drawn) == everything
    assert len(drawn) == len(everything) == (96 if held_out else 384)
    assert set(Counter(draw_topics("sw", 2 * len(everything), random.Random(3), held_out=held_out)).values()) == {2}


@pytest.mark.parametrize(("count", "allowed"), [(12, {1}), (120, {10}), (30, {2, 3})])
def test_topics_are_spread_evenly_over_the_intents(count: int, allowed: set[int]) -> None:
    drawn = draw_topics("vi", count, random.Random(5))
    assert len(drawn) == count
    assert set(Counter(topic.intent for topic in drawn).values()) == allowed


def test_topics_that_are_left_out_are_not_drawn() -> None:
    left_out = draw_topics("sw", 100, random.Random(1))
    rest = draw_topics("sw", 284, random.Random(2), without=left_out)
    assert set(rest) & set(left_out) == set()
    assert len(set(rest)) == 284


def test_no_topics_are_drawn_when_none_are_wanted() -> None:
    assert draw_topics("sw", 0, random.Random(1)) == []


def test_english_documents_are_read_back_as_english() -> None:
    rng = random.Random(2)
    for topic in draw_topics("en", 60, rng):
        reading = read_document(write_document(topic, rng), "en")
        assert reading is not None
        assert (reading.topic, reading.share) == (topic, 1.0)
