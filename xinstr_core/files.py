"""Files that are whole or not there: text and Parquet tables, tables in pieces, and shards for resume.

Every write goes to a temporary name in the same folder, is flushed to disk and renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl


class ShardLog:
    """Finished work of a stage that is not done yet: one Parquet file a batch, named by the batch's key.

    A shard is written whole or not at all, so a restart skips exactly the finished batches.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.parquet"

    def has(self, key: str) -> bool:
        return self.path(key).exists()

    def get(self, key: str) -> pl.DataFrame | None:
        return read_parquet(self.path(key)) if self.has(key) else None

    def put(self, key: str, rows: pl.DataFrame) -> None:
        write_parquet(self.path(key), rows)

    def keep_only(self, keys: set[str]) -> None:
        """Forget shards of other inputs: the log never grows beyond one run of the stage."""
        for path in self.folder.glob("*.parquet"):
            if path.stem not in keys:
                path.unlink()


class TableWriter:
    """A table that is written piece by piece, in the order of the pieces; the same pieces give the same bytes."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        import pyarrow.parquet

        self._schema = schema
        arrow = schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._writer = pyarrow.parquet.ParquetWriter(path, arrow, compression="zstd")

    def write(self, rows: pl.DataFrame) -> None:
        """Append rows that have exactly the columns of the schema."""
        if rows.height:
            ordered = rows.select(self._schema.names()).match_to_schema(self._schema)
            self._writer.write_table(ordered.to_arrow(compat_level=pl.CompatLevel.oldest()))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()


def write_text(path: Path, text: str) -> None:
    """Write a whole text file atomically."""
    with _replaced(path) as temporary:
        temporary.write_text(text, "utf-8")


def scan_parquet(path: Path) -> pl.LazyFrame:
    """A table of that very name: polars by itself takes a name with brackets, * or ? for a pattern."""
    return pl.scan_parquet(path, glob=False)


def read_parquet(path: Path, *columns: str) -> pl.DataFrame:
    """A table of that very name, or some columns of it."""
    return pl.read_parquet(path, columns=list(columns) or None, glob=False)


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a whole table atomically."""
    with _replaced(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of another when it is whole; where it fails it leaves nothing behind."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the disk holds a file."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
