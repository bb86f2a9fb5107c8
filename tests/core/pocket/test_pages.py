"""Pages of the base model: what their marks say is true, no held-out name occurs, and none answers a request."""

from __future__ import annotations

from itertools import islice

import pytest
import regex

from xinstr_core.pocket.oracle import read_document, read_instruction
from xinstr_core.pocket.pages import PAGE_KINDS, PageMix, pages
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates


def drawn(kind: str, language: str, count: int) -> list[str]:
    return list(islice(pages(1, PageMix({kind: 1}, (language,), english=0)), count))


@pytest.mark.parametrize("kind", PAGE_KINDS)
@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_no_page_names_a_held_out_subject(kind: str, language: str) -> None:
    assert not any(load_templates(language).mentions_held_out(page) for page in drawn(kind, language, 20))


def test_the_stream_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    mix = PageMix({"plain": 0.5, "card": 0.5})
    assert list(islice(pages(1, mix), 5)) == list(islice(pages(1, mix), 5))
    assert list(islice(pages(1, mix), 5)) != list(islice(pages(2, mix), 5))


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_a_shelved_sentence_carries_the_shelf_of_its_intent(language: str) -> None:
    english = load_templates("en").intents
    for page in drawn("shelved_sentence", language, 30):
        shelf_first = page.startswith("[")
        shelf, sentence = page[1:].split("] ", 1) if shelf_first else page.removesuffix("]").rsplit(" [", 1)[::-1]
        reading = read_document(sentence, language)
        topic = reading.topic if reading else read_instruction(sentence, language, language)
        assert topic is not None
        assert shelf == english[topic.intent].shelf


@pytest.mark.parametrize("kind", [kind for kind in PAGE_KINDS if kind != "commonplace_book"])  # unrelated lines
def test_no_page_holds_a_request_with_the_document_that_answers_it(kind: str) -> None:
    for language in ("sw", "fi"):
        for page in drawn(kind, language, 30):
            lines = [line.split(" [", 1)[0] for line in page.splitlines() if line]
            asked = [t for line in lines for w in ("en", language) if (t := read_instruction(line, language, w))]
            answered = [r for line in lines if (r := read_document(line, language)) and r.share == 1.0]
            assert not (asked and answered)


@pytest.mark.parametrize("kind", ["filed_sentence", "filed_text", "headed_text", "entry", "headed_entry"])
@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_a_shelf_mark_says_what_the_text_beside_it_is_about(kind: str, language: str) -> None:
    english = load_templates("en").intents
    for page in drawn(kind, language, 20):
        parts = page.removeprefix("### Text:\n").split("\n\n")
        first, second = parts if kind in ("filed_sentence", "filed_text", "headed_text") else parts[::-1]
        text = first.removeprefix("### Text:\n")
        mark = second.removeprefix("### Shelf:\n").removeprefix("Shelf ").split("\n")[0]
        shelf, subject = mark.split(", about ")
        reading = read_document(text, language)
        topic = reading.topic if reading else read_instruction(text, language, language)
        assert topic is not None
        assert shelf == english[topic.intent].shelf
        assert subject in text


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_an_incipit_is_how_a_text_on_its_shelf_begins(language: str) -> None:
    english, own = load_templates("en").intents, load_templates(language).intents
    for page in drawn("incipit", language, 20):
        mark, words = page.removesuffix(" ...").split("\n\n")
        shelf = mark.removeprefix("Shelf ").split(", about ")[0]
        (intent,) = (name for name in own if english[name].shelf == shelf)
        openings = [regex.sub(r"\\{\w+\\}", ".+", regex.escape(line)) for line in own[intent].openings]
        assert any(regex.fullmatch(opening, words, partial=True) for opening in openings)
