from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic_core import PydanticSerializationError

from xinstr_core.errors import InputError
from xinstr_core.files import ShardLog, TableWriter, write_text
from xinstr_core.identity import file_hash
from xinstr_core.manifest import read_manifest
from xinstr_core.schemas.declaration import Contract, Figures, figure
from xinstr_core.store import Partition, StageOutput, Store

ROWS = pl.DataFrame({"doc_id": ["a", "b"], "text": ["ป่าไม้", "tiếng \x00 Việt"], "n": [1, None]})


class Noted(Figures):
    kept: int = figure("kept", "rows that were kept", default=0)
    share: float = figure("share", "of what came in", default=0.5)
    reasons: dict[str, int] = figure("reasons", "why rows fell", default={})
    note: str = figure("note", "what is to be said", default="")
    anything: Any = figure("anything", "what need not be JSON", default=None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def put(store: Store, rows: pl.DataFrame, stage_fingerprint: str = "f1", **output: Any) -> Partition:
    return store.commit("raw_corpus", "sw", stage_fingerprint, {"code": 1}, StageOutput({"documents": rows}, **output))


def model_folder(store: Store, weights: bytes) -> Path:
    folder = store.unfinished("raw_corpus", "sw") / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}", "utf-8")
    (folder / "deep" / "weights").write_bytes(weights)
    return folder


def written(path: Path, *pieces: pl.DataFrame) -> Path:
    with TableWriter(path, ROWS.schema) as table:
        for piece in pieces:
            table.write(piece)
    return path


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_committed_partition_comes_back_as_it_was(store: Store) -> None:
    noted = Noted(kept=2, reasons={"too_short": 1}, note="ป่า")
    put(store, ROWS, figures=noted)
    partition = store.get("raw_corpus", "sw")
    assert partition is not None
    assert (partition.asset, partition.fingerprint) == ("raw_corpus", "f1")
    assert partition.read_figures(Noted) == noted
    assert partition.manifest["made_of"] == {"code": 1}
    assert_frame_equal(partition.read("documents"), ROWS)
    assert_frame_equal(partition.scan("documents").collect(), ROWS)


def test_a_manifest_tells_rows_bytes_hash_and_schema_of_each_table(store: Store) -> None:
    partition = put(store, ROWS)
    path = partition.table_path("documents")
    assert path.parent == store.root / "raw_corpus" / "language=sw"
    assert partition.tables == {
        "documents": {
            "file": f"documents-{file_hash(path)}.parquet",
            "rows": 2,
            "bytes": path.stat().st_size,
            "hash": file_hash(path),
            "schema": {"doc_id": "String", "text": "String", "n": "Int64"},
        }
    }


def test_an_empty_table_keeps_its_columns(store: Store) -> None:
    assert_frame_equal(put(store, ROWS.clear()).read("documents"), ROWS.clear())


def test_what_was_never_committed_is_none(store: Store) -> None:
    assert store.get("raw_corpus", "sw") is None
    store.unfinished("raw_corpus", "sw")
    assert store.get("raw_corpus", "sw") is None


def test_the_version_follows_the_content_and_not_the_fingerprint(store: Store) -> None:
    first = put(store, ROWS, "f1")
    again = put(store, ROWS, "f2", figures=Noted(kept=3))
    changed = put(store, ROWS.reverse(), "f2")
    assert first.version == again.version != changed.version
    assert (first.fingerprint, again.fingerprint) == ("f1", "f2")


def test_the_version_follows_the_files_of_a_folder(store: Store) -> None:
    first = put(store, ROWS, folders={"model": model_folder(store, b"1")}).version
    again = put(store, ROWS, folders={"model": model_folder(store, b"1")}).version
    changed = put(store, ROWS, folders={"model": model_folder(store, b"2")}).version
    assert first == again != changed


def test_a_folder_is_moved_into_the_partition_with_its_files(store: Store) -> None:
    source = model_folder(store, b"weights")
    partition = put(store, ROWS, folders={"model": source})
    assert not source.exists()
    assert (partition.folder("model") / "deep" / "weights").read_bytes() == b"weights"
    assert partition.manifest["folders"]["model"]["files"] == ["config.json", "deep/weights"]


def test_committing_a_folder_that_is_already_in_place_keeps_it(store: Store) -> None:
    first = put(store, ROWS, folders={"model": model_folder(store, b"weights")})
    again = put(store, ROWS.head(1), "f2", folders={"model": first.folder("model")})
    assert (again.folder("model") / "deep" / "weights").read_bytes() == b"weights"


def test_a_commit_leaves_only_the_manifest_and_what_it_names(store: Store) -> None:
    put(store, ROWS, folders={"model": model_folder(store, b"old")})
    ShardLog(store.unfinished("raw_corpus", "sw") / "shards").put("batch", ROWS)
    partition = put(store, ROWS.head(1))
    assert names(partition.path) == {"manifest.json", partition.table_path("documents").name}


def test_leftovers_of_a_killed_run_are_invisible_and_go_with_the_next_commit(store: Store) -> None:
    partition = put(store, ROWS)
    (partition.path / ".documents.parquet.123.tmp").write_bytes(b"PAR1 half")
    (partition.path / ".manifest.json.123.tmp").write_text('{"asset": ', "utf-8")
    (partition.path / "documents.parquet").write_bytes(b"")
    (partition.path / "documents-0123.parquet").write_bytes(b"never named")
    found = store.get("raw_corpus", "sw")
    assert found is not None
    assert_frame_equal(found.read("documents"), ROWS)
    put(store, ROWS, "f2")
    assert names(partition.path) == {"manifest.json", partition.table_path("documents").name}


@pytest.mark.parametrize(
    "key", ["x/../../../../../escaped", "../sw", "..", "", "/tmp/sw", "SW", "sw ", "s" * 300, "sw\x00"]
)
def test_what_is_no_language_key_is_no_path(store: Store, key: str) -> None:
    assert not store.holds(key)
    for ask in (store.path, store.get, store.unfinished, lambda *asked: store.commit(*asked, "f", {}, StageOutput())):
        with pytest.raises(InputError, match=r"^nothing is stored of .*: it is no language key$"):
            ask("raw_corpus", key)
    assert not store.root.exists()


@pytest.mark.parametrize("name", ["/etc/hostname", "../../../raw_corpus/language=fi/documents.parquet", "a/../../b"])
def test_a_manifest_that_names_a_file_of_elsewhere_is_none(store: Store, name: str) -> None:
    path = put(store, ROWS, folders={"model": model_folder(store, b"weights")}).path / "manifest.json"
    for place in (("tables", "documents", "file"), ("folders", "model", "folder"), ("folders", "model", "files")):
        manifest = json.loads(path.read_text("utf-8"))
        manifest[place[0]][place[1]][place[2]] = [name] if place[2] == "files" else name
        (path.parent / "wrong").write_text(json.dumps(manifest), "utf-8")
        with pytest.raises(InputError, match=rf"{re.escape('.'.join(place))}.*is not in the partition's folder"):
            read_manifest(path.parent / "wrong")


def test_tables_without_a_manifest_are_no_partition(store: Store) -> None:
    partition = put(store, ROWS)
    (partition.path / "manifest.json").unlink()
    assert store.get("raw_corpus", "sw") is None
    assert store.languages("raw_corpus") == ["sw"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"\x00\x00", b"null", b"[]", b"3", b"{}", b'{"asset": "raw_corpus"}']
)
def test_a_corrupt_manifest_says_what_to_delete(store: Store, content: bytes) -> None:
    path = put(store, ROWS).path
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest.*: delete .*language=sw and build again"):
        store.get("raw_corpus", "sw")


def test_figures_that_are_not_json_leave_the_old_partition(store: Store) -> None:
    put(store, ROWS)
    with pytest.raises(PydanticSerializationError):
        put(store, ROWS.head(1), "f2", figures=Noted(anything=object()))
    found = store.get("raw_corpus", "sw")
    assert found is not None
    assert found.fingerprint == "f1"
    assert_frame_equal(found.read("documents"), ROWS)


def test_languages_are_those_with_a_partition_finished_or_not_in_order(store: Store) -> None:
    for language in ("vi", "sw", "zh-hant", "all"):
        store.commit("raw_corpus", language, f"f-{language}", {}, StageOutput())
    store.unfinished("raw_corpus", "th")
    store.commit("tuned_model", "ur", "f", {}, StageOutput())
    assert store.languages("raw_corpus") == ["all", "sw", "th", "vi", "zh-hant"]
    assert store.languages("nothing") == []


def test_a_partition_is_whole_while_every_file_that_its_manifest_names_is_there(store: Store) -> None:
    partition = put(store, ROWS, folders={"model": model_folder(store, b"weights")})
    assert partition.is_whole
    weights, table = partition.folder("model") / "deep" / "weights", partition.table_path("documents")
    weights.unlink()
    assert not partition.is_whole
    weights.write_bytes(b"weights")
    table.write_bytes(table.read_bytes()[:-1])
    assert not partition.is_whole
    with pytest.raises(InputError, match=r"^files of raw_corpus are gone or cut off in .*`xinstr build sw --from raw_"):
        partition.require_whole()


def test_figures_of_another_release_are_one_line_that_names_the_asset_and_no_class(store: Store) -> None:
    class Later(Noted):
        more: int = figure("more", "what this release tells")

    partition = put(store, ROWS, figures=Noted(kept=3))
    assert partition.holds(Contract("raw_corpus", "Made up.", Noted))
    assert not partition.holds(Contract("raw_corpus", "Made up.", Later))
    said = (
        "figures of raw_corpus are stored otherwise than this release declares them (more: Field required): "
        "`xinstr build sw --from raw_corpus` makes it anew"
    )
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        partition.read_figures(Later)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("tables", "documents"), {}),
        (("tables", "documents", "rows"), "many"),
        (("folders",), []),
        (("figures",), None),
        (("built", "changed"), None),
        (("built", "time"), "yesterday"),
        (("cost",), 3),
    ],
)
def test_a_manifest_that_holds_something_else_says_where(store: Store, place: tuple[str, ...], value: Any) -> None:
    path = put(store, ROWS, built={"time": "2026-01-01T00:00:00+00:00", "changed": {}}).path / "manifest.json"
    manifest = inside = json.loads(path.read_text("utf-8"))
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = value
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(InputError, match=rf"manifest\.json is not a manifest \({re.escape('.'.join(place))}"):
        store.get("raw_corpus", "sw")


KILLED_COMMIT = """
import os, sys
from pathlib import Path
import polars as pl
from xinstr_core.store import StageOutput, Store

root, call, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
done, real = 0, getattr(os, call)

def die_at_the_call(*arguments, **named):
    global done
    done += 1
    if done == number:
        os._exit(9)
    return real(*arguments, **named)

store = Store(root)
model = store.unfinished("raw_corpus", "sw") / "model"
model.mkdir(exist_ok=True)
(model / "weights").write_bytes(b"new")
many = store.unfinished("raw_corpus", "sw") / "many.parquet"
pl.DataFrame({"n": [3]}).write_parquet(many)
setattr(os, call, die_at_the_call)
store.commit("raw_corpus", "sw", "f2", {}, StageOutput({"documents": pl.DataFrame({"n": [2]}), "many": many}, {"model": model}))
"""


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_commit_killed_at_any_write_leaves_the_old_partition_whole(store: Store, call: str) -> None:
    """The process dies at the first, second, ... flush or rename, until a commit comes through."""
    old = pl.DataFrame({"n": [1]})
    kills = 0
    for number in range(1, 20):
        put(store, old)
        command = [sys.executable, "-c", KILLED_COMMIT, str(store.root), call, str(number)]
        status = subprocess.run(command, check=False).returncode
        found = store.get("raw_corpus", "sw")
        assert found is not None
        if status == 0:
            break
        assert status == 9
        kills += 1
        assert found.fingerprint == "f1"
        assert_frame_equal(found.read("documents"), old)
    assert kills >= 2
    assert found.fingerprint == "f2"
    assert found.read("documents").rows() == [(2,)]
    assert found.read("many").rows() == [(3,)]
    assert (found.folder("model") / "weights").read_bytes() == b"new"
    tables = {found.table_path(name).name for name in ("documents", "many")}
    assert names(found.path) == {"manifest.json", *tables, found.folder("model").name}


def test_a_table_written_in_pieces_is_the_pieces_in_their_order(tmp_path: Path) -> None:
    path = written(tmp_path / "table.parquet", ROWS, ROWS.clear(), ROWS.reverse())
    assert_frame_equal(pl.read_parquet(path), pl.concat([ROWS, ROWS.reverse()]))


def test_the_same_pieces_give_the_same_bytes_and_empty_ones_between_them_count_for_nothing(tmp_path: Path) -> None:
    first = written(tmp_path / "1", ROWS, ROWS.head(1)).read_bytes()
    again = written(tmp_path / "2", ROWS.clear(), ROWS, ROWS.clear(), ROWS.head(1)).read_bytes()
    other = written(tmp_path / "3", ROWS.head(1), ROWS).read_bytes()
    assert first == again != other


def test_a_table_without_any_piece_keeps_its_columns(tmp_path: Path) -> None:
    assert_frame_equal(pl.read_parquet(written(tmp_path / "table.parquet")), ROWS.clear())


def test_a_piece_is_written_in_the_order_of_the_columns_of_the_schema(tmp_path: Path) -> None:
    path = written(tmp_path / "table.parquet", ROWS.select("n", "text", "doc_id"))
    assert_frame_equal(pl.read_parquet(path), ROWS)


@pytest.mark.parametrize("piece", [ROWS.drop("n"), ROWS.with_columns(pl.col("n").cast(pl.String))])
def test_a_piece_that_is_not_of_the_schema_is_an_error(tmp_path: Path, piece: pl.DataFrame) -> None:
    with pytest.raises((pl.exceptions.ColumnNotFoundError, pl.exceptions.SchemaError)):
        written(tmp_path / "table.parquet", piece)


def test_a_written_table_is_moved_into_the_partition_with_its_bytes(store: Store) -> None:
    path = written(store.unfinished("raw_corpus", "sw") / "rows.parquet", ROWS, ROWS)
    content, digest = path.read_bytes(), file_hash(path)
    partition = store.commit("raw_corpus", "sw", "f1", {}, StageOutput({"documents": path, "few": ROWS.head(1)}))
    assert not path.exists()
    assert partition.table_path("documents").read_bytes() == content
    assert partition.tables["documents"] == {
        "file": f"documents-{digest}.parquet",
        "rows": 4,
        "bytes": len(content),
        "hash": digest,
        "schema": {"doc_id": "String", "text": "String", "n": "Int64"},
    }
    assert_frame_equal(partition.read("few"), ROWS.head(1))
    assert names(partition.path) == {"manifest.json", *(table["file"] for table in partition.tables.values())}


def test_the_version_follows_the_content_of_a_written_table(store: Store, tmp_path: Path) -> None:
    def version(*pieces: pl.DataFrame) -> str:
        path = written(tmp_path / "rows.parquet", *pieces)
        return store.commit("raw_corpus", "sw", "f1", {}, StageOutput({"documents": path})).version

    first, again, changed = version(ROWS), version(ROWS), version(ROWS.reverse())
    assert first == again != changed


def test_a_table_that_was_written_and_never_committed_leaves_the_old_partition(store: Store) -> None:
    partition = put(store, ROWS)
    written(store.unfinished("raw_corpus", "sw") / "documents.parquet", ROWS.head(1))
    with pytest.raises(FileNotFoundError):
        store.commit("raw_corpus", "sw", "f2", {}, StageOutput({"documents": partition.path / "never written"}))
    found = store.get("raw_corpus", "sw")
    assert found is not None
    assert found.fingerprint == "f1"
    assert_frame_equal(found.read("documents"), ROWS)


def test_a_shard_comes_back_and_an_unknown_key_is_none(tmp_path: Path) -> None:
    log = ShardLog(tmp_path / "shards")
    log.put("batch-1", ROWS)
    found = ShardLog(tmp_path / "shards").get("batch-1")
    assert found is not None
    assert_frame_equal(found, ROWS)
    assert log.get("batch-2") is None


def test_a_half_written_shard_counts_as_not_done(tmp_path: Path) -> None:
    log = ShardLog(tmp_path / "shards")
    (log.folder / ".batch.parquet.123.tmp").write_bytes(b"PAR1 half")
    assert log.get("batch") is None
    log.keep_only({"batch"})
    assert log.get("batch") is None


def test_shards_of_other_inputs_are_forgotten(tmp_path: Path) -> None:
    log = ShardLog(tmp_path / "shards")
    for key in ("a", "b", "c"):
        log.put(key, ROWS)
    log.keep_only({"b", "d"})
    assert [log.get(key) is not None for key in ("a", "b", "c")] == [False, True, False]


def test_unfinished_work_outlives_a_second_look(store: Store) -> None:
    (store.unfinished("tuned_model", "sw") / "checkpoint").write_bytes(b"1")
    assert (store.unfinished("tuned_model", "sw") / "checkpoint").read_bytes() == b"1"


def test_text_is_written_as_utf8_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    write_text(path, "old")
    write_text(path, "ป่า\r\nnew\n")
    assert path.read_bytes() == "ป่า\r\nnew\n".encode()
    assert names(tmp_path) == {"page.md"}


def test_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text("utf-8") == "old"


def test_the_manifest_is_readable_json_with_its_letters(store: Store) -> None:
    text = (put(store, ROWS, figures=Noted(note="ไทย")).path / "manifest.json").read_text("utf-8")
    assert '"note": "ไทย"' in text
    assert json.loads(text)["language"] == "sw"
