"""The nearest texts are those that share most, whatever the script; a text is never near itself."""

from __future__ import annotations

import pytest

from xinstr_core.curation import near_texts as module
from xinstr_core.curation.near_texts import near_texts

HELSINKI = "Helsinki on Suomen p\u00e4\u00e4kaupunki. Helsingiss\u00e4 asuu paljon ihmisi\u00e4."
TURKU = "Turku on Suomen vanhin kaupunki, ja siell\u00e4 asuu v\u00e4hemm\u00e4n ihmisi\u00e4 kuin Helsingiss\u00e4."
LITHIUM = "Litium on alkalimetalli. Litiumin kemiallinen merkki on Li."
SODIUM = "Natrium on alkalimetalli, jonka kemiallinen merkki on Na."
BANGKOK = "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e\u0e21\u0e2b\u0e32\u0e19\u0e04\u0e23\u0e40\u0e1b\u0e47\u0e19\u0e40\u0e21\u0e37\u0e2d\u0e07\u0e2b\u0e25\u0e27\u0e07"
THAI_TOO = "\u0e01\u0e23\u0e38\u0e07\u0e40\u0e17\u0e1e\u0e21\u0e2b\u0e32\u0e19\u0e04\u0e23\u0e21\u0e35\u0e04\u0e19\u0e21\u0e32\u0e01"
POOL = [HELSINKI, TURKU, LITHIUM, SODIUM, BANGKOK, THAI_TOO]


@pytest.mark.parametrize(
    ("text", "nearest"), [(HELSINKI, TURKU), (TURKU, HELSINKI), (LITHIUM, SODIUM), (BANGKOK, THAI_TOO)]
)
def test_the_nearest_text_is_about_the_same(text: str, nearest: str) -> None:
    found = near_texts({"a": text}, POOL)["a"]
    assert found[0] == nearest
    assert text not in found


def test_a_text_that_differs_in_case_and_spaces_is_the_same_one() -> None:
    assert HELSINKI.upper() not in near_texts({"a": HELSINKI}, [HELSINKI.upper(), TURKU])["a"]


def test_what_is_found_depends_on_the_pool_and_not_on_its_order_or_on_other_texts() -> None:
    alone = near_texts({"a": LITHIUM}, POOL)
    assert near_texts({"b": TURKU, "a": LITHIUM}, POOL[::-1] + POOL)["a"] == alone["a"]


def test_a_large_pool_is_cut_by_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL", 3)
    texts = {"a": TURKU + LITHIUM + BANGKOK}
    assert near_texts(texts, POOL) == near_texts(texts, POOL[::-1])
    assert len(near_texts(texts, POOL)["a"]) <= 3


@pytest.mark.parametrize("pool", [[], ["", " "], ["!?", "..."]])
def test_where_nothing_can_be_compared_nothing_is_near(pool: list[str]) -> None:
    assert near_texts({"a": HELSINKI}, pool) == {"a": []}
