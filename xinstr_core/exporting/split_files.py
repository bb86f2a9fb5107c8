"""One split of one format as Parquet and as JSON lines: the same rows in the same order, the same bytes for the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.exporting.formats import in_table
from xinstr_core.schemas.declaration import Table


@dataclass(frozen=True)
class WrittenSplit:
    """What the header of a card says of it. `path` is seen from the export's folder; sizes are in bytes."""

    split: str
    path: str
    rows: int
    size_in_memory: int
    size_on_disk: int


class SplitFiles:
    """`<folder>/<split>.parquet` and `.jsonl` of a table, written batch by batch; a batch is a row group.

    Text stands in both as it is: what JSON need not escape is not escaped.
    """

    def __init__(self, folder: Path, split: str, table: Table) -> None:
        import pyarrow.parquet

        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{split}.parquet"
        self.rows = self.size = 0
        self._split, self._table = split, table
        self._schema = arrow_schema(table)
        self._lines = self.path.with_suffix(".jsonl").open("wb")
        self._writer = pyarrow.parquet.ParquetWriter(self.path, self._schema, compression="zstd")

    def write(self, rows: pl.DataFrame) -> None:
        """Append rows that have the columns of the table, and maybe others."""
        if rows.is_empty():
            return
        given = in_table(rows, self._table)
        found = given.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema).combine_chunks()
        self._writer.write_table(found, row_group_size=len(found))
        given.write_ndjson(self._lines)
        self.rows += len(found)
        self.size += found.nbytes

    def written(self, root: Path) -> WrittenSplit:
        """What was written, once the files are closed."""
        return WrittenSplit(
            self._split, self.path.relative_to(root).as_posix(), self.rows, self.size, self.path.stat().st_size
        )

    def close(self) -> None:
        self._lines.close()
        self._writer.close()


def arrow_schema(table: Table) -> Any:
    """The columns of a table as Arrow has them, with the plain types that every reader knows."""
    import pyarrow

    return pyarrow.schema([(column.name, _arrow(column.dtype)) for column in table.columns])


def features(table: Table) -> list[dict[str, Any]]:
    """The columns of a table as a dataset card's `dataset_info` has them."""
    return [{"name": column.name, **_feature(column.dtype)} for column in table.columns]


def _arrow(dtype: Any) -> Any:
    import pyarrow

    if isinstance(dtype, pl.List):
        return pyarrow.list_(_arrow(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return pyarrow.struct([(field.name, _arrow(field.dtype)) for field in dtype.fields])
    return pyarrow.type_for_alias(_PLAIN[dtype])


def _feature(dtype: Any) -> dict[str, Any]:
    if isinstance(dtype, pl.List):
        return {"list": _fields(dtype.inner) if isinstance(dtype.inner, pl.Struct) else _PLAIN[dtype.inner]}
    return {"dtype": _PLAIN[dtype]}


def _fields(dtype: pl.Struct) -> list[dict[str, Any]]:
    return [{"name": field.name, **_feature(field.dtype)} for field in dtype.fields]


# As Arrow and `datasets` both name them.
_PLAIN: dict[Any, str] = {
    pl.String: "string",
    pl.Float64: "float64",
    pl.Int64: "int64",
    pl.Int32: "int32",
    pl.Boolean: "bool",
}
