"""Fixtures of the training tests: a few short examples."""

from __future__ import annotations

import pytest

from xinstr_core.training.rows import Example


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Twelve examples of different lengths."""
    dishes = ("ugali", "pilau", "chapati", "mandazi", "githeri", "wali wa nazi")
    asked = [
        Example(f"ask-{dish}", f"### Text:\n{dish} ni chakula.\n\n### English Instruction:\n", f"What is {dish}?")
        for dish in dishes
    ]
    told = [
        Example(f"tell-{dish}", f"### Instruction:\nWhat is {dish}?\n\n### Response:\n", f"{dish} ni chakula.")
        for dish in dishes
    ]
    return [*asked, *told]
