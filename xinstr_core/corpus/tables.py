"""Rows of Parquet files as Python values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

_ROWS = 1000


def table_rows(
    stream: BinaryIO, columns: Callable[[Sequence[str]], Sequence[str]]
) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    """Every row with the chosen ones of the columns, in order; of one that is not UTF-8 the error.

    Times are numbers, in whatever unit they are stored: Python has no value for many of them (nanoseconds, the year 0,
    zones of no database). Bytes are text where they are valid UTF-8: writers as Spark leave out what says so.
    ArrowException or OSError where the file is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(stream)
    for batch in file.iter_batches(_ROWS, columns=columns(file.schema_arrow.names)):
        without = pyarrow.schema([column.with_type(_without_times(column.type)) for column in batch.schema])
        plain = batch if without == batch.schema else batch.cast(without)
        for row in range(plain.num_rows):
            try:
                yield {name: _as_text(value) for name, value in plain.slice(row, 1).to_pylist()[0].items()}
            except UnicodeDecodeError as error:
                yield error


def _as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return value


def _without_times(kind: Any) -> Any:
    """A type with numbers in the place of times."""
    import pyarrow
    import pyarrow.types as types

    if types.is_temporal(kind):
        return pyarrow.int64() if kind.bit_width == 64 else pyarrow.int32()
    if types.is_dictionary(kind):
        return _without_times(kind.value_type) if types.is_temporal(kind.value_type) else kind
    if types.is_struct(kind):
        return pyarrow.struct([field.with_type(_without_times(field.type)) for field in kind])
    if types.is_map(kind):
        return pyarrow.map_(_without_times(kind.key_type), _without_times(kind.item_type))
    if types.is_list(kind):
        return pyarrow.list_(_without_times(kind.value_type))
    if types.is_large_list(kind):
        return pyarrow.large_list(_without_times(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pyarrow.list_(_without_times(kind.value_type), kind.list_size)
    return kind
