"""A workspace of one language, and candidates for its curation."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    return tmp_path


def candidates(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """(pair_id, doc_id, sample) of accepted pairs."""
    return pl.DataFrame(
        {
            "language": ["sw"] * len(rows),
            "pair_id": [row[0] for row in rows],
            "doc_id": [row[1] for row in rows],
            "sample": [row[2] for row in rows],
            "instruction": [f"What is {row[0]}?" for row in rows],
            "response": [f"Maandishi ya {row[1]}." for row in rows],
            "status": ["accepted"] * len(rows),
        },
        schema_overrides={"pair_id": pl.String, "doc_id": pl.String, "instruction": pl.String, "response": pl.String},
    )
