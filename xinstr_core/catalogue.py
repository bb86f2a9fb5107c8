"""The DuckDB catalogue: views over the Parquet files that manifests name, and the lineage of every pair.

Its views are those that `schemas/` declares, whatever is stored: a column that an older release did not store is null, and
what is damaged is left out and said, so that no language hides another. Built into a temporary file and renamed, so
readers see the old catalogue or the new one and never a lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.schemas import CONTRACTS, candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.diversified_set import SELECTED, TRAIN
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import LINEAGE, TRACED, TUNED_MODELS
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.tuned_model import TUNED_MODEL, TunedFrom
from xinstr_core.store import HISTORY as HISTORY_FILE
from xinstr_core.store import Partition, Store

CATALOGUE = "catalog.duckdb"

# A training row back to its document, and on to the model that learned from it.
_LINEAGE = f"""
SELECT {", ".join(f'{traced.table.view}."{traced.source}" AS "{traced.column.name}"' for traced in TRACED)}
FROM {candidate_pairs.PAIRS.view}
LEFT JOIN {DOCUMENTS.view} USING (language, doc_id)
LEFT JOIN {refined_pairs.PAIRS.view} USING (language, pair_id)
LEFT JOIN {SELECTED.view} USING (language, pair_id)
LEFT JOIN {TUNED_MODELS.view} ON {TUNED_MODELS.view}.language = {SELECTED.view}.language AND {SELECTED.view}.split = '{TRAIN}'
"""


@dataclass(frozen=True)
class Catalogue:
    """Where it is, and what is not in it because it cannot be read: a line each."""

    path: Path
    left_out: tuple[str, ...]


def build_catalogue(store: Store) -> Catalogue:
    """Write the catalogue of everything that is finished. Views of assets nobody built yet are empty."""
    path = store.root / CATALOGUE
    store.root.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with (store.root / ".catalogue.lock").open("w") as lock:
        # One writer at a time, from its look at the partitions on: else an older view could replace a newer one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        left_out, before = _write(temporary, store), dict[str, str]()
        while left_out != before:
            # Another language's build may have replaced a partition between its manifest and its files: look again.
            left_out, before = _write(temporary, store), left_out
        temporary.replace(path)
    return Catalogue(path, tuple(f"{what} is not in the catalogue: {why}" for what, why in left_out.items()))


def can_be_read(store: Store) -> bool:
    """Whether there is a catalogue of this release whose files are where it says."""
    import duckdb

    path = store.root / CATALOGUE
    if not path.exists():
        return False
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute(f"SELECT {_names(LINEAGE)} FROM {LINEAGE.view} LIMIT 0")
    except duckdb.Error:
        return False
    return True


def _write(path: Path, store: Store) -> dict[str, str]:
    """Write the catalogue anew; gives what is left out, and why."""
    import duckdb

    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        views = _Views(connection)
        found = {asset: views.partitions(store, asset) for asset in CONTRACTS}
        for table in (table for contract in CONTRACTS.values() for table in contract.tables if table.view):
            views.over_files(
                table,
                {
                    f"{table.name} of {table.asset} of {language}": partition.table_path(table.name)
                    for language, partition in found[table.asset].items()
                    if table.name in partition.tables
                },
            )
        histories = {
            f"{HISTORY_FILE} of {asset} of {language}": partition.path / HISTORY_FILE
            for asset, partitions in found.items()
            for language, partition in partitions.items()
        }
        views.over_files(HISTORY, {what: file for what, file in histories.items() if file.exists()})
        models = [_model_row(language, partition) for language, partition in found[TUNED_MODEL.asset].items()]
        connection.execute(f"CREATE TABLE {TUNED_MODELS.view} ({views.declared(TUNED_MODELS)})")
        if models:
            places = ", ".join("?" * len(TUNED_MODELS.columns))
            connection.executemany(f"INSERT INTO {TUNED_MODELS.view} VALUES ({places})", models)
        views.comment("TABLE", TUNED_MODELS)
        views.create(LINEAGE, _LINEAGE)
    return views.left_out


class _Views:
    """The views of a catalogue that is being written, and why what is not in them was left out."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.left_out: dict[str, str] = {}

    def partitions(self, store: Store, asset: str) -> dict[str, Partition]:
        """The partitions of an asset whose manifest can be read, by language."""
        found: dict[str, Partition] = {}
        for language in store.languages(asset):
            try:
                if partition := store.get(asset, language):
                    found[language] = partition
            except (InputError, OSError) as error:
                self.left_out[f"{asset} of {language}"] = str(error)
        return found

    def over_files(self, table: Table, files: Mapping[str, Path]) -> None:
        """A view over those files of a table that can be read, each named by what it is."""
        rows = [select for what, file in files.items() if (select := self._rows_of(table, what, file))]
        nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in self._types(table).items())
        self.create(table, " UNION ALL ".join(rows) or f"SELECT {nothing} LIMIT 0")

    def create(self, table: Table, query: str) -> None:
        self._connection.execute(f"CREATE VIEW {table.view} AS {query}")
        self.comment("VIEW", table)

    def comment(self, kind: str, table: Table) -> None:
        self._connection.execute(f"COMMENT ON {kind} {table.view} IS {_quoted(table.meaning)}")
        for column in table.columns:
            said = column.meaning + (f" ({column.unit})" if column.unit else "")
            self._connection.execute(f'COMMENT ON COLUMN {table.view}."{column.name}" IS {_quoted(said)}')

    def declared(self, table: Table) -> str:
        """The columns of a table as DuckDB declares them."""
        return ", ".join(f'"{name}" {kind}' for name, kind in self._types(table).items())

    def _rows_of(self, table: Table, what: str, file: Path) -> str:
        """What selects the declared columns of a file, others left out; empty, and left out, where it cannot be read."""
        import duckdb

        source = f"FROM read_parquet({_quoted(str(file))})"
        try:
            stored = {name for name, *_ in self._connection.execute(f"DESCRIBE {source}").fetchall()}
            columns = (
                f'TRY_CAST("{name}" AS {kind}) AS "{name}"' if name in stored else f'CAST(NULL AS {kind}) AS "{name}"'
                for name, kind in self._types(table).items()
            )
            select = f"SELECT {', '.join(columns)} {source}"
            self._connection.execute(f"DESCRIBE {select}")
        except duckdb.Error as error:
            self.left_out[what] = str(error).splitlines()[0]
            return ""
        return select

    def _types(self, table: Table) -> dict[str, str]:
        """Every declared column with its type in DuckDB, which reads Arrow and says what it sees."""
        empty = pl.Schema({column.name: column.dtype for column in table.columns}).to_frame()
        relation = self._connection.from_arrow(empty.to_arrow(compat_level=pl.CompatLevel.oldest()))
        return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _model_row(language: str, partition: Partition) -> tuple[str | None, ...]:
    model = str(partition.folder(ADAPTER.name)) if ADAPTER.name in partition.folders else None
    try:
        made_from = TunedFrom.read_part(partition.figures)
    except InputError:
        return language, model, None, None
    return language, model, *(str(value) for _, value in made_from.told())


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def pair_lineage(store: Store, pair_id: str) -> dict[str, Any]:
    """Everything the line knows of one pair. InputError when there is no such pair or no catalogue.

    A catalogue that cannot be read is made anew: it was damaged, copied to another folder, or written by another release.
    """
    import duckdb

    path = store.root / CATALOGUE
    if not path.exists():
        raise InputError(f"no catalogue at {path}: build a language first")
    if not can_be_read(store):
        build_catalogue(store)
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute(
            f"SELECT {_names(LINEAGE)} FROM {LINEAGE.view} WHERE pair_id = ?", [pair_id]
        ).fetchone()
    if row is None:
        raise InputError(f"no pair {pair_id!r} in {path}")
    return dict(zip((column.name for column in LINEAGE.columns), row, strict=True))
