"""Where tables, models and figures live: atomic partitions that a manifest names, and shards for resume.

    <root>/<asset>/language=<tag>/manifest.json            written last; a reader trusts only what it names
                                  /<table>-<hash>.parquet
                                  /<folder>-<hash>/          a model, a report
                                  /unfinished/               shards and checkpoints of a run that is not done
                                  /history.parquet           figures, not data, of every build there was

Parquet is the system of record. Every write is whole or not there, so a killed run leaves either the old partition or
the new one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.files import read_parquet, scan_parquet, sync, write_parquet, write_text
from xinstr_core.identity import file_hash, files_hash, fingerprint, is_language_key
from xinstr_core.manifest import read_manifest
from xinstr_core.schemas.declaration import Contract, Figures, Told
from xinstr_core.schemas.shared import Cost

MANIFEST = "manifest.json"
LOCK = ".lock"
HISTORY = "history.parquet"  # figures of every build: see history.py
ALL_LANGUAGES = "all"  # the partition of assets that span languages


@dataclass(frozen=True)
class StageOutput:
    """What a stage hands to the store: tables and finished folders by name, and figures.

    A table is a frame, or a Parquet file of a TableWriter, which is moved: such tables need not fit into memory.

    `cost` is what the run took, `built` when and with what it was run. Both describe: neither fingerprint nor version
    know them.
    """

    tables: Mapping[str, pl.DataFrame | Path] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    cost: Cost | None = None
    built: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Partition:
    """A finished asset of one language, as its manifest describes it."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def asset(self) -> str:
        return str(self.manifest["asset"])

    @property
    def fingerprint(self) -> str:
        """Of everything that went in: equal means nothing has to be done."""
        return str(self.manifest["fingerprint"])

    @property
    def version(self) -> str:
        """Of the content that came out: equal means that nothing downstream has to change."""
        return str(self.manifest["version"])

    @property
    def figures(self) -> dict[str, Any]:
        """As they are stored, by the names of their fields, whatever release stored them."""
        return dict(self.manifest["figures"])

    def read_figures(self, declared: type[Told]) -> Told:
        """The figures as their asset declares them. InputError where another release stored them otherwise."""
        try:
            return declared.read(self.figures)
        except InputError as error:
            raise InputError(
                f"figures of {self.asset} are stored otherwise than this release declares them ({error}): {self._anew}"
            ) from None

    def behind(self, parts: Mapping[str, Partition]) -> list[str]:
        """The assets of which it was made in another version than they have among these partitions."""
        taken = self.made_of.get("inputs", {})
        return [asset for asset, version in taken.items() if asset in parts and parts[asset].version != version]

    def holds(self, contract: Contract[Any]) -> bool:
        """Whether what is stored is there, and as the contract of its asset declares it."""
        try:
            self.read_figures(contract.figures)
        except InputError:
            return False
        return self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether every file that the manifest names is there, tables in their size."""
        tables = {self.path / table["file"]: table["bytes"] for table in self.tables.values()}
        folders = [self.path / stored["folder"] / name for stored in self.folders.values() for name in stored["files"]]
        return all(path.is_file() and path.stat().st_size == size for path, size in tables.items()) and all(
            path.is_file() for path in folders
        )

    def require_whole(self) -> None:
        """InputError where a file is gone or cut off."""
        if not self.is_whole:
            raise InputError(f"files of {self.asset} are gone or cut off in {self.path}: {self._anew}")

    @property
    def _anew(self) -> str:
        language = self.manifest["language"]
        return f"`xinstr build {language} --from {self.asset}` makes it anew"

    @property
    def made_of(self) -> dict[str, Any]:
        """What its fingerprint was made of, as people can read it."""
        return dict(self.manifest.get("made_of", {}))

    @property
    def built(self) -> dict[str, Any]:
        """When it was built and with what: see history.py."""
        return dict(self.manifest.get("built", {}))

    @property
    def cost(self) -> dict[str, Any]:
        """What the run that made it took, as it is stored: see Cost. Empty where nobody measured."""
        return dict(self.manifest.get("cost") or {})

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        return dict(self.manifest["tables"])

    @property
    def folders(self) -> dict[str, dict[str, Any]]:
        return dict(self.manifest["folders"])

    def table_path(self, name: str) -> Path:
        return self.path / str(self.manifest["tables"][name]["file"])

    def scan(self, name: str) -> pl.LazyFrame:
        return scan_parquet(self.table_path(name))

    def read(self, name: str) -> pl.DataFrame:
        return read_parquet(self.table_path(name))

    def folder(self, name: str) -> Path:
        return self.path / str(self.manifest["folders"][name]["folder"])


class Store:
    """The folder that holds every partition."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, asset: str, language: str) -> Path:
        """The folder of a partition, there or not. InputError for what is no language key: it could name any folder."""
        if not is_language_key(language):
            raise InputError(f"nothing is stored of {language[:80]!r}: it is no language key")
        return self.root / asset / f"language={language}"

    def get(self, asset: str, language: str) -> Partition | None:
        """The partition, or None where it was never finished. InputError when its manifest is not readable."""
        path = self.path(asset, language)
        try:
            return Partition(path, read_manifest(path / MANIFEST))
        except FileNotFoundError:
            return None

    def languages(self, asset: str) -> list[str]:
        """Of which languages there may be a partition: `get` tells."""
        folders = (self.root / asset).glob("language=*")
        return sorted(path.name.removeprefix("language=") for path in folders if path.is_dir())

    def holds(self, language: str) -> bool:
        """Whether anything of the language was built or begun."""
        folders = self.root.glob(f"*/language={language}") if is_language_key(language) else ()
        return any(entry.name != LOCK for folder in folders for entry in folder.iterdir())

    def unfinished(self, asset: str, language: str) -> Path:
        """A folder for shards and checkpoints. It outlives a killed run; `commit` removes what is spent."""
        folder = self.path(asset, language) / "unfinished"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(
        self, asset: str, language: str, stage_fingerprint: str, parts: Mapping[str, Any], output: StageOutput
    ) -> Partition:
        """Write a finished partition. `parts` is what the fingerprint was made of, kept so that people can read it."""
        path = self.path(asset, language)
        path.mkdir(parents=True, exist_ok=True)
        tables = {name: _write_table(path, name, table) for name, table in output.tables.items()}
        folders = {name: _move_folder(path, name, source) for name, source in output.folders.items()}
        manifest = {
            "asset": asset,
            "language": language,
            "fingerprint": stage_fingerprint,
            "version": fingerprint(
                {
                    "tables": {n: t["hash"] for n, t in tables.items()},
                    "folders": {n: f["hash"] for n, f in folders.items()},
                }
            ),
            "made_of": dict(parts),
            "tables": tables,
            "folders": folders,
            "figures": output.figures.model_dump(mode="json"),
            "cost": output.cost.model_dump() if output.cost else None,
            "built": dict(output.built),
        }
        write_text(path / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
        _remove_superseded(path, {t["file"] for t in tables.values()} | {f["folder"] for f in folders.values()})
        return Partition(path, manifest)


def _write_table(path: Path, name: str, table: pl.DataFrame | Path) -> dict[str, Any]:
    temporary = path / f"{name}.parquet"
    if isinstance(table, Path):
        sync(table)
        table.replace(temporary)
    else:
        write_parquet(temporary, table)
    content = file_hash(temporary)
    final = path / f"{name}-{content}.parquet"
    temporary.replace(final)
    rows = scan_parquet(final)
    return {
        "file": final.name,
        "rows": rows.select(pl.len()).collect().item(),
        "bytes": final.stat().st_size,
        "hash": content,
        "schema": {column: str(dtype) for column, dtype in rows.collect_schema().items()},
    }


def _move_folder(path: Path, name: str, source: Path) -> dict[str, Any]:
    names = sorted(str(p.relative_to(source)) for p in source.rglob("*") if p.is_file())
    content = files_hash(source, names)
    final = path / f"{name}-{content}"
    if source != final:
        if final.exists():
            shutil.rmtree(final)
        for file in names:
            sync(source / file)
        source.replace(final)
    return {"folder": final.name, "hash": content, "files": names}


def _remove_superseded(path: Path, current: set[str]) -> None:
    """Delete what the manifest no longer names, the `unfinished` folder of the finished run included."""
    for old in path.iterdir():
        if old.name in {MANIFEST, LOCK, *current} or old.name.startswith(HISTORY):  # a damaged one is kept beside it
            continue
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
