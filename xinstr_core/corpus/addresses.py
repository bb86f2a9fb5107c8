"""Addresses of files: a path by its very name, or a URL that fsspec knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from xinstr_core.errors import InputError

_LOCAL = LocalFileSystem()


def is_local(address: str) -> bool:
    """Whether it is a path of this machine, and no URL."""
    return "://" not in address


def filesystem_of(address: str) -> tuple[Any, str]:
    """The file system of an address and the place in it. InputError where it needs a package that is not there.

    A path is taken as it stands: fsspec by itself chains file systems at `::`.
    """
    if is_local(address):
        return _LOCAL, address
    try:
        filesystem, place = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise InputError(f"cannot open {address}: {str(error).splitlines()[0]}") from error
    return filesystem, place


def is_pattern(address: str) -> bool:
    """Whether it has a star, other than in the name of a file or folder of this machine."""
    if not is_local(address):
        return "*" in address
    return "*" in _split(address)[1] and not _LOCAL.exists(address)


def matching(pattern: str) -> list[str]:
    """Addresses of the files of a pattern with `*`, `?`, `[...]` or `**`, in order. InputError where it is none."""
    if not is_local(pattern):
        filesystem, place = filesystem_of(pattern)
        return sorted(str(filesystem.unstrip_protocol(found)) for found in filesystem.glob(place))
    folder, pattern = _split(pattern)
    try:
        matches = re.compile(glob_translate(pattern)).match
    except ValueError as error:
        raise InputError(f"{folder}/{pattern}: {str(error).splitlines()[0]}") from error
    depth = None if "**" in pattern else pattern.count("/") + 1
    found = _LOCAL.find(folder, maxdepth=depth)  # which follows no links to folders
    return sorted(path for path in found if matches(path[len(folder.rstrip("/")) + 1 :]))


def _split(path: str) -> tuple[str, str]:
    """The folders of a path that are there, whatever they are called, and the rest of it."""
    folder, *rest = Path(path).parts
    while len(rest) > 1 and _LOCAL.isdir(f"{folder}/{rest[0]}"):
        folder = str(Path(folder, rest.pop(0)))
    return folder, "/".join(rest)
