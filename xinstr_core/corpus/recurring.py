"""Lines that recur over the documents of a source: notices, menus, footers. A page made of them is nobody's text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

_PARTS = 16  # of the lines' hashes: one is in memory at a time


def recurring_lines(batches: Iterator[pl.DataFrame], folder: Path, least: int) -> Any:
    """Sorted hashes of the lines that stand in `least` or more documents of one source, by the column `lines`."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [folder / f"part-{number:02}" for number in range(_PARTS)]
    for part in parts:
        part.write_bytes(b"")
    for batch in batches:
        hashes = batch["lines"].list.unique().explode(empty_as_null=False).drop_nulls().to_numpy()
        for number, part in enumerate(parts):
            with part.open("ab") as stream:
                stream.write(hashes[hashes % _PARTS == number].tobytes())
    found = []
    for part in parts:
        hashes, counts = np.unique(np.fromfile(part, dtype=np.uint64), return_counts=True)
        found.append(hashes[counts >= least])
    return np.sort(np.concatenate(found))


def recurring_shares(batch: pl.DataFrame, recurring: Any) -> Any:
    """Per document, the share of its characters that stand in recurring lines."""
    lines = batch.with_row_index("document").select("document", "n_chars", "lines", "line_characters")
    flat = lines.explode("lines", "line_characters", empty_as_null=False)
    hashes = flat["lines"].to_numpy()
    if not len(recurring) or not len(hashes):
        return np.zeros(batch.height)
    places = np.minimum(np.searchsorted(recurring, hashes), len(recurring) - 1)
    characters = np.where(recurring[places] == hashes, flat["line_characters"].to_numpy(), 0)
    sums = np.bincount(flat["document"].to_numpy(), weights=characters, minlength=batch.height)
    return sums / batch["n_chars"].to_numpy()
