from __future__ import annotations

import random
import time

import pytest

from xinstr_core.pocket.documents import Topic, write_document, write_instruction
from xinstr_core.pocket.oracle import Reading, read_document, read_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates

COOKING = Topic("sw", "cook_dish", load_templates("sw").intents["cook_dish"].train[0])
OTHER_INTENT = next(name for name in load_templates("sw").intents if name != "cook_dish")
OTHER = Topic("sw", OTHER_INTENT, load_templates("sw").intents[OTHER_INTENT].train[0])


@pytest.mark.parametrize("language", [*POCKET_LANGUAGES, "en"])
@pytest.mark.parametrize("likely", ["fi", "en", ""], ids=["Finnish", "English", "itself"])
def test_a_document_is_read_back_whatever_language_was_likely(language: str, likely: str) -> None:
    name, intent = list(load_templates(language).intents.items())[3]
    topic = Topic(language, name, intent.train[5])
    assert read_document(write_document(topic, random.Random(4)), likely or language) == Reading(topic, 1.0)


def test_the_share_is_the_part_of_the_sentences_that_are_known() -> None:
    text = write_document(COOKING, random.Random(1), (4, 4))
    assert len(text.split(". ")) == 6
    assert read_document(f"{text} Hii si sentensi. Wala hii.", "sw") == Reading(COOKING, 6 / 8)
    assert read_document(f"Kichwa! {text}", "sw") == Reading(COOKING, 6 / 7)


def test_the_intent_of_most_sentences_wins_and_others_do_not_count() -> None:
    long, short = write_document(COOKING, random.Random(1), (7, 7)), write_document(OTHER, random.Random(1), (3, 3))
    count = len(long.split(". ")) + len(short.split(". "))
    assert read_document(f"{short} {long}", "sw") == Reading(COOKING, 9 / count)


def test_the_subject_that_most_sentences_name_wins() -> None:
    other = Topic("sw", "cook_dish", load_templates("sw").intents["cook_dish"].train[1])
    long, short = write_document(COOKING, random.Random(1), (8, 8)), write_document(other, random.Random(1), (3, 3))
    assert read_document(f"{short} {long}", "sw") == Reading(COOKING, 1.0)


def test_white_space_around_and_between_sentences_does_not_matter() -> None:
    text = write_document(COOKING, random.Random(1))
    assert read_document("\n " + text.replace(". ", ".\n\n") + " \n", "sw") == Reading(COOKING, 1.0)


@pytest.mark.parametrize(
    "text",
    ["", " \n", ".", "Hii si sentensi.", "\x00", "\ud800", "<|endoftext|>", "### Rating: 3", "{subject}", "(" * 500],
)
def test_a_text_of_no_known_sentence_is_not_read(text: str) -> None:
    assert read_document(text, "sw") is None
    assert read_instruction(text, "sw") is None


def test_a_marker_behind_an_instruction_makes_it_unreadable() -> None:
    instruction = write_instruction(COOKING, "en", random.Random(1))
    assert read_instruction(f" {instruction}\n", "sw") == COOKING
    for tail in ("<|endoftext|>", "\n### Rating: 3", " Thanks."):
        assert read_instruction(instruction + tail, "sw") is None


def test_an_instruction_is_read_only_in_the_language_it_was_written_in() -> None:
    native = write_instruction(COOKING, "sw", random.Random(1))
    assert read_instruction(native, "sw", "sw") == COOKING
    assert read_instruction(native, "sw", "en") is None


def test_thai_quotes_are_no_part_of_the_subject() -> None:
    topic = Topic("th", "cook_dish", load_templates("th").intents["cook_dish"].train[0])
    english = write_instruction(topic, "en", random.Random(1))
    assert f"“{topic.subject}”" in english
    assert read_instruction(english, "th") == topic
    assert read_instruction(english.replace("“", "").replace("”", ""), "th") == topic


def test_a_line_break_is_never_part_of_a_subject() -> None:
    template = load_templates("en").intents["cook_dish"].instructions[0]
    assert read_instruction(template.replace("{subject}", "rice\nand beans"), "sw") is None
    assert read_instruction(template.replace("{subject}", "x" * 81), "sw") is None
    assert read_instruction(template.replace("{subject}", ""), "sw") is None


@pytest.mark.parametrize("text", ["a" * 50_000, "a " * 25_000, "Kupika " * 8_000, "ก" * 50_000], ids=str.__len__)
def test_a_degenerate_generation_is_judged_quickly(text: str) -> None:
    started = time.process_time()
    assert read_document(text, "sw") is None
    assert time.process_time() - started < 2
