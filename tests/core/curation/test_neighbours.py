"""Which seeds are near a text, and how much of a request their instructions share; by hand, in two dimensions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import polars as pl
import pytest

from xinstr_core.curation.grounding import RareWords
from xinstr_core.curation.neighbours import NEAREST, Neighbours, halves

ROWS = [
    ("c", "Who was Robert?", "Robert alikuwa mshairi."),
    ("a", "How is ugali cooked?", "Ugali hupikwa."),
    ("b", "How is pilau cooked?", "Pilau hupikwa."),
    ("d", "Where is Tanga?", "Tanga ni mji."),
]
# The centre is (1, 1): a points right of it, b up, c left, d down.
VECTORS = numpy.array([[0.0, 1.0], [2.0, 1.0], [1.0, 2.0], [1.0, 0.0]], dtype=numpy.float32)
NEAR = Neighbours.of(ROWS, VECTORS)


def test_the_table_is_sorted_by_key_with_each_its_own_vector() -> None:
    assert NEAR.table["pair_id"].to_list() == ["a", "b", "c", "d"]
    assert NEAR.table["vector"].to_list() == [[2, 1], [1, 2], [0, 1], [1, 0]]
    assert NEAR.table["instruction"][2] == "Who was Robert?"


def test_nearest_is_by_angle_around_the_centre_and_ties_by_key() -> None:
    """From the centre the text points right: a is nearest, b and d are square to it, c is opposite."""
    assert NEAR.nearest(numpy.array([[1.5, 1.0]])) == [["a", "b", "d", "c"]]
    assert NEAR.nearest(numpy.array([[1.0, 0.25], [0.5, 1.5]])) == [["d", "a", "c", "b"], ["b", "c", "a", "d"]]


def test_at_most_so_many_are_near() -> None:
    rows = [(f"{i:02}", "Why?", "Kwa sababu.") for i in range(20)]
    many = Neighbours.of(rows, numpy.eye(20, dtype=numpy.float32))
    [nearest] = many.nearest(numpy.eye(20)[5:6])
    assert (nearest[0], len(nearest)) == ("05", NEAREST)


def test_alike_is_the_cosine_around_the_centre() -> None:
    first, second = numpy.array([[3.0, 1.0], [2.0, 1.0], [1.0, 1.0]]), numpy.array([[1.0, 5.0], [2.0, 2.0], [2.0, 2.0]])
    assert NEAR.alike(first, second) == pytest.approx([0.0, math.sqrt(0.5), 0.0])


def test_a_vector_that_is_no_number_is_like_nothing() -> None:
    """NaN is larger than every number to a comparison of columns: such a pair would be kept."""
    assert NEAR.alike(numpy.array([[numpy.nan, 1.0]]), numpy.array([[2.0, 1.0]])) == [0.0]


def test_shared_request_weighs_the_words_beyond_the_text_by_their_rarity() -> None:
    """Of "How is wali sold?" about wali there remain how, is, sold; a neighbour asks how and is, none asks sold."""
    rare = RareWords.count(row[1] for row in ROWS)
    how, is_, sold = (rare.rarity(word) for word in ("how", "is", "sold"))
    text = "Wali huuzwa."
    assert (how, is_, sold) == pytest.approx((1 - math.log(3) / math.log(6), 1 - math.log(4) / math.log(6), 1))
    assert NEAR.shared_request("How is wali sold?", text, ["a"], rare) == pytest.approx(
        (how + is_) / (how + is_ + sold)
    )
    assert NEAR.shared_request("How is wali sold?", text, ["d"], rare) == pytest.approx(is_ / (how + is_ + sold))
    assert NEAR.shared_request("How is wali cooked?", text, ["c", "b"], rare) == pytest.approx(1.0)
    assert NEAR.shared_request("How is wali sold?", text, [], rare) == 0.0


def test_words_that_a_neighbour_took_from_its_own_text_are_not_its_request() -> None:
    rare = RareWords.count(row[1] for row in ROWS)
    assert NEAR.shared_request("ugali", "Wali.", ["a"], rare) == 0.0


@pytest.mark.parametrize("instruction", ["", "wali", "?!"])
def test_an_instruction_that_asks_nothing_shares_everything(instruction: str) -> None:
    assert NEAR.shared_request(instruction, "Wali huuzwa.", ["a"], RareWords.count([])) == 1.0


def test_what_is_read_back_is_near_the_same(tmp_path: Path) -> None:
    NEAR.table.write_parquet(tmp_path / "neighbours.parquet")
    again = Neighbours(pl.read_parquet(tmp_path / "neighbours.parquet"))
    assert again.nearest(VECTORS) == NEAR.nearest(VECTORS)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("Moja. Mbili. Tatu. Nne.", "Moja. Mbili.", "Tatu. Nne."),
        ("Moja. Mbili. Tatu.", "Moja.", "Mbili. Tatu."),
        ("moja mbili", "moja", "mbili"),
        ("กขคง", "กข", "คง"),
        ("x", "x", "x"),
    ],
)
def test_halves_are_of_sentences_else_of_words_else_of_letters(text: str, first: str, second: str) -> None:
    assert halves(text) == (first, second)
