from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.core.corpus.conftest import LETTERS, drawn
from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES
from xinstr_core.corpus.duplicates import PERMUTATIONS, DuplicateSearch, Match, shingles, signatures
from xinstr_core.identity import document_key
from xinstr_core.pocket.documents import draw_topics, write_document

WORDS = [f"neno{number}" for number in range(200)]
Find = Callable[..., list[Match]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    def found(texts: Sequence[str], script: str = "Latn", similarity: float = 0.8, batch: int = 100) -> list[Match]:
        search = DuplicateSearch(tmp_path / "search", similarity)
        for start in range(0, len(texts), batch):
            some = texts[start : start + batch]
            search.add([document_key("xx", text) for text in some], signatures(some, script))
        return list(search.find())

    return found


def changed(*positions: int) -> str:
    return " ".join("jipya" if n in positions else word for n, word in enumerate(WORDS))


def jaccard(one: str, other: str, script: str) -> float:
    first, second = (set(found.tolist()) for found in shingles([one, other], script))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize(
    ("text", "script", "parts"),
    [
        ("Watu wote  wamezaliwa\nhuru", "Latn", ["watu wote wamezaliwa", "wote wamezaliwa huru"]),
        ("Moja", "Latn", ["moja"]),
        ("Moja mbili", "Latn", ["moja mbili"]),
        ("a b c", "Latn", ["a b c"]),
        ("กขคงจฉช", "Latn", ["กขคงจฉช"]),
        ("กขคงจฉช", "Thai", ["กขคงจ", "ขคงจฉ", "คงจฉช"]),
        ("กขคง", "Thai", ["กขคง"]),
    ],
)
def test_shingles_are_word_triples_or_five_characters_or_the_whole_text(
    text: str, script: str, parts: list[str]
) -> None:
    (found,) = shingles([text], script)
    alone = [one.tolist() for one in shingles(parts, script)]
    assert [found.tolist()] == [[one for (one,) in alone]]
    assert len(set(found.tolist())) == len(parts)


def test_a_text_of_nothing_has_no_shingle() -> None:
    assert [len(found) for found in shingles(["", " ", "a"], "Hans")] == [0, 0, 1]
    assert len({*map(bytes, signatures(["", " "], "Latn"))}) == 1


def test_no_documents_have_no_duplicates(find: Find, tmp_path: Path) -> None:
    assert signatures([], "Latn").shape == (0, PERMUTATIONS)
    assert find([]) == []
    search = DuplicateSearch(tmp_path / "empty batches", 0.8)
    for texts in ([], ["moja mbili tatu"], []):
        search.add([document_key("sw", text) for text in texts], signatures(texts, "Latn"))
    assert list(search.find()) == []


def test_the_same_text_is_an_exact_duplicate_of_the_first_with_similarity_one(find: Find) -> None:
    assert find([changed(), changed().upper(), "", " "]) == [Match(1, 0, 0, 1.0, True), Match(3, 2, 2, 1.0, True)]


def test_one_word_in_two_hundred_makes_a_near_duplicate(find: Find) -> None:
    (found,) = find([changed(), changed(100)])
    assert found == Match(1, 0, 0, found.similarity, False)
    assert found.similarity == pytest.approx(195 / 201, abs=0.06)


def test_the_same_words_in_another_order_make_no_exact_duplicate(find: Find) -> None:
    """Equal sets of shingles, other keys: similarity one, and yet not the same text."""
    assert find(["moja mbili moja mbili moja", "mbili moja mbili moja mbili"]) == [Match(1, 0, 0, 1.0, False)]


def test_a_text_that_shares_a_quarter_is_no_duplicate(find: Find) -> None:
    """Forty changed words, five apart, leave 78 of 318 triples in common."""
    assert find([changed(), changed(*range(0, 200, 5))]) == []


@pytest.mark.parametrize(("similarity", "duplicate"), [(0.7, True), (0.98, False)])
def test_the_threshold_is_verified_and_not_only_looked_up(find: Find, similarity: float, duplicate: bool) -> None:
    """Five changed words leave 183 of 213 triples, 0.86: a duplicate at 0.7 and none at 0.98."""
    assert bool(find([changed(), changed(20, 60, 100, 140, 180)], similarity=similarity)) is duplicate


def test_a_duplicate_points_at_the_first_of_its_group_past_a_stranger_and_an_exact_one(find: Find) -> None:
    texts = [changed(), " ".join(f"lingine{n}" for n in range(200)), changed(10), changed(10, 150), changed(10)]
    found = find(texts)
    assert [(match.document, match.kept, match.exact) for match in found] == [
        (2, 0, False),
        (3, 0, False),
        (4, 0, True),
    ]
    assert found[2].earlier == 2
    assert found[1].earlier in {0, 2}


def test_a_chain_leads_back_to_its_first_link_however_unlike_the_last_one_is(find: Find) -> None:
    links = [changed(*range(0, 15 * n, 5)) for n in range(13)]
    assert jaccard(links[0], links[-1], "Latn") < 0.35
    found = find(links)
    assert [(match.document, match.kept) for match in found] == [(n, 0) for n in range(1, 13)]
    assert all(jaccard(links[match.document], links[match.earlier], "Latn") > 0.7 for match in found)


def test_two_documents_that_a_third_brings_together_are_compared_all_the_same(find: Find) -> None:
    """Each of three is 0.83 like each other; in which band they meet first must not matter."""
    texts = []
    for family in range(200):
        words = drawn("Latn", 200 * 6, family).split()
        for place in (5, 70, 135):
            own = {n: drawn("Latn", 6, (family, place, n)) for n in range(place, place + 61, 25)}
            texts.append(" ".join(own.get(n, word) for n, word in enumerate(words)))
    found = {match.document: match.kept for match in find(texts)}
    assert sum(n in found for n in range(600) if n % 3) >= 0.99 * 400
    assert all(kept == document - document % 3 for document, kept in found.items())


@pytest.mark.parametrize("script", LETTERS)
def test_planted_documents_at_the_threshold_are_found_and_distinct_ones_stay(find: Find, script: str) -> None:
    unit, edge, space = (1, 4, "") if script in SCRIPTS_WITHOUT_SPACES else (6, 2, " ")
    shared = [drawn(script, (160 + edge) * unit, n) for n in range(1000)]
    texts = [text + space + drawn(script, 20 * unit, f"end {n}") for n, text in enumerate(shared)]
    planted = [text + space + drawn(script, 20 * unit, f"other end {n}") for n, text in enumerate(shared[:300])]
    assert sum(jaccard(*pair, script) for pair in zip(texts, planted, strict=False)) / 300 == pytest.approx(
        0.8, abs=1e-3
    )
    found = find(texts + planted, script)
    assert len(found) >= 0.95 * 300
    assert all((match.earlier, match.kept) == (match.document - 1000,) * 2 and not match.exact for match in found)


@pytest.mark.parametrize(("language", "script"), [("ta", "Taml"), ("th", "Thai"), ("sw", "Latn")])
def test_what_is_found_among_like_documents_is_what_a_full_comparison_finds(
    find: Find, language: str, script: str
) -> None:
    rng = random.Random(2)
    texts = [write_document(topic, rng, (1, 2)) for topic in draw_topics(language, 120, rng)]
    texts += [text.replace(text.split()[1], "", 1) for text in texts[::3]]
    best = [max((jaccard(text, earlier, script) for earlier in texts[:n]), default=0.0) for n, text in enumerate(texts)]
    found = {match.document for match in find(texts, script)}
    assert {n for n, similarity in enumerate(best) if similarity >= 0.88} <= found
    assert found <= {n for n, similarity in enumerate(best) if similarity >= 0.65}
    assert 10 <= len(found) < 120


@pytest.mark.parametrize(
    ("script", "one", "other"),
    [
        ("Thai", "ปาปาปาปาปาปา", "ป่าป้าป่าป้าป่าป้า"),
        ("Taml", "கல கல பட பட மரம் வர", "கால் காலி பாடு பாடி மாரம் வரி"),
        ("Latn", "ma ma ban ban la thu", "má mà bàn bán lá thứ"),
    ],
)
def test_combining_marks_make_another_text_and_their_encoding_does_not(
    find: Find, script: str, one: str, other: str
) -> None:
    texts = [one, other, unicodedata.normalize("NFD", other)]
    assert find(texts, script) == [Match(2, 1, 1, 1.0, True)]


def test_the_same_texts_give_the_same_answers_in_whatever_batches_they_come(find: Find) -> None:
    texts = [changed(*range(0, 200, step)) for step in (200, 150, 90, 40, 20, 10)] * 2
    answers = [find(texts, batch=batch) for batch in (1, 5, 12)]
    assert len(answers[0]) > 6
    assert all(one == other for one, other in pairwise(answers))


def test_a_search_forgets_what_a_killed_one_left_in_its_folder(find: Find) -> None:
    assert find([" ".join(f"{word}{n}" for n in range(50)) for word in ("moja", "mbili", "tatu")]) == []
    assert [match.document for match in find([changed(), changed(7)])] == [1]
