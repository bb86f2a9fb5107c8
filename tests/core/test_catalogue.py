"""The catalogue shows what is finished: also while other languages are built, and beside what is older or damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from xinstr_core.catalogue import CATALOGUE, VIEWS, build_catalogue, can_be_read, pair_lineage, types_of
from xinstr_core.errors import InputError
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS, PAIRS
from xinstr_core.schemas.declaration import Figures
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import LINEAGE, TUNED_MODELS
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.views import BUILDS, CHANGES, REPLY_SCORES, ROLE_COSTS
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


def adapter(store: Store) -> Path:
    folder = store.unfinished("tuned_model", "sw") / "adapter"
    folder.mkdir()
    return folder


def generations(store: Store) -> list[Path]:
    return [*(store.root / "catalog.files").iterdir()]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def test_a_partition_that_is_replaced_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    store = Replaced(tmp_path, times=2)
    commit(store, "first")
    assert build_catalogue(store).left_out == ()
    assert asked(store, "SELECT text FROM raw_corpus") == [("text 0",)]
    assert {path.name for path in tmp_path.iterdir()} == {"raw_corpus", ".catalogue.lock", CATALOGUE, "catalog.files"}
    assert len(generations(store)) == 1


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
        (_delete, "documents of raw_corpus of sw is not in the catalogue: No such file or directory: /"),
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
    shown = list(VIEWS)
    declared = [BUILDS, CHANGES, ROLE_COSTS, REPLY_SCORES, HISTORY, LINEAGE, TUNED_MODELS]
    declared += [table for contract in CONTRACTS.values() for table in contract.tables if table.view]
    assert {table.view for table in shown} == {table.view for table in declared}
    views = dict(
        asked(
            store,
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal",
        )
    )
    assert views == {table.view: table.meaning for table in shown}
    said = {
        (table, column): (kind, comment)
        for table, column, kind, comment in asked(
            store, "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal"
        )
    }
    with duckdb.connect() as connection:
        types = {table.view: types_of(table, connection) for table in shown}
    assert said == {
        (table.view, column.name): (
            types[table.view][column.name],
            f"{column.meaning} ({column.unit})" if column.unit else column.meaning,
        )
        for table in shown
        for column in table.columns
    }
    assert [column for table in shown for column in table.columns if not column.meaning] == []


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


@pytest.mark.parametrize("name", ["copy", "a [x]*'z", "what?.tmp?", "text=other", "ü ../é".replace("/", "-")])
def test_a_copied_folder_reads_its_own_files_and_never_those_that_it_was_copied_from(store: Store, name: str) -> None:
    commit(store, "the original")
    commit_pairs(store, "sw")
    store.commit("tuned_model", "sw", "f", {}, StageOutput(folders={"adapter": adapter(store)}))
    build_catalogue(store)
    copy = Store(Path(shutil.copytree(store.root, store.root.with_name(name))))
    assert can_be_read(copy)
    [(model,)] = asked(copy, "SELECT model FROM tuned_models")
    assert Path(model).parent == copy.root / "tuned_model" / "language=sw"
    commit(copy, "the copy")
    build_catalogue(copy)
    shutil.rmtree(store.root)
    assert asked(copy, "SELECT document FROM lineage") == [("the copy",)]
    assert pair_lineage(copy, "p-sw")["document"] == "the copy"


def test_a_catalogue_without_its_files_says_so_and_is_made_anew(store: Store, tmp_path: Path) -> None:
    commit_pairs(store, "sw")
    alone = Store(tmp_path / "alone")
    alone.root.mkdir()
    build_catalogue(store)
    shutil.copy(store.root / CATALOGUE, alone.root)
    with pytest.raises(duckdb.IOException, match=r"No files found that match the pattern .*/alone/catalog.files/"):
        asked(alone, "FROM lineage")
    assert not can_be_read(alone)
    with pytest.raises(InputError, match="no pair 'p-sw' in "):
        pair_lineage(alone, "p-sw")


def test_a_catalogue_of_a_release_that_named_files_by_their_place_is_made_anew(store: Store) -> None:
    commit_pairs(store, "sw")
    with duckdb.connect(str(store.root / CATALOGUE)) as connection:
        connection.execute(
            f"CREATE VIEW {LINEAGE.view} AS SELECT {', '.join(f'1 AS {c.name}' for c in LINEAGE.columns)}"
        )
    assert not can_be_read(store)


def test_a_catalogue_is_read_from_any_folder(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(store, "text")
    build_catalogue(store)
    for folder, place in (
        (tmp_path, f"data/{CATALOGUE}"),
        (store.root, CATALOGUE),
        (Path("/"), store.root / CATALOGUE),
    ):
        monkeypatch.chdir(folder)
        with duckdb.connect(place, read_only=True) as connection:
            assert connection.execute("SELECT text FROM raw_corpus").fetchall() == [("text",)]


def test_a_catalogue_that_is_attached_asks_where_it_is_and_reads_nothing_else(store: Store) -> None:
    commit(store, "text")
    build_catalogue(store)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{store.root / CATALOGUE}' AS xinstr (READ_ONLY)")
        with pytest.raises(duckdb.InvalidInputException, match="or SET VARIABLE data_folder = its folder"):
            connection.execute("SELECT text FROM xinstr.raw_corpus")
        connection.execute(f"SET VARIABLE data_folder = '{store.root}'")
        assert connection.execute("SELECT text FROM xinstr.raw_corpus").fetchall() == [("text",)]


def test_a_partition_that_is_gone_breaks_no_reader_of_the_catalogue_that_had_it(store: Store) -> None:
    """In any number of replacements: the links of the newest catalogue and of the one before stay, and no others."""
    for text in ("first", "second", "third"):
        before = commit(store, text)
        build_catalogue(store)
        shutil.rmtree(before.path)
        assert asked(store, "SELECT text FROM raw_corpus") == [(text,)]
    assert len(generations(store)) == 2


READ_ONCE_A_LINE = """
import sys
import duckdb

with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for _ in sys.stdin:
        print(connection.execute("SELECT text FROM raw_corpus").fetchall(), flush=True)
"""


@pytest.mark.parametrize("copied", [False, True])
def test_a_connection_that_stays_open_reads_what_it_was_opened_on_until_it_closes(store: Store, copied: bool) -> None:
    """Also where the catalogue is one that was copied with its folder: then it is no link to any generation's file."""
    commit(store, "first")
    build_catalogue(store)
    if copied:
        store = Store(Path(shutil.copytree(store.root, store.root.with_name("copy"))))
    command = [sys.executable, "-c", READ_ONCE_A_LINE, str(store.root / CATALOGUE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as reader:
        assert reader.stdin
        assert reader.stdout
        for number in range(5):
            reader.stdin.write("again\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == "[('first',)]\n"
            commit(store, f"text {number}")
            build_catalogue(store)
            assert asked(store, "SELECT text FROM raw_corpus") == [(f"text {number}",)]
        assert len(generations(store)) == 3
    build_catalogue(store)
    assert len(generations(store)) == 2


READ_UNTIL_TOLD = """
import sys
from contextlib import nullcontext
from pathlib import Path
import duckdb

done, errors, stop = 0, [], Path(sys.argv[2])
stays = duckdb.connect(sys.argv[1], read_only=True) if sys.argv[3] == "stays open" else None
while not stop.exists():
    try:
        with nullcontext(stays) if stays else duckdb.connect(sys.argv[1], read_only=True) as connection:
            (rows,) = connection.execute("SELECT count(*) FROM raw_corpus JOIN candidate_pairs USING (doc_id)").fetchone()
        assert rows == 1, rows
    except (duckdb.Error, AssertionError) as error:
        errors.append(str(error))
    done += 1
print(done, len(errors), errors[:1])
"""


@pytest.mark.parametrize(("readers", "replacements"), [(1, 4), pytest.param(8, 40, marks=pytest.mark.slow)])
def test_readers_meet_no_error_while_partitions_are_replaced(store: Store, readers: int, replacements: int) -> None:
    commit(store, "first")
    commit_pairs(store, "sw")
    build_catalogue(store)
    stop = store.root / "stop"
    command = [sys.executable, "-c", READ_UNTIL_TOLD, str(store.root / CATALOGUE), str(stop)]
    kinds = ["stays open", *["opens anew"] * readers]
    running = [subprocess.Popen([*command, kind], stdout=subprocess.PIPE, text=True) for kind in kinds]
    for number in range(replacements):
        commit(store, f"text {number}")
        build_catalogue(store)
    stop.touch()
    for reader in running:
        done, errors, first = reader.communicate()[0].split(maxsplit=2)
        assert (int(errors), first.strip()) == (0, "[]")
        assert int(done) > 0
    assert len(generations(store)) <= 2 + len(kinds)


def test_lineage_of_nothing_is_one_line(store: Store) -> None:
    assert not can_be_read(store)
    with pytest.raises(InputError, match=r"no catalogue at .*: build a language first"):
        pair_lineage(store, "x")
    build_catalogue(store)
    with pytest.raises(InputError, match="no pair 'x' in "):
        pair_lineage(store, "x")
