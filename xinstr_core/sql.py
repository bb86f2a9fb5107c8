"""Questions to the catalogue in SQL, as people ask them: what there is to read, and queries that can do nothing but read."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, TypeVar

from xinstr_core.catalogue import CATALOGUE, VIEWS, open_catalogue, quoted, types_of
from xinstr_core.disk import full_disk_told
from xinstr_core.errors import InputError
from xinstr_core.files import replaced
from xinstr_core.schemas.declaration import Table
from xinstr_core.store import Store
from xinstr_core.text import printable

Answer = TypeVar("Answer")
LOOK = 0.1  # seconds: a signal may not end a wait, and a query that had not begun does not know that it was told to end

# What DuckDB writes, by the name of the format.
FORMATS = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY true",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
_EXPLAIN = re.compile(r"EXPLAIN\s+(ANALYZE\s+)?(?!ANALYZE\b)(?=[\w(/-])", re.IGNORECASE)
_TEMPORARY = re.compile(r"CREATE\s+(OR\s+REPLACE\s+)?TEMP(ORARY)?\s+(TABLE|VIEW|MACRO|FUNCTION)\s", re.IGNORECASE)
# A view that reads a Python variable, a secret in somebody's home or an extension from the network is no catalogue's;
# relative names of files are those of the home folder.
_SETTINGS = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "allow_persistent_secrets": "false",
    "TimeZone": "'UTC'",
}


class QueryError(InputError):
    """A query that DuckDB does not take; `place` are its lines that point at where, empty where it knows none."""

    def __init__(self, message: str, place: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Shape:
    """How large a table is printed."""

    width: int
    rows: int


class Reader:
    """An open catalogue. It goes on reading what it was opened on, whatever is built meanwhile."""

    def __init__(self, connection: Any, path: Path) -> None:
        self._connection, self._path = connection, path
        self._opened = path.stat().st_ino

    @property
    def is_old(self) -> bool:
        """Whether a build has written another catalogue since."""
        return not self._path.exists() or self._path.stat().st_ino != self._opened

    def statements(self, text: str) -> list[str]:
        """The statements of a text, each of which reads. QueryError where one cannot be read, or would write."""
        with _told():
            found = [(str(one.query).strip(), one.type) for one in self._connection.extract_statements(text)]
        for statement, kind in found:
            if (
                not _TEMPORARY.match(statement)
                and not self._is_query(statement, kind)
                and not self._explains(statement)
            ):
                raise QueryError(
                    f"only queries are taken here, and CREATE TEMP TABLE, VIEW or MACRO: {' '.join(statement.split())[:60]}"
                )
        return [statement for statement, _ in found]

    def shown(self, statement: str, shape: Shape) -> str:
        """What a statement gives, as a table for people. QueryError where DuckDB does not take it."""

        def draw() -> str:
            drawn = StringIO()
            with self._pointing(statement), redirect_stdout(drawn):
                result = self._connection.sql(statement)
                if result is None or _TEMPORARY.match(statement):
                    return "done"
                result.show(max_width=shape.width, max_rows=shape.rows)
            return "\n".join(printable(line) for line in drawn.getvalue().rstrip().splitlines())

        return self._interruptible(draw)

    def has_rows(self, statement: str) -> bool:
        """Whether a statement can be written as rows; what only keeps a step or explains a query is shown."""
        return not (_TEMPORARY.match(statement) or _EXPLAIN.match(statement))

    def write(self, query: str, path: Path, kind: str, overwrite: bool = False) -> None:
        """What a query gives, as a file of one of FORMATS, whole or not at all. QueryError where DuckDB does not take it.

        InputError where a file is there already and is not to be overwritten.
        """
        if path.resolve().is_relative_to(self._path.parent.resolve()):
            raise InputError(f"{path} is among what was built, where nothing but a build writes: give another place")
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already: give another place, or --overwrite")
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}")

        def copy(to: Path) -> None:
            with self._pointing(query):
                self._connection.execute(f"COPY ({query.rstrip(';')}\n) TO {quoted(str(to))} ({FORMATS[kind]})")

        with full_disk_told(path.parent), replaced(path) as new:
            self._interruptible(lambda: copy(new))

    def _interruptible(self, ask: Callable[[], Answer]) -> Answer:
        """What is asked, in a thread. KeyboardInterrupt, once the query has ended, where the person interrupts it.

        DuckDB itself looks at signals while the calling thread works and not while it waits for its other threads.
        """
        interrupted = Event()
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, lambda *_: interrupted.set())
        try:
            with ThreadPoolExecutor(1) as thread:
                asked = thread.submit(ask)
                while not asked.done():
                    wait([asked], LOOK)
                    if interrupted.is_set():
                        self._connection.interrupt()
        finally:
            signal.signal(signal.SIGINT, before)
        if interrupted.is_set():
            raise KeyboardInterrupt
        return asked.result()

    @contextmanager
    def _pointing(self, statement: str) -> Iterator[None]:
        """As `_told`, where a statement is put into another one or asked by parts: DuckDB points at what it executes alone."""
        import duckdb

        with _told():
            try:
                yield
            except duckdb.Error as error:
                if not isinstance(error, (duckdb.InterruptException, duckdb.IOException)):  # which say no place
                    self._connection.execute(statement)
                raise

    def _explains(self, statement: str) -> bool:
        """Whether it explains what can do nothing but read: with ANALYZE DuckDB does what it explains."""
        import duckdb

        explained = _EXPLAIN.match(statement)
        if not explained:
            return False
        try:
            found = self._connection.extract_statements(statement[explained.end() :])
        except duckdb.Error:
            return False
        return len(found) == 1 and self._is_query(str(found[0].query).strip(), found[0].type)

    def _is_query(self, statement: str, kind: Any) -> bool:
        """Whether it can do nothing but read. By its kind alone a COPY of a PIVOT is no other than a PIVOT; in brackets it is."""
        import duckdb

        if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):
            return False
        try:
            self._connection.extract_statements(f"FROM ({statement.rstrip(';')}\n)")
        except duckdb.Error:
            return False
        return True


@contextmanager
def reader(store: Store, home: Path) -> Iterator[Reader]:
    """The catalogue for people. InputError where nothing is built. Files are named as seen from the home folder."""
    with open_catalogue(store) as connection, TemporaryDirectory() as scratch:
        folders = {"file_search_path": quoted(str(home)), "temp_directory": quoted(scratch)}
        for name, value in {**_SETTINGS, **folders}.items():
            connection.execute(f"SET {name} = {value}")
        connection.execute("SET lock_configuration = true")
        yield Reader(connection, store.root / CATALOGUE)


@dataclass(frozen=True)
class Explained:
    """A column of a view as people read it; `type` is DuckDB's."""

    name: str
    type: str
    unit: str
    meaning: str


def explain(view: str) -> tuple[Table, list[Explained]]:
    """What is declared of a view and of each of its columns. InputError that names the views where it is none of them."""
    import duckdb

    found = {table.view: table for table in VIEWS}
    if view not in found:
        raise InputError(f"no view {view!r}: there are {', '.join(sorted(found))}")
    table = found[view]
    with duckdb.connect() as connection:
        types = types_of(table, connection)
    return table, [Explained(c.name, types[c.name], c.unit, c.meaning) for c in table.columns]


@contextmanager
def _told() -> Iterator[None]:
    """What DuckDB says of a query, as a QueryError: a line that says what is wrong, and the two that point at it."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        at = next((number for number, line in enumerate(lines) if line.startswith("LINE ")), len(lines))
        raise QueryError(" ".join(lines[:at]), tuple(map(printable, lines[at : at + 2]))) from None
