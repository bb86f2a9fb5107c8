"""What a reverse model wrote is an instruction, or has the one reason against it."""

from __future__ import annotations

import random
import unicodedata

import pytest

from xinstr_core.curation.instructions import ACCEPTED, instruction_status
from xinstr_core.pocket.documents import Topic, write_document, write_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates

UGALI = (
    "Ugali ni chakula cha unga wa mahindi kinachopikwa kwa maji moto katika sufuria kubwa na kuliwa na mboga za majani."
)


def status(raw: str, response: str = UGALI, *, finished: bool = True, maximum: int = 400) -> str:
    return instruction_status(raw, response, finished=finished, maximum_characters=maximum)[1]


@pytest.mark.parametrize(
    "raw",
    [
        "How is ugali cooked?",
        "Describe ugali.",
        "What is the meaning of <|endoftext|> in this text?",
        "Tell me how ugali, the dish of maize flour, is cooked in a large pot.",
    ],
)
def test_an_english_instruction_is_accepted(raw: str) -> None:
    assert status(raw) == ACCEPTED


def test_white_space_around_an_instruction_is_not_part_of_it() -> None:
    assert instruction_status("\n  How is ugali cooked? \n", UGALI, finished=True, maximum_characters=400) == (
        "How is ugali cooked?",
        ACCEPTED,
    )


@pytest.mark.parametrize("raw", ["", "   ", "\n\t\n", "\u00a0\u3000"], ids=ascii)
def test_nothing_but_white_space_is_empty(raw: str) -> None:
    assert status(raw) == "empty"


def test_an_opening_after_which_nothing_comes_is_empty() -> None:
    for raw, expected in ((" Tell me about", "empty"), ("Tell me about ugali.", ACCEPTED)):
        made = instruction_status(raw, UGALI, finished=True, maximum_characters=400, opening="Tell me about")
        assert made == (raw.strip(), expected)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\n\n", "\r", "\u2028", "\x0b"], ids=ascii)
def test_several_lines_are_no_instruction_however_they_are_broken(line_break: str) -> None:
    assert status(f"How is ugali cooked?{line_break}### Rating: 3") == "several_lines"


def test_an_answer_cut_off_by_the_token_limit_is_unfinished() -> None:
    assert status("How is ugali cooked", finished=False) == "unfinished"


def test_the_longest_allowed_instruction_is_accepted_and_one_character_more_is_too_long() -> None:
    raw = "How is ugali cooked?"
    assert status(raw, maximum=len(raw)) == ACCEPTED
    assert status(raw, maximum=len(raw) - 1) == "too_long"


def test_length_is_counted_in_characters_and_not_in_bytes() -> None:
    raw = "How is நெல்லிக்காய் cooked?"
    assert len(raw.encode()) > len(raw)
    assert status(raw, "நெல்லிக்காய் ஒரு உணவு.", maximum=len(raw)) == ACCEPTED


@pytest.mark.parametrize("raw", ["Ugali ni chakula", "UGALI  NI   chakula cha unga", UGALI])
def test_a_piece_of_the_response_is_copied(raw: str) -> None:
    assert status(raw) == "copied"


def test_a_quotation_of_eight_words_is_copied_and_one_of_seven_is_not() -> None:
    words = UGALI.split()
    assert status(f"What is it that {' '.join(words[2:10])} is to tell us about?") == "copied"
    assert status(f"What is it that {' '.join(words[2:9])} is to tell us about?") == ACCEPTED


def test_a_copy_in_another_unicode_form_is_copied() -> None:
    response = "Đường đến Huế rất đẹp và dài."
    raw = unicodedata.normalize("NFD", "Đường đến Huế rất đẹp")
    assert raw not in response
    assert status(raw, response) == "copied"


def test_a_text_that_differs_in_its_marks_is_not_copied() -> None:
    """Thai tone marks tell words apart: near (ใกล้) and far (ไกล) would else be one."""
    assert status("ข่าว", "ขาว") != "copied"
    assert status("ขาว", "ข่าว") != "copied"


@pytest.mark.parametrize(
    "raw",
    [
        "Ugali unapikwaje?",
        "Miten ugali valmistetaan?",
        "ugali kaise banti hai",
        "उगली कैसे बनती है?",
        "วิธีทำอูกาลี",
        "Kuka on Urho Kekkonen?",
        "?!",
        "1 2 3",
        "𝟏𝟐𝟑",
    ],
)
def test_what_is_not_english_says_so(raw: str) -> None:
    assert status(raw) == "not_english"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("\x00\x00", "\ufffd\ufffd"),
        ("\ufffd\ufffd", "\ufffd\ufffd"),
        ("How is ugali\x00 cooked?", "How is ugali\ufffd cooked?"),
        ("How is uga\ufffdli cooked?", "How is uga\ufffdli cooked?"),
    ],
    ids=ascii,
)
def test_bytes_that_are_no_character_are_not_text_and_can_still_be_stored(raw: str, kept: str) -> None:
    """The second is what a tokenizer makes of half a character."""
    assert instruction_status(raw, UGALI, finished=True, maximum_characters=400) == (kept, "not_text")


def test_a_lone_surrogate_is_not_text() -> None:
    assert status("How is ugali \ud800 cooked?") == "not_text"


@pytest.mark.parametrize(
    "mark",
    ["\x07", "\x1b[31m", "\x7f", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u2066", "\u200f", "\U000e0041"],
    ids=ascii,
)
def test_what_a_reader_does_not_see_is_a_control_character(mark: str) -> None:
    """Bells, colours, zero widths, turned directions, tags: none has a place in an English instruction."""
    assert status(f"How is ugali{mark} cooked?") == "control_characters"


@pytest.mark.parametrize("name", ["می\u200cخواهم", "ක්\u200dෂ"], ids=ascii)
def test_the_joiners_of_a_name_are_no_control_characters(name: str) -> None:
    assert status(f"What is the meaning of {name}?", f"{name} ni neno.") == ACCEPTED


def test_a_name_alone_is_no_instruction() -> None:
    assert status("Mombasa Nairobi", "Nairobi na Mombasa ni miji.") == "not_english"


def test_names_taken_from_the_response_do_not_make_an_instruction_foreign() -> None:
    response = "நெல்லிக்காய் சாதம் மற்றும் பருப்பு ஒரு உணவு."
    assert status("Describe நெல்லிக்காய் சாதம் மற்றும் பருப்பு.", response) == ACCEPTED
    assert status("Describe நெல்லிக்காய் சாதம் மற்றும் பருப்பு.", "வேறு உரை") == "not_english"


@pytest.mark.parametrize("language", POCKET_LANGUAGES)
def test_every_gold_instruction_of_the_pocket_world_is_accepted_and_none_in_its_language(language: str) -> None:
    rng = random.Random(f"instructions {language}")
    accepted_english, accepted_own = 0, []
    for _ in range(60):
        intent = rng.choice(tuple(load_templates(language).intents.values()))
        topic = Topic(language, intent.name, rng.choice(intent.train))
        document = write_document(topic, rng)
        accepted_english += status(write_instruction(topic, "en", rng), document) == ACCEPTED
        own = write_instruction(topic, language, rng)
        if status(own, document) == ACCEPTED:
            accepted_own.append(own)
    assert accepted_english == 60
    assert accepted_own == []


def test_a_megabyte_of_instruction_is_too_long() -> None:
    assert status("how is it " * 100_000) == "too_long"


def test_reasons_are_checked_in_a_fixed_order() -> None:
    assert status("a\x00\nb", finished=False, maximum=1) == "not_text"
    assert status("a\nb", finished=False, maximum=1) == "several_lines"
    assert status("Ugali\x07 ni chakula", finished=False, maximum=1) == "unfinished"
    assert status("Ugali\x07 ni chakula", maximum=1) == "control_characters"
    assert status("Ugali ni chakula", finished=False, maximum=1) == "unfinished"
    assert status("Ugali ni chakula", maximum=1) == "too_long"
    assert status("Ugali ni chakula") == "copied"
