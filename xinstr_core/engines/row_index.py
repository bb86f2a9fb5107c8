"""Where finished rows are: which shard has a row, however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import polars as pl

from xinstr_core.files import ShardLog, read_parquet
from xinstr_core.schemas.shared import ROW_KEY

KEY = ROW_KEY.name


class RowIndex:
    """The shards of a log by the keys of their rows.

    SQLite holds it, in a temporary file that is gone with the process: a million keys take some 50 MB of disk and two of
    memory, where a set of them would take a hundred. Shards in another schema are of an older release and not in it:
    their rows are made anew.
    """

    def __init__(self, shards: ShardLog, schema: pl.Schema) -> None:
        self._shards, self._schema = shards, schema
        self._rows = sqlite3.connect("")
        self._rows.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, shard TEXT) WITHOUT ROWID")
        for path in sorted(shards.folder.glob("*.parquet")):
            if pl.read_parquet_schema(path) == schema:
                self.add(path.stem, read_parquet(path, KEY)[KEY])

    def add(self, shard: str, keys: Iterable[str]) -> None:
        """A shard with the rows of these keys. Of a key that is there already the first shard counts."""
        self._rows.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?)", ((key, shard) for key in keys))

    def read(self, keys: Iterable[str]) -> pl.DataFrame:
        """The finished rows of these keys, from as few shards as have them."""
        of_shard: dict[str, list[str]] = {}
        for key in keys:
            for (shard,) in self._rows.execute("SELECT shard FROM rows WHERE key = ?", (key,)):
                of_shard.setdefault(shard, []).append(key)
        found = [
            read_parquet(self._shards.path(shard)).filter(pl.col(KEY).is_in(asked)) for shard, asked in of_shard.items()
        ]
        return pl.concat([self._schema.to_frame(), *found])
