from __future__ import annotations

import pytest

from xinstr_core.corpus.duplicates import DuplicateIndex, shingles

WORDS = [f"neno{number}" for number in range(200)]


def changed(*positions: int) -> str:
    return " ".join("jipya" if n in positions else word for n, word in enumerate(WORDS))


def test_shingles_are_word_triples() -> None:
    assert shingles("Watu wote  wamezaliwa\nhuru", "Latn") == ["watu wote wamezaliwa", "wote wamezaliwa huru"]


@pytest.mark.parametrize(
    ("text", "only"), [("", ""), ("Moja", "moja"), ("Moja mbili", "moja mbili"), ("a b c", "a b c")]
)
def test_a_text_of_up_to_three_words_is_one_shingle(text: str, only: str) -> None:
    assert shingles(text, "Latn") == [only]


def test_scripts_without_spaces_are_cut_by_characters() -> None:
    assert shingles("กขคงจฉช", "Thai") == ["กขคงจ", "ขคงจฉ", "คงจฉช"]
    assert shingles("กขคง", "Thai") == ["กขคง"]
    assert shingles("", "Hans") == [""]
    assert shingles("กขคงจฉช", "Latn") == ["กขคงจฉช"]


def test_the_same_text_is_a_duplicate_of_the_first_with_similarity_one() -> None:
    index = DuplicateIndex("Latn", 0.8)
    assert index.find_or_add("a", changed()) is None
    assert index.find_or_add("b", changed().upper()) == ("a", 1.0)


def test_one_word_in_two_hundred_makes_a_near_duplicate() -> None:
    index = DuplicateIndex("Latn", 0.8)
    index.find_or_add("a", changed())
    found = index.find_or_add("b", changed(100))
    assert found is not None
    assert found[0] == "a"
    assert found[1] == pytest.approx(195 / 201, abs=0.06)


def test_a_text_that_shares_a_quarter_is_no_duplicate() -> None:
    """Forty changed words, five apart, leave 78 of 318 triples in common."""
    index = DuplicateIndex("Latn", 0.8)
    index.find_or_add("a", changed())
    assert index.find_or_add("b", changed(*range(0, 200, 5))) is None


def test_the_threshold_is_verified_and_not_only_looked_up() -> None:
    """Five changed words leave 183 of 213 triples, 0.86: a duplicate at 0.7 and none at 0.98."""
    for similarity, duplicate in ((0.7, True), (0.98, False)):
        index = DuplicateIndex("Latn", similarity)
        index.find_or_add("a", changed())
        assert (index.find_or_add("b", changed(20, 60, 100, 140, 180)) is not None) is duplicate


def test_a_duplicate_points_at_the_first_of_its_group_and_is_not_added_itself() -> None:
    index = DuplicateIndex("Latn", 0.8)
    assert index.find_or_add("a", changed()) is None
    assert index.find_or_add("other", " ".join(f"lingine{n}" for n in range(200))) is None
    for key, text in (("b", changed(10)), ("c", changed(10, 150))):
        found = index.find_or_add(key, text)
        assert found is not None
        assert found[0] == "a"


def test_thai_texts_that_differ_only_in_tone_marks_are_not_the_same() -> None:
    index = DuplicateIndex("Thai", 0.8)
    assert index.find_or_add("a", "ปาปาปาปาปาปา") is None
    assert index.find_or_add("b", "ป่าป้าป่าป้าป่าป้า") is None


def test_the_same_texts_in_the_same_order_give_the_same_answers() -> None:
    texts = [changed(*range(0, 200, step)) for step in (200, 150, 90, 40, 20, 10)]
    first, second = DuplicateIndex("Latn", 0.8), DuplicateIndex("Latn", 0.8)
    answers = [first.find_or_add(str(n), text) for n, text in enumerate(texts)]
    assert answers == [second.find_or_add(str(n), text) for n, text in enumerate(texts)]
    assert any(answers)
    assert not all(answers)
