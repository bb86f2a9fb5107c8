"""What passes between assets is a handle of a finished partition, and only of what is in the store."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from xinstr_core.errors import SettingsError, StageError
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.store import MANIFEST, Partition, StageOutput, Store
from xinstr_dagster.io_manager import PartitionIOManager
from xinstr_dagster.resources import XinstrResource

ROWS = pl.DataFrame({"doc_id": ["a", "b"], "text": ["moja", "mbili"]})


@pytest.fixture
def manager(home: Path) -> PartitionIOManager:
    return PartitionIOManager(xinstr=XinstrResource())


def _committed(home: Path, rows: pl.DataFrame = ROWS) -> Partition:
    rejected = pl.DataFrame(schema={"reason": pl.String})
    output = StageOutput(tables={"documents": rows, "rejected": rejected})
    return Store(home / "data").commit("raw_corpus", "sw", "fingerprint", {}, output)


def _output() -> dg.OutputContext:
    return dg.build_output_context(asset_key=dg.AssetKey("raw_corpus"), partition_key="sw")


def _input(key: str = "sw") -> dg.InputContext:
    return dg.build_input_context(asset_key=dg.AssetKey("raw_corpus"), partition_key=key)


def test_what_was_handed_over_is_read_back(home: Path, manager: PartitionIOManager) -> None:
    partition = _committed(home)
    manager.handle_output(_output(), partition)
    loaded = manager.load_input(_input())
    assert loaded == partition
    assert loaded.read("documents").equals(ROWS)


def test_the_ui_gets_folder_rows_and_schema_of_the_main_table(home: Path, manager: PartitionIOManager) -> None:
    context = _output()
    manager.handle_output(context, _committed(home))
    metadata = context.consume_logged_metadata()
    columns = {"dagster/column_schema", "columns of rejected"}
    assert {name: value.value for name, value in metadata.items() if name not in columns} == {
        "folder": str(home / "data" / "raw_corpus" / "language=sw"),
        "rows of documents": 2,
        "rows of rejected": 0,
        "dagster/partition_row_count": 2,
    }
    schema = metadata["dagster/column_schema"].value
    assert [(column.name, column.type) for column in schema.columns] == [("doc_id", "String"), ("text", "String")]
    declared = {column.name: column for column in DOCUMENTS.columns}
    assert [column.description for column in schema.columns] == [declared[name].meaning for name in ("doc_id", "text")]
    assert not any(column.constraints.nullable for column in schema.columns)
    assert [column.name for column in metadata["columns of rejected"].value.columns] == ["reason"]


def test_a_partition_that_is_not_in_the_store_is_refused(home: Path, manager: PartitionIOManager) -> None:
    partition = _committed(home)
    (partition.path / MANIFEST).unlink()
    with pytest.raises(StageError, match="raw_corpus of sw is not in the store as reported: build it again"):
        manager.handle_output(_output(), partition)


def test_a_partition_with_other_content_than_the_store_is_refused(home: Path, manager: PartitionIOManager) -> None:
    partition = _committed(home)
    _committed(home, ROWS.head(1))
    with pytest.raises(StageError, match="raw_corpus of sw is not in the store as reported"):
        manager.handle_output(_output(), partition)


def test_an_input_that_was_never_built_is_refused(manager: PartitionIOManager) -> None:
    with pytest.raises(StageError, match="raw_corpus of sw was never built: materialise it first"):
        manager.load_input(_input())


@pytest.mark.parametrize(
    ("key", "said"), [("../../elsewhere", "'../../elsewhere' is no language key"), ("xx", "unknown language 'xx'")]
)
def test_an_input_of_what_is_no_registered_language_is_refused(
    manager: PartitionIOManager, key: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        manager.load_input(_input(key))


def test_files_without_a_manifest_are_not_an_input(home: Path, manager: PartitionIOManager) -> None:
    partition = _committed(home)
    (partition.path / MANIFEST).unlink()
    assert list(partition.path.glob("*.parquet"))
    with pytest.raises(StageError, match="was never built"):
        manager.load_input(_input())
