"""From judged batches to the corpus: what only the whole shows, recurring lines, duplicates, overlaps; then the tables.

Batches are read from disk one at a time, several times over. In memory stay every document's key and some numbers, more of
one that repeats another (the stage grows by some 150 to 300 bytes a document: benchmarks/corpus.md), and at a time a
sixteenth of the lines' hashes or a sixty-fourth of the runs'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from xinstr_core.corpus.duplicates import PERMUTATIONS, DuplicateSearch
from xinstr_core.corpus.overlaps import Overlap, OverlapSearch
from xinstr_core.corpus.personal_data import shown
from xinstr_core.corpus.recurring import recurring_lines, recurring_shares
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS
from xinstr_core.files import TableWriter, read_parquet
from xinstr_core.identity import KEY_LENGTH
from xinstr_core.schemas.raw_corpus import DOCUMENTS, DUPLICATES, LEARNED, REJECTED
from xinstr_core.settings import CorpusSettings

# Overlaps of so much of the shorter text are listed, refused or not: the overlapping news of a real source share about a
# third and more.
_LISTED_OVERLAP = 0.3


@dataclass
class Corpus:
    """The finished tables, by name, and what is to be said of them."""

    tables: dict[str, Path]
    documents: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Repeat:
    """That a document repeats an earlier one, by their numbers; `kept` is the first of their group. A row of `duplicates`."""

    kind: str  # exact_duplicate, near_duplicate, overlap
    earlier: int
    kept: int
    similarity: float
    value: float  # what was compared with the threshold: of an overlap the share of the document itself
    threshold: float

    @property
    def is_refused(self) -> bool:
        return self.value >= self.threshold


def assemble(documents: Sequence[Path], rejects: Sequence[Path], folder: Path, settings: CorpusSettings) -> Corpus:
    """Write documents, rejected and duplicates from the batches' files, in the order of the batches."""
    duplicates = DuplicateSearch(folder / "duplicates", settings.near_duplicate_similarity)
    overlaps = OverlapSearch(folder / "overlaps")
    ids: list[Any] = [np.empty(0, dtype=f"S{KEY_LENGTH}")]
    for batch in _read(documents, "doc_id", "signature", "sketch"):
        duplicates.add(batch["doc_id"].to_list(), batch["signature"].to_numpy().reshape(batch.height, PERMUTATIONS))
        sketches = batch["sketch"]
        overlaps.add(sketches.list.len().to_numpy(), sketches.explode(empty_as_null=False).to_numpy())
        ids.append(batch["doc_id"].to_numpy().astype(f"S{KEY_LENGTH}"))
    names = np.concatenate(ids)
    ids.clear()
    repeats = _copies(duplicates)
    boilerplate = _boilerplate(documents, folder / "lines", settings, repeats)
    repeats |= _overlaps(overlaps, [*repeats, *boilerplate], len(names), settings.maximum_overlap)
    return _write(documents, rejects, folder, names, repeats, boilerplate, settings.maximum_recurring_share)


def _copies(search: DuplicateSearch) -> dict[int, _Repeat]:
    """By the number of the document."""
    return {
        match.document: _Repeat(
            kind="exact_duplicate" if match.exact else "near_duplicate",
            earlier=match.earlier,
            kept=match.kept,
            similarity=match.similarity,
            value=match.similarity,
            threshold=1.0 if match.exact else search.least,
        )
        for match in search.find()
    }


def _boilerplate(
    paths: Sequence[Path], folder: Path, settings: CorpusSettings, copies: Collection[int]
) -> dict[int, float]:
    """The documents that are made of recurring lines, and the share of those.

    Copies are left out before lines are counted: a page that stands there twelve times is one page and no boilerplate.
    """

    def others() -> Iterator[pl.DataFrame]:
        for batch in _numbered(paths, "n_chars", "lines", "line_characters"):
            yield batch.filter(pl.Series([number not in copies for number in batch["number"]], dtype=pl.Boolean))

    recurring = recurring_lines(others(), folder, settings.recurring_line_documents)
    found: dict[int, float] = {}
    for batch in others():
        shares = recurring_shares(batch, recurring)
        condemned = np.flatnonzero(shares > settings.maximum_recurring_share)
        found.update(zip(batch["number"].to_numpy()[condemned].tolist(), shares[condemned].tolist(), strict=True))
    return found


def _overlaps(search: OverlapSearch, gone: Sequence[int], documents: int, maximum: float) -> dict[int, _Repeat]:
    """Of every document the strongest overlap with one that stays, those aside that are gone already.

    Looked for again until nothing changes: a document that goes may have stood between two that are like each other, and
    what it refused has another hearing. It ends, since a document's fate is final once those of all earlier ones are.
    """
    refused: dict[int, _Repeat] = {}
    left_out = np.zeros(documents, dtype=bool)
    left_out[gone] = True
    while True:
        found = _strongest(search.find(left_out, min(_LISTED_OVERLAP, maximum)), maximum)
        goes = {number: one for number, one in found.items() if one.is_refused}
        refused |= goes
        again = [number for number, one in refused.items() if one.earlier in refused]
        if not goes and not again:
            return refused | found
        left_out[[*goes]] = True
        left_out[again] = False
        for number in again:
            del refused[number]


def _strongest(overlaps: Iterable[Overlap], maximum: float) -> dict[int, _Repeat]:
    """Overlaps come in the order of their later documents, so the fate of the earlier one is known."""
    found: dict[int, _Repeat] = {}
    for one in overlaps:
        fate, known = found.get(one.earlier), found.get(one.document)
        if fate and fate.is_refused:
            continue
        repeat = _Repeat("overlap", one.earlier, one.earlier, one.similarity, one.repeated, maximum)
        if not known or (repeat.is_refused, repeat.similarity) > (known.is_refused, known.similarity):
            found[one.document] = repeat
    return found


def _write(
    documents: Sequence[Path],
    rejects: Sequence[Path],
    folder: Path,
    names: Any,
    repeats: dict[int, _Repeat],
    boilerplate: dict[int, float],
    maximum_recurring_share: float,
) -> Corpus:
    tables = (DOCUMENTS, REJECTED, DUPLICATES)
    corpus = Corpus({table.name: folder / f"{table.name}.parquet" for table in tables})
    kept, rejected, duplicates = (TableWriter(corpus.tables[table.name], table.schema) for table in tables)
    with kept, rejected, duplicates:
        for batch, refused in zip(_numbered(documents), _read(rejects), strict=True):
            reasons = _reasons(batch["number"], repeats, boilerplate, names, maximum_recurring_share)
            goes = pl.Series([number in reasons for number in batch["number"]], dtype=pl.Boolean)
            stays = batch.filter(~goes)
            refusals = pl.concat([refused, _refused(batch.filter(goes), list(reasons.values()))])
            kept.write(stays)
            rejected.write(refusals)
            duplicates.write(_pairs(batch, repeats, boilerplate, names))
            corpus.reasons.update(refusals["reason"])
            corpus.documents += stays.height
            corpus.licences.update(stays["licence"])
    return corpus


def _reasons(
    numbers: Iterable[int],
    repeats: Mapping[int, _Repeat],
    boilerplate: Mapping[int, float],
    names: Any,
    maximum_recurring_share: float,
) -> dict[int, tuple[str, str, str]]:
    """(reason, value, threshold) of the documents that go, in their order."""
    found = {}
    for number in numbers:
        if (repeat := repeats.get(number)) and repeat.is_refused:
            value = f"{names[repeat.earlier].decode()} {repeat.value:.3f}"
            found[number] = (repeat.kind, value, f"{repeat.threshold:.3g}")
        elif number in boilerplate:
            found[number] = ("recurring_lines", f"{boilerplate[number]:.3f}", f"{maximum_recurring_share:.3g}")
    return found


def _refused(documents: pl.DataFrame, reasons: Sequence[tuple[str, str, str]]) -> pl.DataFrame:
    """Rows of `rejected` for documents with their (reason, value, threshold)."""
    excerpts = [shown(text[:EXCERPT_CHARACTERS], EXCERPT_CHARACTERS) for text in documents["text"]]
    columns = zip(
        ("reason", "value", "threshold"), zip(*reasons, strict=True) if reasons else ((), (), ()), strict=True
    )
    return (
        documents.select(
            "language", "place", *(column.name for column in LEARNED), excerpt=pl.Series(excerpts, dtype=pl.String)
        )
        .with_columns(pl.Series(name, values, dtype=pl.String) for name, values in columns)
        .select(REJECTED.schema.names())
    )


def _pairs(
    batch: pl.DataFrame, repeats: Mapping[int, _Repeat], boilerplate: Collection[int], names: Any
) -> pl.DataFrame:
    """Rows of `duplicates` for the documents of a batch that repeat another; `kept` is null where nothing of them stays."""
    repeating = [repeats.get(number) for number in batch["number"]]
    found = [one for one in repeating if one]
    stay = [_last_standing(one.kept, repeats) for one in found]
    return batch.filter(pl.Series([one is not None for one in repeating], dtype=pl.Boolean)).select(
        "language",
        "doc_id",
        "place",
        kind=pl.Series([one.kind for one in found], dtype=pl.String),
        duplicate_of=pl.Series([names[one.earlier].decode() for one in found], dtype=pl.String),
        kept=pl.Series([None if number in boilerplate else names[number].decode() for number in stay], dtype=pl.String),
        similarity=pl.Series([round(one.similarity, 4) for one in found], dtype=pl.Float64),
        refused=pl.Series([one.is_refused for one in found], dtype=pl.Boolean),
    )


def _last_standing(number: int, repeats: Mapping[int, _Repeat]) -> int:
    """A document, or what refused it, or what refused that."""
    while (repeat := repeats.get(number)) and repeat.is_refused:
        number = repeat.kept
    return number


def _numbered(paths: Sequence[Path], *columns: str) -> Iterator[pl.DataFrame]:
    """The batches with the numbers of their documents, counted through."""
    first = 0
    for batch in _read(paths, *columns):
        yield batch.with_row_index("number", offset=first)
        first += batch.height


def _read(paths: Sequence[Path], *columns: str) -> Iterator[pl.DataFrame]:
    """The batches, whole or of some columns."""
    for path in paths:
        yield read_parquet(path, *columns)
