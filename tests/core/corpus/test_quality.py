from __future__ import annotations

import time
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus.quality import lines_of, measure, units

PROSE = {
    "Arab": "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔\nانہیں ضمیر اور عقل ودیعت ہوئی ہے۔",
    "Deva": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Latn": "Tất cả mọi người sinh ra đều được tự do.\nKaikki ihmiset syntyvät vapaina.",
    "Taml": "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
}
FAULTS = (
    "link_share",
    "markup_share",
    "menu_share",
    "bare_line_share",
    "spaced_mark_share",
    "repeated_line_share",
    "repeated_phrase_share",
)


@pytest.mark.parametrize("script", PROSE)
def test_prose_has_no_fault_and_its_own_script(script: str) -> None:
    found = asdict(measure(PROSE[script], script))
    assert {name: found[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0.0)
    assert found["script_share"] == 1.0
    assert found["symbol_share"] < 0.12


@pytest.mark.parametrize(
    "text", ["https://a.tz/x abcd", "www.example.com abcd", "[abcde](ab/c.htm)", "abcdef](x/ยา.html)"]
)
def test_addresses_and_link_targets_are_links(text: str) -> None:
    parts = {"https://a.tz/x abcd": 14, "www.example.com abcd": 15, "[abcde](ab/c.htm)": 11, "abcdef](x/ยา.html)": 12}
    more = f"{text} https://example.org/a/longer/one/that/is/the/source"
    assert measure(more, "Latn").link_share == pytest.approx(parts[text] / len(more))


def test_one_address_is_a_source_and_no_list_of_links() -> None:
    assert measure("Maji ya mto https://example.org/maji", "Latn").link_share == 0.0


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("maji <b>moto</b>", 7),
        ("maji <!-- baridi -->", 15),
        ("maji\n```\nx = 1\n```", 13),
        ("maji\n```\nx = 1", 9),
        ("maji $a+b$ moto", 5),
        ("maji `x` moto", 3),
        (":ref:`maji`", 11),
        ("\\textbf maji", 7),
        ("{{maji}}", 2),
        ("maji **moto**", 2),
        ("a < b", 1),
        ("******\nmaji", 1),
        ("bei ni $5, si 6", 1),
    ],
)
def test_code_tags_and_formulas_are_markup_and_a_rule_of_signs_is_one(text: str, markup: int) -> None:
    assert measure(text, "Latn").markup_share == pytest.approx(markup / len(text))


def test_five_short_lines_in_a_row_are_a_menu() -> None:
    menu = ["Habari", "Michezo", "หน้าแรก", "ہوم", "Liên hệ"]
    assert measure("\n".join(menu), "Latn").menu_share == 1.0
    assert measure("\n".join(menu[:4]), "Latn").menu_share == 0.0
    assert measure("\n\n".join([*menu, "Watu wote wamezaliwa huru na sawa, hadhi na haki."]), "Latn").menu_share == (
        pytest.approx(sum(map(len, menu)) / (sum(map(len, menu)) + 49))
    )


@pytest.mark.parametrize("end", [".", "!", "?", "…", "।", "۔", "؟", "»", ":"])
def test_short_lines_of_which_one_ends_a_sentence_are_verse(end: str) -> None:
    verse = ["Maji ya mto", "yanapita", f"polepole{end}", "Ndege", "wanaimba"]
    assert measure("\n".join(verse), "Latn").menu_share == 0.0


def test_lines_without_letter_or_digit_are_bare_one_ornament_aside() -> None:
    assert measure("maji\n---\n* * *\n12\n\n", "Latn").bare_line_share == 0.25
    assert measure("ป่า\n५\n।\n॥", "Thai").bare_line_share == 0.25
    assert measure("Watu wote wamezaliwa huru.\n° ° °", "Latn").bare_line_share == 0.0


def test_marks_after_a_space_are_those_of_tokenised_text() -> None:
    assert measure("Maji , moto . " * 4, "Latn").spaced_mark_share == 7 / 8
    assert measure("Maji, moto . Moto. " * 3, "Latn").spaced_mark_share == pytest.approx(2 / 9)
    assert measure("Maji moto", "Latn").spaced_mark_share == 0.0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Machi 2020 , jumla ya visa 122 ,653 na vifo 2 ,122 ( 60 .7 % ) .", 4 / 5),
        ("ya “ nyumbani ” , na ( 3 ) .", 1 / 2),
        ("Kiasi .05 na .50, kisha .7 au .8.", 0.0),
        ("Jedwali: .35 .42 .51 .60", 0.0),
        ("Miji:\n1. Dodoma\n2. Mwanza\n.5 na 1,5", 0.0),
        ("Mwaka 2020, watu 122,653 (60.7%).", 0.0),
    ],
)
def test_tokenised_numbers_count_and_decimals_and_lists_do_not(text: str, share: float) -> None:
    assert measure(text, "Latn").spaced_mark_share == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "share"),
    [("Maji , moto .", 1 / 2), ("Maji , moto , moshi .", 2 / 3), ("Maji , moto.", 0.0), ("Maji moto .", 0.0)],
)
def test_a_handful_of_marks_is_enough_but_one_may_be_a_slip(text: str, share: float) -> None:
    assert measure(text, "Latn").spaced_mark_share == pytest.approx(share)


@pytest.mark.parametrize(
    ("script", "tokenised"),
    [("Arab", "مکہ ، مدینہ . "), ("Deva", "बच्चे , बूढ़े . "), ("Beng", "শিশু , বুড়ো . "), ("Taml", "பசு , எருது . ")],
)
def test_tokenised_text_is_seen_whatever_sign_a_word_ends_in(script: str, tokenised: str) -> None:
    assert measure(tokenised * 4, script).spaced_mark_share == 7 / 8


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("Arab", "وہ آیا ۔ اس نے کہا ۔ کیا تم آئے ؟ ہاں ، میں آیا ۔ "),
        ("Deva", "वह आया । उसने कहा ॥ क्या, तुम आए ? हाँ । "),
        ("Beng", "সে এল । সে বলল, তুমি এলে ? হ্যাঁ । "),
        ("Latn", "Tu viens ? Oui, demain : c'est promis ! Alors ; bien. "),
    ],
)
def test_marks_that_a_typography_sets_off_are_no_sign_of_tokenised_text(script: str, text: str) -> None:
    assert measure(text, script).spaced_mark_share == 0.0


def test_two_prices_are_no_formula() -> None:
    assert measure("Bei ni $250,000 na si $300 tena, wala $20.", "Latn").markup_share < 0.1


def test_lines_that_come_again_are_repeated() -> None:
    assert measure("maji\nmoto\n  maji\nmaji ", "Latn").repeated_line_share == 0.5
    assert measure("maji\nmoto", "Latn").repeated_line_share == 0.0


def test_phrases_that_come_again_are_repeated() -> None:
    assert measure("Maji ya mto huo yanapita. " * 2, "Latn").repeated_phrase_share == pytest.approx(1 / 6)
    assert measure("नदी का पानी बहता है। " * 2, "Deva").repeated_phrase_share == pytest.approx(1 / 6)
    assert measure("maji moto", "Latn").repeated_phrase_share == 0.0


def test_phrases_of_a_script_without_spaces_are_twenty_characters() -> None:
    text = PROSE["Thai"][:20]
    assert measure(f"{text} {text}", "Thai").repeated_phrase_share == pytest.approx(1 / 21)
    assert measure(text, "Thai").repeated_phrase_share == 0.0


def test_stop_words_are_found_whatever_their_case() -> None:
    assert measure("Na maji NA moto", "Latn", {"na", "ya"}).stop_word_share == 0.5
    assert measure("Na maji", "Latn").stop_word_share == 0.0
    assert measure("12 ***", "Latn", {"na"}).stop_word_share == 0.0
    assert measure("ผู้ใหญ่และเด็ก", "Thai", {"และ"}).stop_word_share == pytest.approx(1 / 12)


def test_a_sentence_end_is_no_part_of_a_word() -> None:
    assert units("यह है। वह था॥", "Deva") == ["यह", "है", "वह", "था"]
    assert units("সে করে। ৫টি", "Beng") == ["সে", "করে", "টি"]
    assert units("وہ ہے۔", "Arab") == ["وہ", "ہے"]


def test_marks_joiners_and_apostrophes_are_within_words() -> None:
    assert units("Ng'ombe ng’ombe", "Latn") == ["ng'ombe", "ng’ombe"]
    assert units("اُردو می\u200cخواهم", "Arab") == ["اُردو", "می\u200cخواهم"]
    assert units("গর্\u200dযো தமிழ் tie\u0302\u0301ng", "Beng") == ["গর্\u200dযো", "தமிழ்", "tie\u0302\u0301ng"]


def test_units_of_a_script_without_spaces_are_runs_of_three_characters() -> None:
    assert units("ป่า ไม้", "Thai") == ["ป่า", "่าไ", "าไม", "ไม้"]
    assert units("ป่", "Thai") == []


def of_own_words(sentences: int, common: str = "") -> str:
    """Sentences of three words that no other one has, and one that all have."""
    letters = "bdfghjklmnprstv"
    return " ".join(f"{c}aka{c}ba {c}ole{c}du {c}itu{c}mo {common}." for c in letters[:sentences])


@pytest.mark.parametrize(
    ("text", "share"),
    [
        (of_own_words(10), 0.0),
        (of_own_words(9), 1.0),
        (of_own_words(10, "paka"), 9 / 40),
        (of_own_words(10, "na"), 0.0),
        (of_own_words(10, "paka paka"), 9 / 40),
        (of_own_words(10) + " Bakabbayetu ilikuwa.", 1 / 32),
        (of_own_words(10).replace(". ", ".\n"), 0.0),
        (of_own_words(10) + " 12. 13. 14.", 0.0),
    ],
)
def test_cohesion_is_what_sentences_say_again_but_for_stop_words(text: str, share: float) -> None:
    assert measure(text, "Latn", {"na"}).cohesion_share == pytest.approx(share)


def test_scripts_that_mark_no_sentences_are_not_measured_for_cohesion_nor_for_spaced_marks() -> None:
    text = "วันนี้ฝนตก . ถนนเปียก ! ตลาดปิด ? " * 5
    found = measure(text, "Thai")
    assert (found.cohesion_share, found.spaced_mark_share) == (1.0, 0.0)


def test_lines_are_trimmed_and_empty_ones_left_out() -> None:
    assert lines_of("\n ป่า \r\n\t\nmaji\u2028moto") == ["ป่า", "maji", "moto"]


@pytest.mark.parametrize("script", ["Latn", "Thai", "Arab", "Deva"])
@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(text=st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from("<>`$\\[]() .\naกह।")), min_size=1))
def test_shares_of_any_text_lie_between_nothing_and_all(script: str, text: str) -> None:
    found = asdict(measure(text, script, {"a", "กกก"}))
    assert {name: share for name, share in found.items() if not 0 <= share <= 1} == {}


@pytest.mark.parametrize(
    "unit",
    ["a", "0", " ", "\n", "ก", "क्", "\u0301", "<", "<a ", "<!--", "`", "```", "$", "$a", "\\", "[", "](",
     "] (", ":", ":a", ":a:`",
     "http://", "www.", ". ", " ,", "a\n", "'", "\u200c", "{}", "।"],
)  # fmt: skip
def test_a_long_run_takes_no_long_time(unit: str) -> None:
    started = time.process_time()
    measure(unit * (100_000 // len(unit)), "Latn")
    assert time.process_time() - started < 2
