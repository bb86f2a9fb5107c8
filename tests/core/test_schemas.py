from __future__ import annotations

import polars as pl
import pytest

from xinstr_core.schemas.declaration import frame

SCHEMA = pl.Schema({"key": pl.String, "count": pl.Int64, "share": pl.Float64})


def test_no_rows_still_give_every_column_with_its_type() -> None:
    empty = frame([], SCHEMA)
    assert empty.height == 0
    assert empty.schema == SCHEMA


def test_rows_come_out_in_the_order_and_with_the_types_of_the_schema() -> None:
    made = frame([{"share": 1, "key": "ป่า", "count": 2}, {"key": "b", "count": None, "share": 0.5}], SCHEMA)
    assert made.schema == SCHEMA
    assert made.rows() == [("ป่า", 2, 1.0), ("b", None, 0.5)]


@pytest.mark.parametrize(
    "row", [{"key": "b", "count": 1}, {"key": "b", "count": 1, "share": 0.1, "extra": 1}], ids=["missing", "extra"]
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_missing_or_extra_column_is_an_error_in_every_row(row: dict[str, object], position: int) -> None:
    rows: list[dict[str, object]] = [{"key": "a", "count": 1, "share": 0.1}]
    rows.insert(position, row)
    with pytest.raises(ValueError, match="share" if len(row) == 2 else "extra"):
        frame(rows, SCHEMA)


def test_a_value_of_the_wrong_type_is_an_error() -> None:
    with pytest.raises((TypeError, pl.exceptions.PolarsError)):
        frame([{"key": "a", "count": "many", "share": 0.1}], SCHEMA)
