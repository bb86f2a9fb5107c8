"""The rows of a built set as a stream, asked of DuckDB over the partitions' files: what does not fit into memory it keeps on disk."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.licences import UNKNOWN_LICENCE
from xinstr_core.schemas import candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.export import PAIR, SEED_PAIR, TRIPLE, TakenColumn
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.seed_pairs import IN_ENGLISH, SEEDS
from xinstr_core.schemas.tuned_model import PREFERENCES, TUNED_MODEL

BATCH_ROWS = 5_000  # rows that are held at once, and a row group of a file: some 10 MB of text
# Rows that are joined at once: a range of keys, for which DuckDB needs as much memory whatever the number of ranges is. Three
# joins of a whole set do not fit into any memory that is given them.
_RANGE_BATCHES = 4
_MEMORY = "200MB"  # DuckDB's own: what counts all rows by key goes to disk beyond that (benchmarks/export.md)
_READ = (DOCUMENTS, SEEDS, candidate_pairs.PAIRS, refined_pairs.PAIRS, SELECTED)
_WRITTEN_BY_A_MODEL = ("weaker", "untuned")  # kinds of rejected sides that are nobody's text


class StoredRows:
    """Everything is asked within the block; `spill` is a folder for what does not fit into memory, there only meanwhile.

    `constants` are columns that every row has. InputError where a file goes while it is read, as another build replaces it.
    """

    def __init__(self, built: BuiltSet, spill: Path, constants: Mapping[str, str]) -> None:
        import duckdb

        self._built = built
        self._lost: type[Exception] = duckdb.IOException
        self._connection: Any = duckdb.connect()
        self._connection.execute("SET threads = 1")
        self._connection.execute(f"SET memory_limit = '{_MEMORY}'")
        self._connection.execute(f"SET temp_directory = {_quoted(str(spill))}")
        tables = (*_READ, *((PREFERENCES,) if built.has(TUNED_MODEL) else ()))
        for table in tables:
            file = glob.escape(str(built.parts[table.asset].table_path(table.name)))
            self._run(f"CREATE VIEW {_view(table)} AS FROM read_parquet({_quoted(file)}, hive_partitioning = false)")
        fixed = "".join(f", {_quoted(value)} AS {name}" for name, value in constants.items())
        self._run(f"CREATE VIEW pairs AS {self._pairs(fixed)}")
        self._run(f"CREATE VIEW texts AS {self._texts()}")
        self._run(f"CREATE VIEW seeds AS {self._seeds(fixed)}")
        if built.has(TUNED_MODEL):
            self._run(f"CREATE VIEW triples AS {self._triples(fixed)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def licences(self, *, seeds: bool) -> pl.DataFrame:
        """Rows by `licence`, as it is spelled, and `split`; of seeds the split is "seeds". `sources` counts the licence's."""
        texts = self._all_texts(seeds)
        sources = (
            f"SELECT licence, count(*) AS sources FROM (SELECT DISTINCT licence, source FROM ({texts})) GROUP BY ALL"
        )
        counted = f"SELECT licence, split, count(*) AS rows FROM ({texts}) GROUP BY ALL"
        return self._frame(f"FROM ({counted}) JOIN ({sources}) USING (licence) ORDER BY ALL")

    def sources(self, most: int, *, seeds: bool) -> pl.DataFrame:
        """licence, source and rows: of every accepted licence the sources of most rows, so many at the most."""
        licences = [name for (name,) in self._run("FROM accepted ORDER BY ALL").fetchall()]
        found = [
            self._frame(
                f"SELECT licence, source, count(*) AS rows FROM ({self._all_texts(seeds)}) WHERE licence = {_quoted(name)} "
                f"GROUP BY ALL ORDER BY rows DESC, source LIMIT {most}"
            )
            for name in licences
        ]
        return pl.concat(found)

    def accept(self, licences: Collection[str]) -> None:
        """From now on only rows of these licences, as they are spelled, are given."""
        self._connection.execute("CREATE TABLE accepted (licence VARCHAR)")
        if licences:
            self._connection.executemany("INSERT INTO accepted VALUES (?)", [[name] for name in sorted(licences)])

    def pairs(self, split: str) -> Iterator[pl.DataFrame]:
        """Accepted pairs of a split by key, in batches: the columns of the export with instruction and response."""
        of_split = f"split = {_quoted(split)} AND {_ACCEPTED}"
        for within in self._ranges(f"SELECT pair_id FROM texts WHERE {of_split}"):
            yield from self._batches(f"FROM pairs WHERE {of_split} AND {within} ORDER BY pair_id")

    def seeds(self) -> Iterator[pl.DataFrame]:
        """Accepted seed pairs in the language by key."""
        return self._batches(f"FROM seeds WHERE {_ACCEPTED} ORDER BY pair_id")

    def seeds_by_origin(self) -> dict[str, int]:
        """How many accepted seed pairs in the language there are, by how they came about."""
        counted = f"SELECT origin, count(*) FROM seeds WHERE {_ACCEPTED} GROUP BY ALL ORDER BY ALL"
        return dict(self._run(counted).fetchall())

    def triples(self, split: str, *, seeds: bool) -> Iterator[pl.DataFrame]:
        """Triples of a split by key of which both sides are accepted, and without `seeds` none is a seed's text."""
        if not self._built.has(TUNED_MODEL):
            return iter(())
        return self._batches(f"FROM triples WHERE split = {_quoted(split)} AND {_taken(seeds)} ORDER BY triple_id")

    def triples_left_out(self, *, seeds: bool) -> int:
        """How many triples are not given, of all splits."""
        if not self._built.has(TUNED_MODEL):
            return 0
        return int(self._run(f"SELECT count(*) FROM triples WHERE NOT ({_taken(seeds)})").fetchone()[0])

    def _ranges(self, keys: str) -> list[str]:
        """What holds of the keys of one range after the other, each of so many rows."""
        rows = _RANGE_BATCHES * BATCH_ROWS
        numbered = f"SELECT pair_id, row_number() OVER (ORDER BY pair_id) - 1 AS place FROM ({keys})"
        firsts = [key for (key,) in self._run(f"SELECT pair_id FROM ({numbered}) WHERE place % {rows} = 0").fetchall()]
        firsts.sort()
        ends = [f" AND pair_id < {_quoted(key)}" for key in firsts[1:]]
        return [f"pair_id >= {_quoted(key)}{end}" for key, end in zip_longest(firsts, ends, fillvalue="")]

    def _all_texts(self, seeds: bool) -> str:
        texts = "SELECT licence, source, split FROM texts"
        return f"{texts} UNION ALL SELECT licence, source, {_quoted(SEEDS.name)} FROM seeds" if seeds else texts

    def _frame(self, query: str) -> pl.DataFrame:
        """All that a query gives, which is little."""
        return pl.concat([*self._batches(query)])

    def _batches(self, query: str) -> Iterator[pl.DataFrame]:
        with self._troubles_told():
            for batch in self._connection.sql(query).to_arrow_reader(BATCH_ROWS):
                rows = pl.from_arrow(batch)
                assert isinstance(rows, pl.DataFrame)
                yield rows

    def _run(self, statement: str) -> Any:
        with self._troubles_told():
            return self._connection.execute(statement)

    @contextmanager
    def _troubles_told(self) -> Iterator[None]:
        """InputError for a file that is gone; what DuckDB makes of Ctrl-C is that again."""
        try:
            yield
        except self._lost as error:
            raise self._gone(error) from error
        except RuntimeError as error:
            if str(error) != "Query interrupted":
                raise
            raise KeyboardInterrupt from error

    def _gone(self, error: Exception) -> InputError:
        return InputError(
            f"files of {self._built.tag} went or could not be read meanwhile ({str(error).splitlines()[0]}): "
            "if it is being built, export again when that is done"
        )

    def _texts(self) -> str:
        """Of every pair what its licence is counted by, without what is joined for the rest of it."""
        return (
            f"SELECT pair_id, split, source, {_LICENCE} AS licence FROM {_view(SELECTED)} "
            f"LEFT JOIN (SELECT doc_id, source, licence FROM {_view(DOCUMENTS)}) USING (doc_id)"
        )

    def _pairs(self, constants: str) -> str:
        columns = self._columns(PAIR)
        texts = ", ".join(f"{_view(SELECTED)}.{name}" for name in ("instruction", "response"))
        joined = [f"LEFT JOIN {_view(table)} USING (pair_id)" for table in (refined_pairs.PAIRS, candidate_pairs.PAIRS)]
        return (
            f"SELECT {columns}, {_view(SELECTED)}.source_tag AS origin, {texts}{constants} FROM {_view(SELECTED)} "
            f"{' '.join(joined)} LEFT JOIN {_view(DOCUMENTS)} ON {_view(DOCUMENTS)}.doc_id = {_view(SELECTED)}.doc_id"
        )

    def _seeds(self, constants: str) -> str:
        texts = "instruction, response"
        return f"SELECT {self._columns(SEED_PAIR)}, {texts}{constants} FROM {_view(SEEDS)} WHERE origin != {_quoted(IN_ENGLISH)}"

    def _triples(self, constants: str) -> str:
        """Of a side that is made of a text, whose text that is: another pair's, a seed's, or the chosen one's own."""
        texts = (
            f"SELECT pair_id, source, url, {_LICENCE} AS licence, false AS is_seed FROM {_view(SELECTED)} "
            f"LEFT JOIN (SELECT doc_id, source, url, licence FROM {_view(DOCUMENTS)}) USING (doc_id) "
            f"UNION ALL SELECT pair_id, source, '', {_LICENCE}, true FROM {_view(SEEDS)}"
        )
        unknown = _quoted(UNKNOWN_LICENCE)
        by_model = f"kind IN ({', '.join(map(_quoted, _WRITTEN_BY_A_MODEL))})"
        columns = self._columns(TRIPLE)
        rejected = ", ".join(
            f"CASE WHEN {by_model} THEN NULL ELSE {value} END AS rejected_{name}"
            for name, value in {
                "source": "other.source",
                "url": "other.url",
                "licence": f"coalesce(other.licence, {unknown})",
            }.items()
        )
        return (
            f"WITH texts AS ({texts}) SELECT {columns}, own.source, own.url, coalesce(own.licence, {unknown}) AS licence, {rejected}, "
            f"coalesce(own.is_seed, true) OR (NOT {by_model} AND coalesce(other.is_seed, true)) AS of_seeds, instruction, chosen, rejected{constants} "
            f"FROM {_view(PREFERENCES)} LEFT JOIN texts own ON own.pair_id = {_view(PREFERENCES)}.pair_id "
            "LEFT JOIN texts other ON other.pair_id = rejected_id"
        )

    def _columns(self, wanted: Sequence[TakenColumn]) -> str:
        """What selects the columns; null where the settings of the build left one out."""
        return ", ".join(self._column(one) for one in wanted)

    def _column(self, one: TakenColumn) -> str:
        stored = self._built.parts[one.table.asset].tables[one.table.name]["schema"]
        if one.source not in stored:
            return f"CAST(NULL AS DOUBLE) AS {one.column.name}"  # all that can be left out are numbers
        value = f"{_view(one.table)}.{one.source}"
        if one.source == "licence":
            value = f"coalesce(nullif({value}, ''), {_quoted(UNKNOWN_LICENCE)})"
        return f"{value} AS {one.column.name}"


_ACCEPTED = "licence IN (FROM accepted)"
_LICENCE = f"coalesce(nullif(licence, ''), '{UNKNOWN_LICENCE}')"


def _taken(seeds: bool) -> str:
    """What holds of a triple that is given. Nobody knows of a side whose pair is gone whose text it is."""
    sides = f"{_ACCEPTED} AND (rejected_licence IS NULL OR rejected_licence IN (FROM accepted))"
    return sides if seeds else f"{sides} AND NOT of_seeds"


def _view(table: Table) -> str:
    return f"{table.asset}_{table.name}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
