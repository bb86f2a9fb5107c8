"""Tables that are given in pieces."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.files import SortedTable, read_parquet
from xinstr_core.identity import content_key

SCHEMA = pl.Schema({"key": pl.String, "text": pl.String, "words": pl.List(pl.String), "share": pl.Float64})
ROWS = pl.DataFrame(
    [(content_key(str(n)), f"ป่าไม้ {n}" * (n % 5), ["neno"] * (n % 3), n / 7 if n % 4 else None) for n in range(500)],
    schema=SCHEMA,
    orient="row",
)


def sorted_table(folder: Path, pieces: list[pl.DataFrame]) -> pl.DataFrame | Path:
    table = SortedTable(folder / "parts", SCHEMA, "key")
    for piece in pieces:
        table.add(piece)
    return table.finish(folder / "table.parquet")


@pytest.mark.parametrize("size", [1, 7, 100, 499])
def test_a_table_of_several_pieces_is_a_file_sorted_by_its_key(tmp_path: Path, size: int) -> None:
    rows = ROWS[:40] if size == 1 else ROWS
    pieces = [rows[start : start + size] for start in range(0, rows.height, size)]
    random.Random(size).shuffle(pieces)
    found = sorted_table(tmp_path, pieces)
    assert isinstance(found, Path)
    assert read_parquet(found).equals(rows.sort("key"))
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_a_table_of_one_piece_stays_in_memory(tmp_path: Path) -> None:
    found = sorted_table(tmp_path, [SCHEMA.to_frame(), ROWS, SCHEMA.to_frame()])
    assert isinstance(found, pl.DataFrame)
    assert found.equals(ROWS.sort("key"))
    assert sorted_table(tmp_path, []).equals(SCHEMA.to_frame())  # type: ignore[union-attr]
    assert not [*tmp_path.iterdir()]


def test_of_rows_with_one_key_the_first_stays(tmp_path: Path) -> None:
    again = ROWS.with_columns(pl.lit("again").alias("text"))
    found = sorted_table(tmp_path, [ROWS[:10], again[5:20], again[:3]])
    assert isinstance(found, Path)
    assert read_parquet(found).equals(pl.concat([ROWS[:10], again[10:20]]).sort("key"))
    assert sorted_table(
        tmp_path, [pl.concat([ROWS[:10], again[:20]])]
    ).equals(  # type: ignore[union-attr]
        pl.concat([ROWS[:10], again[10:20]]).sort("key")
    )


def test_keys_of_any_text_are_in_the_order_of_their_letters(tmp_path: Path) -> None:
    keys = ["", "a", "b/../c", "key-2", "key-10", "ป่า", "\U0001f600", "￿", "Z"]
    pieces = [ROWS[n].with_columns(pl.lit(key).alias("key")) for n, key in enumerate(keys)]
    found = sorted_table(tmp_path, pieces)
    assert isinstance(found, Path)
    assert read_parquet(found)["key"].to_list() == pl.Series(keys).sort().to_list()


def test_parts_that_a_killed_run_left_are_not_in_it(tmp_path: Path) -> None:
    killed = SortedTable(tmp_path / "parts", SCHEMA, "key")
    killed.add(ROWS[:5])
    killed.add(ROWS[5:10])
    found = sorted_table(tmp_path, [ROWS[20:22], ROWS[22:24]])
    assert isinstance(found, Path)
    assert read_parquet(found).equals(ROWS[20:24].sort("key"))
