from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from xinstr_core.corpus.contamination import RunIndex
from xinstr_core.errors import InputError

SWAHILI = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa, na wamejaliwa akili na dhamiri."
VIETNAMESE = "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền."
HINDI = "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।"
THAI = "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ"


def index(folder: Path, text: str, script: str = "Latn", name: str = "belebele.jsonl") -> RunIndex:
    path = folder / name
    path.write_text(json.dumps({"id": 7, "question": text, "note": None}) + "\n", "utf-8")
    return RunIndex((path,), script)


@pytest.mark.parametrize(
    ("text", "script", "around"),
    [
        (SWAHILI, "Latn", "Haya ni maneno mengine ya ukurasa mwingine."),
        (VIETNAMESE, "Latn", "Đây là một trang khác."),
        (HINDI, "Deva", "यह एक और पृष्ठ है।"),
        (THAI, "Thai", "หน้านี้พูดถึงเรื่องอื่น"),
    ],
)
def test_an_evaluation_sentence_inside_a_longer_document_is_found_with_its_files_name(
    tmp_path: Path, text: str, script: str, around: str
) -> None:
    known = index(tmp_path, text, script)
    assert known.find(f"{around}\n\n{around} {text} {around}") == "belebele"
    assert known.find(f"{around}\n\n{around}") is None


def test_a_document_that_shares_ten_words_in_a_row_is_found_and_one_with_nine_is_not(tmp_path: Path) -> None:
    words = SWAHILI.split()
    known = index(tmp_path, SWAHILI)
    assert known.find(" ".join(["Lakini", *words[2:12], "leo"])) == "belebele"
    assert known.find(" ".join(["Lakini", *words[2:11], "leo"])) is None


def test_a_short_sentence_with_another_word_in_its_middle_is_not_found(tmp_path: Path) -> None:
    known = index(tmp_path, SWAHILI)
    changed = SWAHILI.replace("haki", "mali")
    assert known.find(changed) is None
    assert known.find(f"{changed} {SWAHILI}") == "belebele"


def test_an_evaluation_text_of_fewer_words_than_a_run_is_never_found(tmp_path: Path) -> None:
    text = "Watu wote wamezaliwa huru."
    assert index(tmp_path, text).find(text) is None


def test_a_script_without_spaces_is_compared_by_characters(tmp_path: Path) -> None:
    known = index(tmp_path, THAI, "Thai")
    assert known.find(f"x{THAI[5:45]}x") == "belebele"
    assert known.find(f"x{THAI[5:44]}x") is None
    assert known.find(THAI.replace("อิสระ", "อิสระ\n ")) == "belebele"


@pytest.mark.parametrize("text", [SWAHILI, VIETNAMESE])
def test_case_punctuation_and_line_breaks_do_not_matter(tmp_path: Path, text: str) -> None:
    plain = text.replace(",", "").removesuffix(".")
    known = index(tmp_path, text)
    assert known.find(plain.upper()) == "belebele"
    assert known.find("«" + " — ".join(plain.split()) + "»!") == "belebele"
    assert known.find(plain.replace(" ", "\n")) == "belebele"


def test_the_marks_that_end_and_part_sentences_in_other_scripts_do_not_matter(tmp_path: Path) -> None:
    hindi = HINDI.removesuffix("।")
    assert index(tmp_path, hindi, "Deva").find(hindi.replace(" ", "। ") + "।") == "belebele"
    assert index(tmp_path, THAI, "Thai").find("“" + THAI.replace("และ", "\u200b(และ) ") + "” ฯ") == "belebele"


def test_latin_letters_in_thai_text_are_compared_without_case(tmp_path: Path) -> None:
    text = f"COVID-19 {THAI[:35]}"
    assert index(tmp_path, text, "Thai").find(text.lower()) == "belebele"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_the_same(tmp_path: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    known = index(tmp_path, unicodedata.normalize(form, VIETNAMESE))
    assert known.find(unicodedata.normalize(other, VIETNAMESE)) == "belebele"


def test_every_text_field_of_every_file_counts_and_the_first_file_gives_the_name(tmp_path: Path) -> None:
    first, second, third = tmp_path / "flores.txt", tmp_path / "xquad.jsonl", tmp_path / "again.txt"
    first.write_text(f"{SWAHILI}\n", "utf-8")
    second.write_text(json.dumps({"context": "Ukurasa", "answer": VIETNAMESE, "n": [SWAHILI]}) + "\n", "utf-8")
    third.write_text(f"{SWAHILI}\n\n{VIETNAMESE}\n", "utf-8")
    known = RunIndex((first, second, third), "Latn")
    known.check()
    assert known.find(SWAHILI) == "flores"
    assert known.find(VIETNAMESE) == "xquad"


@pytest.mark.parametrize(("content", "said"), [("", "has no text of 10 words"), ("[]\n", "must be readable whole")])
def test_an_evaluation_set_that_guards_against_nothing_is_an_error(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "xquad.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match=said):
        RunIndex((path,), "Latn").check()


def test_a_document_without_words_and_an_index_without_files_find_nothing(tmp_path: Path) -> None:
    assert RunIndex((), "Latn").find(SWAHILI) is None
    assert index(tmp_path, SWAHILI).find("") is None
    assert index(tmp_path, SWAHILI).find("12 \x00 \ud800 ***" * 50) is None
