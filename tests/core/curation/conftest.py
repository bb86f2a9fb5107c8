"""Fixtures of the curation tests: seeds whose level can be told from a single word."""

from __future__ import annotations

import pytest

from xinstr_core.curation.rating_set import RatedPair


@pytest.fixture(scope="session")
def marked_rows() -> list[RatedPair]:
    """Rated rows of which a tiny model can learn the level: the response is one of three words."""
    words = {"1": "hapana", "2": "labda", "3": "ndiyo"}
    return [
        RatedPair(f"{level}{number}", f"Question {number}?", word, level, "marked")
        for number in range(4)
        for level, word in words.items()
    ]
