"""Files that are whole or not there: text and Parquet tables, tables in pieces, sorted or not, and shards for resume.

Every write goes to a temporary name in the same folder, is flushed to disk and renamed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from xinstr_core.errors import InputError


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


class SortedTable:
    """A table that is given in pieces, in any order, and comes out sorted by its key; of rows with one key the first stays.

    It holds one piece. Where there are more, rows lie in `folder` by the first two characters of their key, and one such
    part at a time is sorted: of keys that are hashes a 256th of the table.
    """

    def __init__(self, folder: Path, schema: pl.Schema, key: str) -> None:
        self._folder, self._schema, self._key = folder, schema, key
        self._held = schema.to_frame()
        self._parts: dict[str, Path] = {}
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed

    def add(self, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        if self._held.height:
            self._spread(self._held)
        self._held = rows

    def finish(self, path: Path) -> pl.DataFrame | Path:
        """The table: what it holds where that is all, else a file of that name."""
        if not self._parts:
            return self._sorted(self._held)
        self._spread(self._held)
        with TableWriter(path, self._schema) as table:
            for begins in sorted(self._parts):
                table.write(self._sorted(_read_stream(self._parts[begins])))
        shutil.rmtree(self._folder)
        return path

    def _spread(self, rows: pl.DataFrame) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        begins = pl.col(self._key).str.head(2)
        for (beginning,), part in rows.group_by(begins.alias("begins"), maintain_order=True):
            file = self._parts.setdefault(str(beginning), self._folder / f"{len(self._parts)}.arrows")
            with file.open("ab") as stream:
                part.write_ipc_stream(stream, compression="zstd", compat_level=pl.CompatLevel.oldest())

    def _sorted(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.unique(self._key, keep="first", maintain_order=True).sort(self._key)


def _read_stream(path: Path) -> pl.DataFrame:
    """Rows of a file of several Arrow streams, one behind the other."""
    import pyarrow

    with pyarrow.OSFile(str(path)) as stream:
        found = []
        while stream.tell() < stream.size():
            found.append(pl.from_arrow(pyarrow.ipc.open_stream(stream).read_all()))
    return pl.concat([rows for rows in found if isinstance(rows, pl.DataFrame)])


def write_text(path: Path, text: str) -> None:
    """Write a whole text file atomically."""
    with replaced(path) as temporary:
        temporary.write_text(text, "utf-8")


def scan_parquet(path: Path) -> pl.LazyFrame:
    """A table of that very name: polars by itself takes a name with brackets, * or ? for a pattern."""
    return pl.scan_parquet(path, glob=False)


def read_parquet(path: Path, *columns: str) -> pl.DataFrame:
    """A table of that very name, or some columns of it."""
    return pl.read_parquet(path, columns=list(columns) or None, glob=False)


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a whole table atomically."""
    with replaced(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


@contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` that takes its name when all is written; what a killed run left of it is cleared.

    InputError where there is a file, or a folder that is not empty.
    """
    if file := next((one for one in (folder, *folder.parents) if one.exists() and not one.is_dir()), None):
        raise InputError(f"{file} is a file: give the name of a new folder")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and is not empty: give the name of a new folder")
    unfinished = folder.with_name(f".{folder.name}.xinstr-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
    except OSError as error:  # said of the folder that was asked for: nobody knows the other
        raise OSError(error.errno, error.strerror, str(folder)) from error
    try:
        yield unfinished
        for path in unfinished.rglob("*"):
            if path.is_file():
                sync(path)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
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
