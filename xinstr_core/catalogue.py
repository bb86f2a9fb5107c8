"""The DuckDB catalogue: views over the Parquet files that manifests name, and the lineage of every pair.

Built into a temporary file and renamed, so readers see the old catalogue or the new one and never a lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xinstr_core.errors import InputError
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
# view name: (asset, table)
VIEWS = {
    "raw_corpus": ("raw_corpus", "documents"),
    "rejected_documents": ("raw_corpus", "rejected"),
    "seed_pairs": ("seed_pairs", "seeds"),
    "rejected_seeds": ("seed_pairs", "rejected"),
    "candidate_pairs": ("candidate_pairs", "pairs"),
    "refined_pairs": ("refined_pairs", "pairs"),
    "diversified_set": ("diversified_set", "rows"),
    "training_rows": ("tuned_model", "training_rows"),
    "eval_report": ("eval_report", "measures"),
    "gaps": ("eval_report", "gaps"),
    "replies": ("eval_report", "replies"),
}


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
        made = set()
        for view, (asset, table) in VIEWS.items():
            files = [str(p.table_path(table)) for _, p in store.partitions(asset) if table in p.tables]
            if files:
                connection.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({_list(files)})")
                made.add(view)
        connection.execute(
            "CREATE TABLE tuned_models (language VARCHAR, model VARCHAR, base_model VARCHAR, data_fingerprint VARCHAR)"
        )
        models = [_model_row(language, partition) for language, partition in store.partitions("tuned_model")]
        if models:
            connection.executemany("INSERT INTO tuned_models VALUES (?, ?, ?, ?)", models)
        if {"raw_corpus", "candidate_pairs", "refined_pairs", "diversified_set"} <= made:
            connection.execute(_LINEAGE)


def _model_row(language: str, partition: Partition) -> tuple[str, str, str, str]:
    figures = partition.figures
    return language, str(partition.folder("adapter")), str(figures["base model"]), str(figures["data fingerprint"])


def _list(files: Sequence[str]) -> str:
    quoted = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    return f"[{quoted}]"


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
