"""From judged batches to the corpus: what only the whole shows, recurring lines and duplicates; then the tables.

Batches are read from disk one at a time, three times over; what stays in memory is some forty bytes a document, more for each
duplicate, and the hashes of a sixteenth of the lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from xinstr_core.corpus.documents import DOCUMENT_SCHEMA, EXCERPT_CHARACTERS, REJECT_SCHEMA
from xinstr_core.corpus.duplicates import PERMUTATIONS, DuplicateSearch, Match
from xinstr_core.identity import KEY_LENGTH
from xinstr_core.settings import CorpusSettings
from xinstr_core.store import TableWriter

_PARTS = 16  # of the lines' hashes: one is in memory at a time

DUPLICATE_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "doc_id": pl.String,
        "place": pl.String,
        "duplicate_of": pl.String,
        "kept": pl.String,
        "similarity": pl.Float64,
    }
)


@dataclass
class Corpus:
    """The finished tables, by name, and what is to be said of them."""

    tables: dict[str, Path]
    documents: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)


def assemble(documents: Sequence[Path], rejects: Sequence[Path], folder: Path, settings: CorpusSettings) -> Corpus:
    """Write documents, rejected and duplicates from the batches' files, in the order of the batches."""
    search = DuplicateSearch(folder / "duplicates", settings.near_duplicate_similarity)
    ids: list[Any] = []
    for batch in _read(documents):
        search.add(batch["doc_id"].to_list(), batch["signature"].to_numpy().reshape(batch.height, PERMUTATIONS))
        ids.append(batch["doc_id"].to_numpy().astype(f"S{KEY_LENGTH}"))
    matches = {match.document: match for match in search.find()}
    # Copies are out before lines are counted: a page that stands there twelve times is one page and no boilerplate.
    recurring = _recurring_lines(documents, folder / "lines", settings.recurring_line_documents, matches)
    schemas = {"documents": DOCUMENT_SCHEMA, "rejected": REJECT_SCHEMA, "duplicates": DUPLICATE_SCHEMA}
    corpus = Corpus({name: folder / f"{name}.parquet" for name in schemas})
    kept, rejected, duplicates = (TableWriter(corpus.tables[name], schema) for name, schema in schemas.items())
    names = np.concatenate(ids) if ids else np.empty(0, dtype=f"S{KEY_LENGTH}")
    with kept, rejected, duplicates:
        for (first, repeats, others), refused in zip(_split(documents, matches), _read(rejects), strict=True):
            said = [matches[first + place] for place in repeats["place_in_batch"]]
            shares = _recurring_shares(others, recurring)
            condemned = pl.Series(shares > settings.maximum_recurring_share)
            stays, boilerplate = others.filter(~condemned), others.filter(condemned)
            kept.write(stays)
            duplicates.write(_pairs(repeats, said, names))
            refusals = pl.concat(
                [
                    refused,
                    _refused_copies(repeats, said, names, search.least),
                    _refused(
                        boilerplate,
                        ["recurring_lines"] * boilerplate.height,
                        [f"{share:.3f}" for share in shares[condemned]],
                        settings.maximum_recurring_share,
                    ),
                ]
            )
            rejected.write(refusals)
            corpus.reasons.update(refusals["reason"])
            corpus.documents += stays.height
            corpus.licences.update(stays["licence"])
    return corpus


def _split(paths: Sequence[Path], matches: Mapping[int, Match]) -> Iterator[tuple[int, pl.DataFrame, pl.DataFrame]]:
    """Of every batch: the number of its first document, its duplicates and its other documents."""
    first = 0
    for batch in _read(paths):
        repeats = pl.Series([number in matches for number in range(first, first + batch.height)], dtype=pl.Boolean)
        numbered = batch.with_row_index("place_in_batch")
        yield first, numbered.filter(repeats), numbered.filter(~repeats)
        first += batch.height


def _refused_copies(copies: pl.DataFrame, matches: Sequence[Match], names: Any, threshold: float) -> pl.DataFrame:
    return _refused(
        copies,
        ["exact_duplicate" if match.exact else "near_duplicate" for match in matches],
        [f"{names[match.earlier].decode()} {match.similarity:.3f}" for match in matches],
        threshold,
    )


def _refused(documents: pl.DataFrame, reasons: list[str], values: list[str], threshold: float) -> pl.DataFrame:
    return documents.select(
        "language",
        "place",
        reason=pl.Series(reasons, dtype=pl.String),
        value=pl.Series(values, dtype=pl.String),
        threshold=pl.lit(f"{threshold:.3g}"),
        excerpt=pl.col("text").str.slice(0, EXCERPT_CHARACTERS),
    )


def _pairs(repeats: pl.DataFrame, matches: Sequence[Match], names: Any) -> pl.DataFrame:
    return repeats.select(
        "language",
        "doc_id",
        "place",
        duplicate_of=pl.Series([names[match.earlier].decode() for match in matches], dtype=pl.String),
        kept=pl.Series([names[match.kept].decode() for match in matches], dtype=pl.String),
        similarity=pl.Series([match.similarity for match in matches], dtype=pl.Float64),
    )


def _read(paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
    for path in paths:
        yield pl.read_parquet(path)


def _recurring_lines(paths: Sequence[Path], folder: Path, least: int, copies: Mapping[int, Match]) -> Any:
    """Sorted hashes of the lines that stand in `least` or more documents of one source, copies left out."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [folder / f"part-{number:02}" for number in range(_PARTS)]
    for part in parts:
        part.write_bytes(b"")
    for _, _, batch in _split(paths, copies):
        hashes = batch["lines"].list.unique().explode(empty_as_null=False).drop_nulls().to_numpy()
        for number, part in enumerate(parts):
            with part.open("ab") as stream:
                stream.write(hashes[hashes % _PARTS == number].tobytes())
    found = []
    for part in parts:
        hashes, counts = np.unique(np.fromfile(part, dtype=np.uint64), return_counts=True)
        found.append(hashes[counts >= least])
    return np.sort(np.concatenate(found))


def _recurring_shares(batch: pl.DataFrame, recurring: Any) -> Any:
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
