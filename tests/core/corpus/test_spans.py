from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus.spans import cut_spans


def pieces(text: str, maximum: int, minimum: int = 1) -> list[str]:
    return [text[start:end] for start, end in cut_spans(text, minimum, maximum)]


def test_a_short_text_is_one_span_without_the_space_around_it() -> None:
    assert list(cut_spans(" \n ป่าไม้ \n\n", 1, 50)) == [(3, 9)]
    assert list(cut_spans("ab\n\ncd", 1, 6)) == [(0, 6)]


def test_a_long_text_is_cut_at_blank_lines() -> None:
    assert pieces("first\nparagraph\n \nsecond\r\n\r\nthird", 16) == ["first\nparagraph", "second\r\n\r\nthird"]
    assert pieces("first\nparagraph\n\nsecond\n\nthird", 15) == ["first\nparagraph", "second\n\nthird"]
    assert pieces("first\n\nsecond\n\nthird", 6) == ["first", "second", "third"]


def test_a_text_without_blank_lines_is_cut_at_line_ends() -> None:
    assert pieces("one\ntwo\nthree\nfour", 9) == ["one\ntwo", "three", "four"]


def test_line_ends_are_borders_only_where_a_paragraph_would_be_too_long() -> None:
    assert pieces("one\ntwo\nthree\n\nfour", 13) == ["one\ntwo\nthree", "four"]
    assert pieces("one\ntwo\nthree\n\nfour", 9) == ["one\ntwo", "three", "four"]


def test_paragraphs_are_joined_up_to_exactly_the_maximum() -> None:
    assert pieces("aaaa\n\nbbbb\n\ncccc", 10) == ["aaaa\n\nbbbb", "cccc"]
    assert pieces("aaaa\n\nbbbb\n\ncccc", 9) == ["aaaa", "bbbb", "cccc"]


@pytest.mark.parametrize("border", ["\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c"])
def test_whatever_ends_a_line_is_a_border(border: str) -> None:
    text = border.join(["one", "two", "", "three"])
    assert pieces(text, len(f"one{border}two")) == [f"one{border}two", "three"]
    assert pieces(text, 3) == ["one", "two", "three"]


@pytest.mark.parametrize(
    "sentences",
    [
        "Alikuja jana.|Je, alirudi?|Ndiyo!",
        "वह आया।|वह गया।|फिर?",
        "وہ آیا۔|وہ گیا۔|ہاں۔",
        "እሱ መጣ።|እሷ ሄደች።|አዎ።",
        "ມະນຸດທຸກຄົນເກີດມາ|ສິດທິເສລີພາບແລະ",
    ],
)
def test_a_line_over_the_maximum_is_cut_into_whole_sentences(sentences: str) -> None:
    whole = sentences.split("|")
    assert pieces(" ".join(whole), max(map(len, whole))) == whole
    assert pieces(" ".join(whole), len(" ".join(whole[:2]))) == [" ".join(whole[:2]), *whole[2:]]


def test_a_sentence_over_the_maximum_comes_out_alone() -> None:
    assert pieces(f"Ndiyo. {'A' * 30} na B. Musa. Hapana.", 10) == ["Ndiyo.", f"{'A' * 30} na B. Musa.", "Hapana."]


def test_sentences_of_a_long_paragraph_are_joined_with_the_next_one() -> None:
    assert pieces("Kwanza hii. Pili hiyo.\n\nTatu.", 17) == ["Kwanza hii.", "Pili hiyo.\n\nTatu."]


def test_a_paragraph_over_the_maximum_comes_out_alone() -> None:
    assert pieces("aa\n\n" + "b" * 30 + "\n\ncc\n\ndd", 8) == ["aa", "b" * 30, "cc\n\ndd"]
    assert pieces("x" * 30, 8) == ["x" * 30]


def test_a_short_remainder_takes_paragraphs_from_the_span_before_it() -> None:
    assert pieces("aaaa\n\nbbbb\n\ncccc\n\ndd", 16) == ["aaaa\n\nbbbb\n\ncccc", "dd"]
    assert pieces("aaaa\n\nbbbb\n\ncccc\n\ndd", 16, 4) == ["aaaa\n\nbbbb", "cccc\n\ndd"]


def test_a_short_remainder_takes_nothing_that_would_make_the_other_too_short() -> None:
    assert pieces("aaaa\n\nbbbb\n\ncccc\n\ndd", 16, 11) == ["aaaa\n\nbbbb\n\ncccc", "dd"]


def test_a_short_paragraph_between_two_over_long_ones_stays_short() -> None:
    assert pieces("a" * 20 + "\n\nbb\n\n" + "c" * 20, 10, 5) == ["a" * 20, "bb", "c" * 20]


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.text("aAป\u0301 \n\r\t\u2028.।", max_size=60).filter(str.strip), st.integers(1, 40), st.integers(1, 40))
def test_spans_are_in_order_lose_only_space_and_are_over_long_only_alone(text: str, minimum: int, maximum: int) -> None:
    spans = list(cut_spans(text, minimum, maximum))
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    for start, end in spans:
        if end - start > maximum:
            assert len(text[start:end].splitlines()) == 1


@pytest.mark.parametrize("filler", [" ", "\t", "\u00a0", "\n", " \n"])
def test_a_long_run_of_white_space_takes_no_long_time(filler: str) -> None:
    """A page of padding is common in scraped text; the time must grow with the length, not with its square."""
    text = f"a{filler * 25_000}b"
    started = time.process_time()
    spans = list(cut_spans(text, 1, 100))
    assert time.process_time() - started < 0.5
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
