"""Overlaps in the tables that the assembly writes; the search itself: test_overlaps.py."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations

import pytest

from tests.core.corpus.conftest import SETTINGS, TEXTS, Assemble, places, records, table, text
from xinstr_core.corpus.overlaps import sketch
from xinstr_core.identity import document_key
from xinstr_core.settings import CorpusSettings


def joined(*numbers: int) -> str:
    return " ".join(TEXTS[number] for number in numbers)


def similarity(earlier: str, later: str) -> float:
    """The share of the shorter one's sketch that both have, as it is told."""
    return round(max(repeated(earlier, later), repeated(later, earlier)), 4)


def repeated(earlier: str, later: str) -> float:
    """The share of the later one's sketch that both have."""
    first, second = (set(sketch(each, "Latn").tolist()) for each in (earlier, later))
    return len(first & second) / len(second)


def allowing(maximum: float) -> CorpusSettings:
    return SETTINGS.model_copy(update={"maximum_overlap": maximum})


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(("later", "part"), [((1, 2), 1.0), ((0, 1, 2, 5), 0.75)])
def test_a_document_that_mostly_repeats_an_earlier_one_is_refused(
    build: Assemble, later: tuple[int, ...], part: float, batch: int
) -> None:
    first, second = joined(3, 0, 1, 2, 4), joined(*later)
    corpus = build(records([TEXTS[9], first, TEXTS[10], second]), batch)
    keys = [document_key("wo", one) for one in (first, second)]
    assert repeated(first, second) == pytest.approx(part, abs=0.1)
    assert table(corpus, "duplicates").rows() == [
        ("wo", keys[1], "a:4", "overlap", keys[0], keys[0], similarity(first, second), True)
    ]
    assert table(corpus, "rejected").drop("learned_filter", "learned_score").rows() == [
        ("wo", "a:4", "overlap", f"{keys[0]} {repeated(first, second):.3f}", "0.6", second[:200])
    ]
    assert (places(corpus), corpus.reasons) == (["a:1", "a:2", "a:3"], Counter(overlap=1))


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(
    ("earlier", "later"),
    [((0, 1, 2, 3), (4, 2, 3, 5)), ((0, 1), (3, 0, 1, 2, 4)), ((0, 1, 5), (3, 0, 1, 2, 4))],
    ids=["half of each", "contains a shorter one", "has most of a shorter one"],
)
def test_a_document_with_enough_of_its_own_is_kept_and_told(
    build: Assemble, earlier: tuple[int, ...], later: tuple[int, ...], batch: int
) -> None:
    first, second = joined(*earlier), joined(*later)
    keys = [document_key("wo", one) for one in (first, second)]
    assert 0.3 < repeated(first, second) < 0.6
    corpus = build(records([first, second]), batch)
    assert table(corpus, "duplicates").rows() == [
        ("wo", keys[1], "a:2", "overlap", keys[0], keys[0], similarity(first, second), False)
    ]
    assert (places(corpus), corpus.reasons) == (["a:1", "a:2"], Counter())


def test_what_is_told_and_what_is_refused_are_different_shares(build: Assemble) -> None:
    """A refused document's row has the share of the shorter one, its reason the share of the document itself."""
    first, second = joined(0, 1, 2), f"{joined(0, 1, 2, 3)} {TEXTS[4][:60]}"
    corpus = build(records([first, second]))
    assert 0.6 < repeated(first, second) < 0.9
    assert table(corpus, "duplicates").select("similarity", "refused").rows() == [(1.0, True)]
    key = document_key("wo", first)
    assert table(corpus, "rejected")["value"].to_list() == [f"{key} {repeated(first, second):.3f}"]


def test_a_document_that_shares_little_is_not_listed(build: Assemble) -> None:
    first, second = joined(0, 1, 2, 3, 4, 5), joined(5, 6, 7, 8, 9, 10)
    assert 0 < similarity(first, second) < 0.3
    corpus = build(records([first, second]))
    assert (corpus.documents, table(corpus, "duplicates").height) == (2, 0)


def test_of_several_overlaps_the_strongest_is_told(build: Assemble) -> None:
    texts = [joined(0, 1), joined(2, 3, 4, 21), joined(0, 2, 3, 4, 22)]
    assert 0.3 < similarity(texts[0], texts[2]) < similarity(texts[1], texts[2])
    corpus = build(records(texts))
    (told,) = table(corpus, "duplicates").select("place", "duplicate_of", "similarity", "refused").rows()
    assert told == ("a:3", document_key("wo", texts[1]), similarity(texts[1], texts[2]), True)


def test_an_overlap_with_a_document_that_was_refused_for_overlap_refuses_nothing(build: Assemble) -> None:
    first, second, third = joined(0, 1, 2, 3, 4), joined(0, 1, 2, 3, 10, 11), f"{joined(10, 11)} {TEXTS[12][:60]}"
    assert places(build(records([second, third])), "overlap") == ["a:2"]
    corpus = build(records([first, second, third]))
    assert (places(corpus), places(corpus, "overlap")) == (["a:1", "a:3"], ["a:2"])
    assert table(corpus, "duplicates").select("place", "kind", "refused").rows() == [("a:2", "overlap", True)]


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("seed", range(3))
def test_a_refused_document_between_two_kept_ones_hides_nothing(build: Assemble, seed: int, batch: int) -> None:
    """The last three have a passage from the second, which is refused: of the three, the first stays."""
    draw = random.Random(seed)
    quoted, passage, *own = (text(words, draw) for words in (400, 180, 90, 75, 75, 75))  # so many that chance is small
    texts = [f"{quoted} {own[0]}", f"{quoted} {passage}", *(f"{passage} {end}" for end in own[1:])]
    assert min(repeated(*pair) for pair in [texts[:2], *permutations(texts[2:], 2)]) > 0.6
    corpus = build(records(texts), batch, SETTINGS.model_copy(update={"maximum_characters": 5000}))
    assert (places(corpus), places(corpus, "overlap")) == (["a:1", "a:3"], ["a:2", "a:4", "a:5"])
    keys = [document_key("wo", one) for one in texts]
    assert table(corpus, "duplicates").select("doc_id", "kept").rows() == [
        (keys[1], keys[0]),
        (keys[3], keys[2]),
        (keys[4], keys[2]),
    ]


@pytest.mark.parametrize("batch", [9, 100])
def test_of_any_number_of_documents_with_one_common_paragraph_one_stays(build: Assemble, batch: int) -> None:
    """Without a line end the paragraph is no recurring line."""
    common, draw = joined(0, 1, 2), random.Random(1)
    corpus = build(records([f"{common} {text(draw=draw)}" for _ in range(70)]), batch)
    assert (places(corpus), corpus.reasons) == (["a:1"], Counter(overlap=69))
    assert table(corpus, "duplicates")["kept"].unique().to_list() == table(corpus, "documents")["doc_id"].to_list()


def test_what_is_kept_in_place_of_a_copy_is_what_refused_its_original(build: Assemble) -> None:
    kept, original = joined(0, 1, 2, 3), joined(0, 1, 2, 4)
    keys = [document_key("wo", one) for one in (kept, original)]
    corpus = build(records([kept, original, original.upper()]))
    assert table(corpus, "duplicates").select("place", "kind", "duplicate_of", "kept", "refused").rows() == [
        ("a:2", "overlap", keys[0], keys[0], True),
        ("a:3", "exact_duplicate", keys[1], keys[0], True),
    ]
    assert places(corpus) == ["a:1"]


def test_an_overlap_with_a_copy_is_one_with_what_it_copies(build: Assemble) -> None:
    corpus = build(records([joined(0, 1, 2), joined(0, 1, 2).upper(), joined(0, 1, 2, 3)]))
    key = document_key("wo", joined(0, 1, 2))
    assert table(corpus, "duplicates").select("place", "kind", "duplicate_of", "kept").rows() == [
        ("a:2", "exact_duplicate", key, key),
        ("a:3", "overlap", key, key),
    ]


def test_boilerplate_refuses_no_document_that_overlaps_with_it(build: Assemble) -> None:
    pages = records([f"{joined(n, n + 10)}\n{TEXTS[0]}" for n in range(1, 11)])
    quoting = records([joined(1, 11, 30)], "b")
    corpus = build([*pages, *quoting])
    assert corpus.reasons == Counter(recurring_lines=10)
    assert places(corpus) == ["b:1"]
    assert table(corpus, "duplicates").height == 0
    settings = SETTINGS.model_copy(update={"recurring_line_documents": 11})
    assert places(build([*pages, *quoting], settings=settings), "overlap") == ["b:1"]


@pytest.mark.parametrize(("maximum", "kept"), [(0.05, 1), (0.2, 1), (0.5, 1), (0.6, 1), (0.9, 2), (1.0, 2)])
def test_how_much_may_be_repeated_is_a_setting(build: Assemble, maximum: float, kept: int) -> None:
    first, second = joined(0, 1, 2, 3), joined(0, 1, 2, 4)
    assert 0.6 < repeated(first, second) < 0.9
    corpus = build(records([first, second]), settings=allowing(maximum))
    assert corpus.documents == kept
    assert table(corpus, "duplicates").select("kind", "similarity", "refused").rows() == [
        ("overlap", similarity(first, second), kept == 1)
    ]
    assert table(corpus, "rejected")["threshold"].to_list() == [f"{maximum:.3g}"] * (2 - kept)


def test_a_small_overlap_is_refused_and_told_where_less_is_allowed(build: Assemble) -> None:
    first, second = joined(0, 1, 2, 3, 4, 5), joined(5, 6, 7, 8, 9, 10)
    found = repeated(first, second)
    assert 0.1 < found < 0.25
    for maximum, told in ((found, True), (found * 0.5, True), (found * 1.5, False)):
        corpus = build(records([first, second]), settings=allowing(maximum))
        assert places(corpus, "overlap") == ["a:2"] * told
        assert table(corpus, "duplicates")["refused"].to_list() == [True] * told


def test_a_document_that_repeats_exactly_the_maximum_is_refused(build: Assemble) -> None:
    first, second = joined(0, 1, 2, 3), joined(0, 1, 2, 4)
    found = repeated(first, second)
    assert build(records([first, second]), settings=allowing(found)).reasons == Counter(overlap=1)
    assert build(records([first, second]), settings=allowing(found + 1e-9)).reasons == Counter()
