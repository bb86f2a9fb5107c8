"""Whether stored files still hold what was stored: what leaves the project is compared with the hashes of the manifest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xinstr_core.errors import InputError
from xinstr_core.identity import file_hash, files_hash
from xinstr_core.store import Partition


def require_intact(part: Partition, *, tables: Iterable[str] = (), folders: Iterable[str] = ()) -> None:
    """InputError where a file is gone, cut off or changed, of tables and folders that the manifest has. Reads them whole."""
    part.require_whole()
    for name in tables:
        if file_hash(part.table_path(name)) != part.tables[name].get("hash"):
            raise _damaged(part, f"table {name}")
    for name in folders:
        stored = part.folders[name]
        if files_hash(part.folder(name), stored["files"]) != stored.get("hash"):
            raise _damaged(part, f"{name} with {_listed(stored)}")


def _damaged(part: Partition, what: str) -> InputError:
    return InputError(
        f"{what} of {part.asset} in {part.path} is no longer what was stored (cut off or changed): "
        f"`xinstr build {part.manifest['language']} --from {part.asset}` makes it anew"
    )


def _listed(stored: dict[str, Any]) -> str:
    return ", ".join(stored["files"])
