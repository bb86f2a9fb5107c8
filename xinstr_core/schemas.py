"""Frames with a declared schema, empty ones included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl


def frame(rows: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows as a frame with exactly the columns of the schema. A missing column is an error, an extra one too."""
    names = set(schema.names())
    for row in rows:
        if row.keys() != names:
            raise ValueError(f"columns differ from the schema: {sorted(set(row) ^ names)}")
    return pl.DataFrame(list(rows), schema=schema)
