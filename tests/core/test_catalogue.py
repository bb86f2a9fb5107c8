"""The catalogue shows what is finished: also while other languages are built, and beside what is older or damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from xinstr_core.catalogue import CATALOGUE, build_catalogue, can_be_read, pair_lineage
from xinstr_core.errors import InputError
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS, PAIRS
from xinstr_core.schemas.declaration import Figures
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import LINEAGE, TUNED_MODELS
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.store import Partition, StageOutput, Store


class Replaced(Store):
    """A store in which another build replaces a partition just after it was looked at, so many times."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.left = times

    def get(self, asset: str, language: str) -> Partition | None:
        partition = super().get(asset, language)
        if self.left and partition:
            self.left -= 1
            commit(self, f"text {self.left}")
        return partition


def commit(store: Store, text: str, language: str = "sw") -> Partition:
    documents = pl.DataFrame({"doc_id": ["d1"], "language": [language], "text": [text]})
    return Store(store.root).commit("raw_corpus", language, "f", {}, StageOutput(tables={"documents": documents}))


def commit_pairs(store: Store, language: str, *without: str) -> Partition:
    """A pair of document d1, stored by a release that did not have some of the columns yet."""
    row = {column.name: "x" if column.dtype == pl.String else 1 for column in PAIRS.columns}
    row |= {"pair_id": f"p-{language}", "doc_id": "d1", "language": language}
    pairs = PAIRS.frame([row]).drop(without)
    return store.commit(CANDIDATE_PAIRS.asset, language, "f", {}, StageOutput(tables={"pairs": pairs}))


def asked(store: Store, query: str) -> list[Any]:
    with duckdb.connect(str(store.root / CATALOGUE), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_partition_that_is_replaced_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    store = Replaced(tmp_path, times=2)
    commit(store, "first")
    assert build_catalogue(store).left_out == ()
    assert asked(store, "SELECT text FROM raw_corpus") == [("text 0",)]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_a_column_that_an_older_release_did_not_store_is_null(store: Store) -> None:
    for language in ("sw", "fi"):
        commit(store, f"text in {language}", language)
    commit_pairs(store, "sw", "opening", "detail")
    commit_pairs(store, "fi")
    assert build_catalogue(store).left_out == ()
    expected = [("fi", "x", "text in fi"), ("sw", None, "text in sw")]
    assert asked(store, "SELECT language, opening, document FROM lineage ORDER BY language") == expected


def test_a_column_that_was_stored_with_another_type_is_read_as_it_is_declared_or_null(store: Store) -> None:
    commit_pairs(store, "fi")
    old = PAIRS.frame([]).with_columns(sample=pl.lit("x")).clear()
    rows = pl.DataFrame({"pair_id": ["a", "b"], "language": ["sw", "sw"], "sample": ["7", "many"], "status": [1, 2]})
    store.commit("candidate_pairs", "sw", "f", {}, StageOutput(tables={"pairs": rows, "raw": old}))
    store.commit("candidate_pairs", "ur", "f", {}, StageOutput(tables={"pairs": rows.select(sample=[[{"a": 1}]])}))
    build_catalogue(store)
    expected = [("a", 7, "1"), ("b", None, "2"), ("p-fi", 1, "x")]
    query = "SELECT pair_id, sample, status FROM candidate_pairs WHERE pair_id IS NOT NULL ORDER BY 1"
    assert asked(store, query) == expected


def _delete(partition: Partition) -> None:
    partition.table_path("documents").unlink()


def _cut(partition: Partition) -> None:
    path = partition.table_path("documents")
    path.write_bytes(path.read_bytes()[:-1])


def _empty(partition: Partition) -> None:
    partition.table_path("documents").write_bytes(b"")


def _spoil_manifest(partition: Partition) -> None:
    (partition.path / "manifest.json").write_text("{", "utf-8")


def _spoil_history(partition: Partition) -> None:
    (partition.path / "history.parquet").write_bytes(b"garbage that is no Parquet file")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_delete, "documents of raw_corpus of sw is not in the catalogue: IO Error: No files found"),
        (_cut, "documents of raw_corpus of sw is not in the catalogue: Invalid Input Error: "),
        (_empty, "documents of raw_corpus of sw is not in the catalogue: Invalid Input Error: "),
        (_spoil_manifest, "raw_corpus of sw is not in the catalogue: "),
        (_spoil_history, "history.parquet of raw_corpus of sw is not in the catalogue: Invalid Input Error: "),
    ],
)
def test_what_is_damaged_is_left_out_and_said_and_hides_no_other_language(
    store: Store, damage: Callable[[Partition], None], what: str
) -> None:
    damaged = commit(store, "damaged")
    commit(store, "good", "fi")
    damage(damaged)
    [line] = build_catalogue(store).left_out
    assert line.startswith(what)
    assert "\n" not in line
    assert ("good",) in asked(store, "SELECT text FROM raw_corpus")
    assert asked(store, "SELECT * FROM history") == []


def test_a_history_of_an_older_release_stands_beside_those_of_this_one(store: Store) -> None:
    for language, columns in (("fi", HISTORY.schema.names()), ("sw", ["language", "figure", "value"])):
        path = commit(store, "text", language).path / "history.parquet"
        row = {"language": language, "preset": "pocket", "figure": "records", "value": 1.0}
        pl.DataFrame([row], schema=HISTORY.schema).select(columns).write_parquet(path)
    assert build_catalogue(store).left_out == ()
    expected = [("fi", "pocket", 1.0), ("sw", None, 1.0)]
    assert asked(store, "SELECT language, preset, value FROM history ORDER BY language") == expected


def test_a_tuned_model_of_an_older_release_says_what_it_knows_and_nothing_else(store: Store) -> None:
    store.commit("tuned_model", "sw", "f", {}, StageOutput())
    path = store.commit("tuned_model", "fi", "f", {}, StageOutput(figures=Figures())).path / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["figures"] = {"base_model": "gemma", "data_fingerprint": "d", "of_another_release": [1]}
    manifest["folders"] = {"adapter": {"folder": "adapter-1", "hash": "1", "files": []}}
    path.write_text(json.dumps(manifest), "utf-8")
    assert build_catalogue(store).left_out == ()
    expected = [("fi", str(path.parent / "adapter-1"), "gemma", "d"), ("sw", None, None, None)]
    assert asked(store, "SELECT * FROM tuned_models ORDER BY language") == expected


def test_views_of_assets_that_nobody_built_are_empty(store: Store) -> None:
    assert build_catalogue(store).left_out == ()
    for table in (LINEAGE, TUNED_MODELS, HISTORY, DOCUMENTS, SELECTED):
        assert asked(store, f"SELECT * FROM {table.view}") == []


def test_every_view_and_column_has_its_comment(store: Store) -> None:
    build_catalogue(store)
    shown = [HISTORY, LINEAGE, TUNED_MODELS, *(t for c in CONTRACTS.values() for t in c.tables if t.view)]
    views = dict(
        asked(
            store,
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal UNION SELECT table_name, comment FROM duckdb_tables()",
        )
    )
    assert views == {table.view: table.meaning for table in shown}
    columns = asked(store, "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
    assert {(table, column) for table, column, _ in columns} == {(t.view, c.name) for t in shown for c in t.columns}
    assert [column for column in columns if not column[2]] == []


@pytest.mark.parametrize("content", [b"", b"garbage", b"garbage of some length " * 1000])
def test_a_catalogue_that_cannot_be_read_is_made_anew_by_whoever_asks_for_a_lineage(
    store: Store, content: bytes
) -> None:
    commit(store, "the document")
    commit_pairs(store, "sw")
    build_catalogue(store)
    assert can_be_read(store)
    (store.root / CATALOGUE).write_bytes(content)
    assert not can_be_read(store)
    assert pair_lineage(store, "p-sw")["document"] == "the document"
    assert can_be_read(store)


def test_a_folder_that_was_copied_elsewhere_gets_a_catalogue_of_its_own(store: Store, tmp_path: Path) -> None:
    commit_pairs(store, "sw")
    build_catalogue(store)
    moved = Store(tmp_path.rename(tmp_path.with_name("moved")))
    assert not can_be_read(moved)
    assert pair_lineage(moved, "p-sw")["language"] == "sw"


def test_lineage_of_nothing_is_one_line(store: Store) -> None:
    assert not can_be_read(store)
    with pytest.raises(InputError, match=r"no catalogue at .*: build a language first"):
        pair_lineage(store, "x")
    build_catalogue(store)
    with pytest.raises(InputError, match="no pair 'x' in "):
        pair_lineage(store, "x")
