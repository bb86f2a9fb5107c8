"""The catalogue shows what is finished, also while other languages are being built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from xinstr_core.catalogue import CATALOGUE, build_catalogue
from xinstr_core.store import Partition, StageOutput, Store


class Replaced(Store):
    """A store in which another build replaces a partition just after it was looked at, so many times."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root)
        self.left = times

    def partitions(self, asset: str) -> Iterator[tuple[str, Partition]]:
        for language, partition in super().partitions(asset):
            if self.left:
                self.left -= 1
                commit(self, f"text {self.left}")
            yield language, partition


def commit(store: Store, text: str) -> None:
    documents = pl.DataFrame({"doc_id": ["d1"], "text": [text]})
    Store(store.root).commit("raw_corpus", "sw", "f", {}, StageOutput(tables={"documents": documents}))


def test_a_partition_that_is_replaced_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    store = Replaced(tmp_path, times=2)
    commit(store, "first")
    with duckdb.connect(str(build_catalogue(store)), read_only=True) as connection:
        assert connection.execute("SELECT text FROM raw_corpus").fetchall() == [("text 0",)]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_files_that_stay_away_are_an_error_and_the_old_catalogue_stays(tmp_path: Path) -> None:
    commit(Store(tmp_path), "first")
    before = build_catalogue(Store(tmp_path)).read_bytes()
    with pytest.raises(duckdb.IOException):
        build_catalogue(Replaced(tmp_path, times=100))
    assert (tmp_path / CATALOGUE).read_bytes() == before
