from __future__ import annotations

import random
import re
from typing import Any

import pytest

from xinstr_core.corpus.characters import count_characters
from xinstr_core.pocket.documents import MINIMUM_CHARACTERS, draw_topics, write_document
from xinstr_core.pocket.junk import COPIES, JUNK
from xinstr_core.pocket.oracle import read_document
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates


def planted(kind: str, language: str, count: int) -> list[tuple[Any, str]]:
    rng = random.Random(f"test {kind} {language}")
    return [(topic, JUNK[kind][1](topic, rng)) for topic in draw_topics(language, count, rng)]


def share(text: str, language: str) -> float:
    reading = read_document(text, language)
    return reading.share if reading is not None and reading.topic.language == language else 0.0


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
@pytest.mark.parametrize("kind", ["navigation", "price_table"])
def test_menus_and_price_tables_are_mostly_symbols(kind: str, language: str) -> None:
    texts = [text for _, text in planted(kind, language, 12)]
    assert min(count_characters(text, "Latn").symbol_share for text in texts) > 0.3
    assert min(len(text) for text in texts) >= MINIMUM_CHARACTERS
    assert {read_document(text, language) for text in texts} == {None}


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_too_short_documents_are_one_sentence_of_their_topic(language: str) -> None:
    for topic, text in planted("too_short", language, 24):
        reading = read_document(text, language)
        assert reading is not None
        assert (reading.topic, reading.share) == (topic, 1.0)
        assert len(text) < MINIMUM_CHARACTERS


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_documents_of_another_language_are_good_ones_there(language: str) -> None:
    for _, text in planted("other_language", language, 12):
        reading = read_document(text, language)
        assert reading is not None
        assert reading.share == 1.0
        assert reading.topic.language != language


@pytest.mark.parametrize("kind", ["truncated", "spliced", "shuffled", "boilerplate"])
@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_junk_for_the_rater_has_the_length_of_a_good_document(kind: str, language: str) -> None:
    lengths = [len(text) for _, text in planted(kind, language, 24)]
    assert MINIMUM_CHARACTERS <= min(lengths) <= max(lengths) <= 2200


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_truncated_documents_end_inside_a_sentence(language: str) -> None:
    """What a cut leaves off begins neither with an end mark nor, in Thai, with the space between sentences."""
    border = re.compile(r"$|\s" if language == "th" else r"$|[.!?।۔]+(\s|$)")
    whole = []
    for seed, topic in enumerate(draw_topics(language, 200, random.Random(11))):
        text = write_document(topic, random.Random(seed), (6, 9))
        cut = JUNK["truncated"][1](topic, random.Random(seed))
        assert text.startswith(cut)
        if border.match(text, len(cut)):
            whole.append(cut)
    assert whole == []


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_spliced_documents_hold_sentences_of_two_intents(language: str) -> None:
    for topic, text in planted("spliced", language, 24):
        reading = read_document(text, language)
        assert reading is not None
        assert reading.share < 1.0
        sentences = text.split(" ") if language == "th" else re.split(r"(?<=[.!?।۔])\s+", text)
        intents = {r.topic.intent for s in sentences if (r := read_document(s, language))}
        assert len(intents) == 2
        assert topic.intent in intents


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_shuffled_documents_are_no_longer_sentences(language: str) -> None:
    assert max(share(text, language) for _, text in planted("shuffled", language, 48)) <= 0.25


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_boilerplate_is_a_good_document_around_one_menu_line(language: str) -> None:
    places = set(load_templates(language).places)
    for topic, text in planted("boilerplate", language, 24):
        first, menu, last = text.split("\n")
        assert len(set(menu.split(" | ")) & places) == 6
        reading = read_document(f"{first} {last}", language)
        assert reading is not None
        assert (reading.topic, reading.share) == (topic, 1.0)


def test_an_exact_copy_is_the_text_itself() -> None:
    assert COPIES["exact_duplicate"][1]("ป่า 12 ", random.Random(1)) == "ป่า 12 "


def test_a_near_copy_changes_the_first_number_or_adds_one() -> None:
    copy = COPIES["near_duplicate"][1]
    copies = {copy("Siku 12 na 34.", random.Random(seed)) for seed in range(300)}
    assert {re.sub(r"\d+", "N", text, count=1) for text in copies} == {"Siku N na 34.", "Siku N na 34. 7"}
    assert copy("Siku nyingi.", random.Random(1)) == "Siku nyingi. 7"
    assert "Siku 12 na 34." not in copies
