"""The DuckDB catalogue: views over the Parquet files that manifests name, and the lineage of every pair.

Its views are those that `schemas/` declares, whatever is stored: a column that an older release did not store is null, and
what is damaged is left out and said, so that no language hides another.

A catalogue reads links of its own to those files (generations.py), so readers see the old one or the new one whole, also
while partitions are replaced. It finds them beside itself, wherever its folder was moved or copied to.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.generations import begin, link, switch
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import LINEAGE, TUNED_MODELS
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.shared import LANGUAGE
from xinstr_core.schemas.tuned_model import TUNED_MODEL, TunedFrom
from xinstr_core.store import HISTORY as HISTORY_FILE
from xinstr_core.store import Partition, Store
from xinstr_core.views import MADE_OF_VIEWS

CATALOGUE = "catalog.duckdb"

# DuckDB looks for relative files in the working directory, and tells a view nothing of where its catalogue is but this:
# the folder for temporary files has by default the path that was opened, with ".tmp" at its end or before a question mark.
_OPENED = r"regexp_replace(current_setting('temp_directory'), '(?s)^([^?]*)\.tmp(\?.*)?$', '\1\2')"
_MACROS = (
    f"""
CREATE MACRO data_folder() AS coalesce(getvariable('data_folder'), CASE WHEN suffix({_OPENED}, '/{CATALOGUE}')
    THEN left({_OPENED}, {-len("/" + CATALOGUE)})
    ELSE error('the catalogue cannot tell where it is: open {CATALOGUE} itself, or SET VARIABLE data_folder = its folder')
END)""",
    # read_parquet takes names for patterns
    r"CREATE MACRO data_file(name) AS regexp_replace(data_folder() || '/' || name, '([*?\[])', '[\1]', 'g')",
)

# The stored tables that have a view. Each view says the language, also where a table leaves that to its partition.
_STORED = tuple(
    table if LANGUAGE in table.columns else replace(table, columns=(LANGUAGE, *table.columns))
    for contract in CONTRACTS.values()
    for table in contract.tables
    if table.view
)
# Every table that the catalogue has a view of, the ones of the assets first.
VIEWS = (
    *_STORED,
    HISTORY,
    TUNED_MODELS,
    *(table for table, _ in MADE_OF_VIEWS),
)


@dataclass(frozen=True)
class Catalogue:
    """Where it is, and what is not in it because it cannot be read: a line each."""

    path: Path
    left_out: tuple[str, ...]


def build_catalogue(store: Store) -> Catalogue:
    """Write the catalogue of everything that is finished, and let readers have it. Views of assets nobody built are empty."""
    path = store.root / CATALOGUE
    store.root.mkdir(parents=True, exist_ok=True)
    with (store.root / ".catalogue.lock").open("w") as lock:
        # One writer at a time, from its look at the partitions on: else an older view could replace a newer one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        generation, before = begin(path), dict[str, str]()
        left_out = _write(generation, store)
        while left_out != before:
            # Another language's build may have replaced a partition between its manifest and its files: look again.
            generation, before = begin(path), left_out
            left_out = _write(generation, store)
        switch(path, generation)
    return Catalogue(path, tuple(f"{what} is not in the catalogue: {why}" for what, why in left_out.items()))


def can_be_read(store: Store) -> bool:
    """Whether there is a catalogue of this release whose files are where it says."""
    import duckdb

    if not (store.root / CATALOGUE).exists():
        return False
    try:
        with _opened(store) as connection:
            connection.execute(f"SELECT data_folder(), {_names(LINEAGE)} FROM {LINEAGE.view} LIMIT 0")
            columns = connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal")
            return {*columns.fetchall()} == {(table.view, column.name) for table in VIEWS for column in table.columns}
    except duckdb.Error:
        return False


@contextmanager
def open_catalogue(store: Store) -> Iterator[Any]:
    """A connection of DuckDB to the catalogue, which cannot write into it. InputError where there is none.

    One that cannot be read is made anew: it was damaged, copied without its files, or written by another release.
    """
    path = store.root / CATALOGUE
    if not path.exists():
        raise InputError(f"no catalogue at {path}: build a language first")
    if not can_be_read(store):
        build_catalogue(store)
    with _opened(store) as connection:
        yield connection


@contextmanager
def _opened(store: Store) -> Iterator[Any]:
    import duckdb

    with duckdb.connect(str(store.root / CATALOGUE), read_only=True) as connection:
        connection.execute(_set_data_folder(store))
        yield connection


def _set_data_folder(store: Store) -> str:
    return f"SET VARIABLE data_folder = {quoted(str(store.root.absolute()))}"


def _write(generation: Path, store: Store) -> dict[str, str]:
    """Write the catalogue and its links into the folder of a generation; gives what is left out, and why."""
    import duckdb

    # DuckDB cannot write where a folder has a question mark in its name.
    with TemporaryDirectory() as folder, duckdb.connect(f"{folder}/{CATALOGUE}") as connection:
        for macro in _MACROS:
            connection.execute(macro)
        connection.execute(_set_data_folder(store))
        views = _Views(connection, store.root, generation)
        found = {asset: views.partitions(store, asset) for asset in CONTRACTS}
        for table in _STORED:
            views.over_files(
                table,
                {
                    f"{table.name} of {table.asset} of {language}": (language, partition.table_path(table.name))
                    for language, partition in found[table.asset].items()
                    if table.name in partition.tables
                },
            )
        histories = {
            f"{HISTORY_FILE} of {asset} of {language}": (language, partition.path / HISTORY_FILE)
            for asset, partitions in found.items()
            for language, partition in partitions.items()
        }
        views.over_files(HISTORY, {what: one for what, one in histories.items() if one[1].exists()})
        views.over_models(found[TUNED_MODEL.asset])
        for table, query in MADE_OF_VIEWS:
            views.over_views(table, query)
        views.write()
        connection.close()
        copyfile(f"{folder}/{CATALOGUE}", generation / CATALOGUE)
    return views.left_out


class _Views:
    """The views of a catalogue that is being written, and why what is not in them was left out."""

    def __init__(self, connection: Any, root: Path, generation: Path) -> None:
        self._connection, self._root, self._generation = connection, root, generation
        self._statements: list[str] = []
        self.left_out: dict[str, str] = {}

    def partitions(self, store: Store, asset: str) -> dict[str, Partition]:
        """The partitions of an asset whose manifest can be read, by language."""
        found: dict[str, Partition] = {}
        for language in store.languages(asset):
            try:
                if partition := store.get(asset, language):
                    found[language] = partition
            except (InputError, OSError) as error:
                self.left_out[f"{asset} of {language}"] = str(error)
        return found

    def over_files(self, table: Table, files: Mapping[str, tuple[str, Path]]) -> None:
        """A view over those files of a table that can be read, each with its language and named by what it is."""
        rows = [select for what, found in files.items() if (select := self._rows_of(table, what, *found))]
        self.create(table, " UNION ALL ".join(rows) or self._nothing(table))

    def over_models(self, partitions: Mapping[str, Partition]) -> None:
        """The view over the tuned models, by language."""
        rows = [self._model_row(language, partition) for language, partition in partitions.items()]
        self.create(TUNED_MODELS, " UNION ALL ".join(rows) or self._nothing(TUNED_MODELS))

    def over_views(self, table: Table, query: str) -> None:
        """A view over other views, with the declared columns and their types."""
        columns = (f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types_of(table, self._connection).items())
        self.create(table, f"SELECT {', '.join(columns)} FROM ({query})")

    def create(self, table: Table, query: str) -> None:
        self._statements.append(f"CREATE VIEW {table.view} AS {query}")
        self._statements.append(f"COMMENT ON VIEW {table.view} IS {quoted(table.meaning)}")
        for column in table.columns:
            said = column.meaning + (f" ({column.unit})" if column.unit else "")
            self._statements.append(f'COMMENT ON COLUMN {table.view}."{column.name}" IS {quoted(said)}')

    def write(self) -> None:
        """Put all views into the catalogue at once: each statement by itself would wait for the disk."""
        self._connection.begin()
        for statement in self._statements:
            self._connection.execute(statement)
        self._connection.commit()

    def _nothing(self, table: Table) -> str:
        """What selects no row of the declared columns."""
        columns = (f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in types_of(table, self._connection).items())
        return f"SELECT {', '.join(columns)} LIMIT 0"

    def _rows_of(self, table: Table, what: str, language: str, file: Path) -> str:
        """What selects the declared columns of a file, others left out; empty, and left out, where it cannot be read."""
        import duckdb

        linked = self._generation / file.relative_to(self._root)
        try:
            link(file, linked)
        except FileNotFoundError as error:
            self.left_out[what] = f"{error.strerror}: {file}"
            return ""
        # Columns come from the file alone, and not from a folder of its path that is named like one.
        source = f"FROM read_parquet(data_file({self._place(linked)}), hive_partitioning = false)"
        try:
            stored = {name for name, *_ in self._connection.execute(f"DESCRIBE {source}").fetchall()}
            unstored = {LANGUAGE.name: quoted(language)}
            values = {name: f'"{name}"' for name in stored}
            columns = (
                f'TRY_CAST({values.get(name) or unstored.get(name, "NULL")} AS {kind}) AS "{name}"'
                for name, kind in types_of(table, self._connection).items()
            )
            select = f"SELECT {', '.join(columns)} {source}"
            self._connection.execute(f"DESCRIBE {select}")
        except duckdb.Error as error:
            self.left_out[what] = str(error).splitlines()[0].replace(str(self._generation), str(self._root))
            return ""
        return select

    def _model_row(self, language: str, partition: Partition) -> str:
        model = "NULL"
        if ADAPTER.name in partition.folders:
            model = f"data_folder() || '/' || {self._place(partition.folder(ADAPTER.name))}"
        try:
            made_from = [quoted(str(value)) for _, value in TunedFrom.read_part(partition.figures).told()]
        except InputError:
            made_from = ["NULL"] * (len(TUNED_MODELS.columns) - 2)
        values = zip([quoted(language), model, *made_from], TUNED_MODELS.columns, strict=True)
        return "SELECT " + ", ".join(f'CAST({value} AS VARCHAR) AS "{column.name}"' for value, column in values)

    def _place(self, path: Path) -> str:
        """A path as it is seen from the folder of the catalogue."""
        return quoted(path.relative_to(self._root).as_posix())


def types_of(table: Table, connection: Any) -> dict[str, str]:
    """Every declared column with its type in DuckDB, which reads Arrow and says what it sees."""
    empty = pl.Schema({column.name: column.dtype for column in table.columns}).to_frame()
    relation = connection.from_arrow(empty.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def pair_lineage(store: Store, pair_id: str) -> dict[str, Any]:
    """Everything the line knows of one pair. InputError when there is no such pair or no catalogue."""
    with open_catalogue(store) as connection:
        row = connection.execute(
            f"SELECT {_names(LINEAGE)} FROM {LINEAGE.view} WHERE pair_id = ?", [pair_id]
        ).fetchone()
    if row is None:
        raise InputError(f"no pair {pair_id!r} in {store.root / CATALOGUE}")
    return dict(zip((column.name for column in LINEAGE.columns), row, strict=True))
