from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.corpus.spans import cut_spans, stretches


def pieces(text: str, maximum: int, minimum: int = 1) -> list[str]:
    return [text[start:end] for start, end in cut_spans(text, minimum, maximum)]


def numbered(line: str) -> str | None:
    """The first digit of a line."""
    return next((character for character in line if character.isdigit()), None)


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
@given(st.text("aป\u0301 \n\r\t\u2028", max_size=60).filter(str.strip), st.integers(1, 40), st.integers(1, 40))
def test_spans_are_in_order_lose_only_space_and_are_over_long_only_alone(text: str, minimum: int, maximum: int) -> None:
    spans = list(cut_spans(text, minimum, maximum))
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    for start, end in spans:
        if end - start > maximum:
            assert "\n" not in text[start:end]


def test_stretches_are_the_lines_of_one_mark_in_a_row() -> None:
    text = "one\ntwo\n\n 1 a\n1 b\nthree \n2\n1\n"
    found = [(text[start:end], mark) for start, end, mark in stretches(text, numbered)]
    assert found == [("one\ntwo", None), ("1 a\n1 b", "1"), ("three", None), ("2", "2"), ("1", "1")]


def test_a_text_of_one_mark_is_one_stretch_without_the_space_around_it() -> None:
    assert list(stretches(" \n ป่าไม้\r\n\nป่า \n", numbered)) == [(3, 15, None)]
    assert list(stretches("\t1\n\n \n1", numbered)) == [(1, 7, "1")]
    assert list(stretches(" \n\n ", numbered)) == list(stretches("", numbered)) == []


def test_a_line_is_marked_by_itself_and_blank_ones_are_not_asked() -> None:
    asked: list[str] = []
    assert len(list(stretches(" one \r\n\n \t\ntwo\u2028three\n", asked.append))) == 1
    assert asked == ["one", "two\u2028three"]


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.text("aป12 \n\r\t\u2028", max_size=60))
def test_stretches_alternate_lose_only_space_and_have_the_mark_of_all_their_lines(text: str) -> None:
    found = list(stretches(text, numbered))
    assert all(left[1] < right[0] and left[2] != right[2] for left, right in pairwise(found))
    assert all("\n" in text[left[1] : right[0]] for left, right in pairwise(found))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end, _ in found)
    assert "".join("".join(text[start:end].split()) for start, end, _ in found) == "".join(text.split())
    for start, end, mark in found:
        assert {numbered(line) for line in text[start:end].split("\n") if line.strip()} == {mark}


@pytest.mark.parametrize("filler", [" ", "\t", "\u00a0", "\n", " \n", "1\n", "\na\n1"])
def test_stretches_of_a_long_text_take_no_long_time(filler: str) -> None:
    text = f"a{filler * 25_000}b"
    started = time.process_time()
    found = list(stretches(text, numbered))
    assert time.process_time() - started < 0.5
    assert (found[0][0], found[-1][1]) == (0, len(text))


@pytest.mark.parametrize("filler", [" ", "\t", "\u00a0", "\n", " \n"])
def test_a_long_run_of_white_space_takes_no_long_time(filler: str) -> None:
    """A page of padding is common in scraped text; the time must grow with the length, not with its square."""
    text = f"a{filler * 25_000}b"
    started = time.process_time()
    spans = list(cut_spans(text, 1, 100))
    assert time.process_time() - started < 0.5
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
