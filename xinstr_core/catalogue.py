"""The DuckDB catalogue: views over the Parquet files that manifests name, and the lineage of every pair.

Built into a temporary file and renamed, so readers see the old catalogue or the new one and never a lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from xinstr_core.errors import InputError
from xinstr_core.schemas import CONTRACTS, candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.store import HISTORY as HISTORY_FILE
from xinstr_core.store import Partition, Store

CATALOGUE = "catalog.duckdb"
LOOKS = 5  # at the partitions: one is replaced in milliseconds, and not five times in a row

# A training row back to its document, and on to the model that learned from it.
_LINEAGE = """
CREATE VIEW lineage AS
SELECT p.pair_id, p.language, d.doc_id, d.text AS document, d.source, d.url, d.licence, d.place AS input_record,
       p.sample, p.opening, p.instruction, p.status, p.detail, r.p_level_1, r.p_level_2, r.p_level_3, r.rating,
       r.instruction_quality, r.pair_fit, r.verdict, r.kept, r.round, r.evaluator, s.topic, s.cluster_id, s.rank_in_cluster, s.split, m.model AS tuned_model
FROM candidate_pairs p
LEFT JOIN raw_corpus d USING (language, doc_id)
LEFT JOIN refined_pairs r USING (language, pair_id)
LEFT JOIN diversified_set s USING (language, pair_id)
LEFT JOIN tuned_models m ON m.language = s.language AND s.split = 'train'
"""
_MODELS = """
CREATE TABLE tuned_models (language VARCHAR, model VARCHAR, base_model VARCHAR, data_fingerprint VARCHAR);
COMMENT ON TABLE tuned_models IS 'Where the tuned model of each language is, and what it was made of.'
"""


def build_catalogue(store: Store) -> Path:
    """Write the catalogue of everything that is finished. Views of assets nobody built yet are left out."""
    import duckdb

    path = store.root / CATALOGUE
    store.root.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with (store.root / ".catalogue.lock").open("w") as lock:
        # One writer at a time, from its look at the partitions on: else an older view could replace a newer one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for look in range(1, LOOKS + 1):
            try:
                _write(temporary, store)
                break
            except (
                duckdb.IOException
            ):  # another language's build replaced a partition between its manifest and its files
                if look == LOOKS:
                    raise
        temporary.replace(path)
    return path


def _write(path: Path, store: Store) -> None:
    import duckdb

    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        made = {table.view for table in _shown_tables() if _create_view(connection, store, table)}
        _write_history(connection, store)
        connection.execute(_MODELS)
        models = [_model_row(language, partition) for language, partition in store.partitions(TUNED_MODEL.asset)]
        if models:
            connection.executemany("INSERT INTO tuned_models VALUES (?, ?, ?, ?)", models)
        if {table.view for table in (DOCUMENTS, candidate_pairs.PAIRS, refined_pairs.PAIRS, SELECTED)} <= made:
            connection.execute(_LINEAGE)


def _shown_tables() -> list[Table]:
    return [table for contract in CONTRACTS.values() for table in contract.tables if table.view]


def _create_view(connection: Any, store: Store, table: Table) -> bool:
    """The view over every language's file of a table, with its comments; none where there is no file."""
    found = [p for _, p in store.partitions(table.asset) if table.name in p.tables]
    if not found:
        return False
    files = _list([str(p.table_path(table.name)) for p in found])
    # Signals that are switched on for one language and not for another are columns of some files only.
    connection.execute(f"CREATE VIEW {table.view} AS SELECT * FROM read_parquet({files}, union_by_name = true)")
    _comment(connection, table, {name for p in found for name in p.tables[table.name]["schema"]})
    return True


def _comment(connection: Any, table: Table, columns: Collection[str]) -> None:
    connection.execute(f"COMMENT ON VIEW {table.view} IS {_quoted(table.meaning)}")
    for column in table.columns:
        if column.name in columns:
            said = column.meaning + (f" ({column.unit})" if column.unit else "")
            connection.execute(f'COMMENT ON COLUMN {table.view}."{column.name}" IS {_quoted(said)}')


def _write_history(connection: Any, store: Store) -> None:
    files = [
        str(partition.path / HISTORY_FILE)
        for asset in CONTRACTS
        for _, partition in store.partitions(asset)
        if (partition.path / HISTORY_FILE).exists()
    ]
    if files:
        connection.execute(f"CREATE VIEW {HISTORY.view} AS SELECT * FROM read_parquet({_list(files)})")
        _comment(connection, HISTORY, HISTORY.schema.names())


def _model_row(language: str, partition: Partition) -> tuple[str, str, str, str]:
    # As they are stored: a partition of another release is shown too.
    base_model, data = (str(partition.figures.get(name)) for name in ("base_model", "data_fingerprint"))
    return language, str(partition.folder(ADAPTER.name)), base_model, data


def _list(files: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, files))}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def pair_lineage(store: Store, pair_id: str) -> dict[str, Any]:
    """Everything the line knows of one pair. InputError when there is no such pair or no catalogue."""
    import duckdb

    path = store.root / CATALOGUE
    if not path.exists():
        raise InputError(f"no catalogue at {path}: build a language first")
    with duckdb.connect(str(path), read_only=True) as connection:
        views = {
            name for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        }
        if "lineage" not in views:
            raise InputError("no language has been built as far as diversified_set: there is no lineage yet")
        try:
            cursor = connection.execute("SELECT * FROM lineage WHERE pair_id = ?", [pair_id])
        except duckdb.IOException as error:  # the folder was copied, or a build was killed at the wrong moment
            raise InputError(f"{path} names files that are gone: build any language, and it is made anew") from error
        names = [column[0] for column in cursor.description]
        row = cursor.fetchone()
    if row is None:
        raise InputError(f"no pair {pair_id!r} in {path}")
    return dict(zip(names, row, strict=True))
