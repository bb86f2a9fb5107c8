from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.corpus.conftest import SENTENCES
from xinstr_core.corpus.characters import Characters, count_characters, only_letters


def script_share(text: str, script: str) -> float:
    return count_characters(text, script).script_share


def symbol_share(text: str) -> float:
    return count_characters(text, "Latn").symbol_share


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_in_its_script_and_mostly_letters(language: str) -> None:
    script, sentence = SENTENCES[language]
    assert script_share(sentence, script) == 1.0
    assert symbol_share(sentence) < 0.12


@pytest.mark.parametrize("language", SENTENCES)
def test_decomposed_letters_belong_to_their_script(language: str) -> None:
    script, sentence = SENTENCES[language]
    assert script_share(unicodedata.normalize("NFD", sentence), script) == 1.0


def test_the_script_share_counts_letters_and_marks_only() -> None:
    assert script_share("abcd กขคง 1234 !!", "Thai") == 0.5
    assert script_share("abc กขคงจฉ", "Latn") == pytest.approx(1 / 3)
    assert script_share("1234 !!", "Latn") == 0.0
    assert script_share("", "Latn") == 0.0


def test_the_symbol_share_leaves_space_out_and_counts_marks_as_letters() -> None:
    assert symbol_share("ab 12") == 0.5
    assert symbol_share("ป่า กี่ เชื่อ") == 0.0
    assert symbol_share("e\u0301 ক্ষি") == 0.0
    assert symbol_share("| * | 1") == 1.0
    assert symbol_share("") == symbol_share(" \n") == 1.0


def test_every_kind_of_character_is_counted_once() -> None:
    found = count_characters("Haki, 12 য়\n+\x00\ufeff", "Latn")
    assert found == Characters(own_letters=4, letters=6, digits=2, punctuation=1, symbols=1, controls=1, invisible=1)
    assert found.visible == 11
    assert found.digit_share == pytest.approx(2 / 11)


def test_a_mark_counts_as_a_letter_of_the_script_that_uses_it() -> None:
    assert count_characters("क्षि", "Deva").own_letters == 4
    assert count_characters("क्षि", "Latn").own_letters == 0
    assert count_characters("e\u0301", "Latn").own_letters == 2


def test_the_arabic_tatweel_belongs_to_every_script_that_draws_it() -> None:
    assert count_characters("\u0640", "Arab").own_letters == 1
    assert count_characters("\u0640", "Latn") == Characters(0, 1, 0, 0, 0, 0, 0)
    assert script_share("خـــدا", "Arab") == 1.0


@pytest.mark.parametrize("invisible", ["\u200b", "\u200c", "\u200d", "\u200f", "\ufeff", "\u00ad", " ", "\u3000", "\t"])
def test_joiners_direction_marks_and_spaces_are_not_visible(invisible: str) -> None:
    found = count_characters(f"می{invisible}خواهم", "Arab")
    assert replace(found, invisible=0) == count_characters("میخواهم", "Arab")
    assert found.invisible == (not invisible.isspace())
    assert count_characters(invisible * 9, "Arab").visible == 0


def test_a_variation_selector_is_no_letter() -> None:
    assert symbol_share("❤\ufe0f ☎\ufe0e") == 1.0
    assert script_share("❤\ufe0f", "Latn") == 0.0


@pytest.mark.parametrize("digits", ["0123456789", "০১২৩৪৫৬৭৮৯", "०१२३४५६७८९", "٠١٢٣٤٥٦٧٨٩", "๐๑๒๓๔๕๖๗๘๙"])
def test_the_digits_of_every_script_are_digits(digits: str) -> None:
    assert count_characters(digits, "Latn") == Characters(0, 0, 10, 0, 0, 0, 0)


def test_unpaired_surrogates_and_private_characters_are_controls() -> None:
    assert count_characters("\ud800\ue000\x07", "Latn").controls == 3


def test_letters_are_known_that_are_newer_than_python() -> None:
    kawi, nag_mundari = "\U00011f04", "\U0001e4d0"  # Unicode 15
    assert count_characters(kawi + nag_mundari, "Latn") == Characters(0, 2, 0, 0, 0, 0, 0)


def test_chinese_characters_are_letters_of_the_scripts_that_are_written_with_them() -> None:
    assert script_share("人人生而自由", "Hans") == script_share("人人生而自由", "Hant") == 1.0
    assert script_share("모든 人間은 平等", "Kore") == 1.0


def test_only_letters_leaves_letters_marks_and_joiners_where_they_stood() -> None:
    assert only_letters("Ng'ombe 12, ক্ষি\u200dয়!") == "Ng ombe     ক্ষি\u200dয় "
    assert only_letters("می\u200cخواهم\n\x00\ud800★") == "می\u200cخواهم    "
    assert only_letters("") == ""


@pytest.mark.parametrize("invisible", ["\u200b", "\u200c", "\u200d", "\u200f", "\u2060", "\ufeff", "\u00ad", "\ufe0f"])
def test_only_letters_leaves_format_characters_out_where_they_are_not_asked_for(invisible: str) -> None:
    text = f"می{invisible}خواهم ক্ষি{invisible}য় 12"
    assert only_letters(text, format_characters=False) == text.replace(invisible, " ").replace("12", "  ")
    assert only_letters(text) == only_letters(text, format_characters=True) == text.replace("12", "  ")


@pytest.mark.parametrize("script", ["Arab", "Deva", "Ethi", "Jpan", "Kore", "Latn", "Nkoo", "Thai", "Tibt"])
@settings(derandomize=True, deadline=None, database=None, max_examples=15)
@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_shares_of_any_text_lie_between_nothing_and_all(script: str, text: str) -> None:
    found = count_characters(text, script)
    assert 0 <= found.own_letters <= found.letters <= found.visible <= len(text)
    assert all(0 <= share <= 1 for share in (found.script_share, found.symbol_share, found.digit_share))
