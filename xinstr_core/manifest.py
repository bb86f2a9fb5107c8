"""What a partition's manifest is, whatever release wrote it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from xinstr_core.errors import InputError
from xinstr_core.schemas.declaration import first_trouble


def _inside(name: str) -> str:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"{name!r} is not in the partition's folder")
    return name


_Name = Annotated[str, AfterValidator(_inside)]


@dataclass(frozen=True)
class _Table:
    file: _Name
    rows: int
    bytes: int
    schema: dict[str, str]


@dataclass(frozen=True)
class _Folder:
    folder: _Name
    files: list[_Name]


@dataclass(frozen=True)
class _Built:
    time: datetime | None = None
    preset: str | None = None
    changed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Manifest:
    """What readers rely on. Figures, cost and what it was built with are as their release wrote them."""

    asset: str
    language: str
    fingerprint: str
    version: str
    tables: dict[str, _Table]
    folders: dict[str, _Folder]
    figures: dict[str, Any]
    cost: dict[str, Any] | None = None
    built: _Built = field(default_factory=_Built)


_MANIFEST = TypeAdapter(_Manifest)


def read_manifest(path: Path) -> dict[str, Any]:
    """What stands in a manifest. InputError, with what to delete, where it is none."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        _MANIFEST.validate_python(manifest)
    except ValueError as error:
        said = first_trouble(error) if isinstance(error, ValidationError) else error
        raise InputError(f"{path} is not a manifest ({said}): delete {path.parent} and build again") from error
    return manifest
