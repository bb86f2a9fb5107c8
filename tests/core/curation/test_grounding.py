"""Which words of an instruction its text does not hold, and how rare the rarest of them is."""

from __future__ import annotations

import math
import time
import unicodedata

import polars as pl
import pytest

from xinstr_core.curation.grounding import RareWords, unheld_words

ASKED = ["How is ugali cooked?", "How is pilau cooked?", "Who was Robert?"]


@pytest.mark.parametrize(
    ("instruction", "response", "unheld"),
    [
        ("How is ugali cooked?", "Ugali hupikwa kwa maji.", ["how", "is", "cooked"]),
        ("Who is Urho Kekkonen?", "Kekkosen puolue. Urholla oli aikaa.", ["who", "is", "kekkonen"]),
        ("Ugali, UGALI and ugali!", "Pilau", ["ugali", "and"]),
        ("Did it rain in 1961?", "Mwaka wa 1961 mvua haikunyesha.", ["did", "it", "rain", "in"]),
        ("Describe art.", "Smart start", ["describe", "art"]),  # inside a word is not at its start
        ("Describe art.", "State-of-the-art artists", ["describe"]),
        ("?!", "Ugali", []),
        ("", "", []),
        ("What is ugali", "", ["what", "is", "ugali"]),
    ],
)
def test_words_with_which_no_word_of_the_text_begins(instruction: str, response: str, unheld: list[str]) -> None:
    assert unheld_words(instruction, response) == unheld


def test_a_word_inside_another_one_is_no_beginning_even_after_a_vowel_sign() -> None:
    """A vowel sign is part of its word, although it is no letter."""
    assert unheld_words("ताब", "किताब") == ["ताब"]
    assert unheld_words("कि", "किताब") == []


def test_scripts_without_spaces_hold_a_word_anywhere() -> None:
    assert unheld_words("What is ข้าวผัด?", "วิธีทำข้าวผัดง่ายๆ") == ["what", "is"]


def test_marks_and_joiners_are_part_of_a_word_and_unicode_forms_are_one() -> None:
    assert unheld_words("மதுரை", "மதுரையில்") == []
    assert unheld_words("می\u200cخواهم", "می خواهم") == ["می\u200cخواهم"]
    assert unheld_words(unicodedata.normalize("NFD", "Huế"), "Đường đến Huế") == []


def test_words_are_counted_once_an_instruction_and_the_number_of_instructions_is_kept() -> None:
    table = RareWords.count([*ASKED, "ugali ugali"]).table
    assert dict(table.iter_rows()) == {
        "": 4, "how": 2, "is": 2, "ugali": 2, "cooked": 2, "pilau": 1, "who": 1, "was": 1, "robert": 1
    }  # fmt: skip
    assert table["word"].is_sorted()


def test_rarity_is_the_inverse_document_frequency_over_its_maximum() -> None:
    rare = RareWords.count(ASKED)
    assert rare.rarity("never") == 1.0
    assert rare.rarity("ugali") == pytest.approx(1 - math.log(2) / math.log(5))
    assert rare.rarity("how") == pytest.approx(1 - math.log(3) / math.log(5))


def test_the_rarest_missing_word_counts() -> None:
    rare = RareWords.count(ASKED)
    response = "Ugali hupikwa kwa maji."
    assert rare.missing("How is ugali cooked?", response) == pytest.approx(1 - math.log(3) / math.log(5))
    assert rare.missing("How is pilau cooked?", response) == pytest.approx(1 - math.log(2) / math.log(5))
    assert rare.missing("How is nshima cooked?", response) == 1.0
    assert rare.missing("ugali maji", response) == 0.0


def test_no_instructions_make_every_word_new() -> None:
    assert RareWords.count([]).rarity("ugali") == 1.0
    assert RareWords(pl.DataFrame(schema={"word": pl.String, "instructions": pl.Int64})).rarity("ugali") == 1.0


def test_the_table_read_back_says_the_same() -> None:
    rare = RareWords.count(ASKED)
    assert RareWords(rare.table.reverse()).missing("How is pilau?", "Ugali") == rare.missing("How is pilau?", "Ugali")


def test_a_word_that_stands_inside_others_everywhere_takes_no_quadratic_time() -> None:
    start = time.process_time()
    assert unheld_words("ab " * 5_000, "xab" * 20_000) == ["ab"]
    assert time.process_time() - start < 0.5
