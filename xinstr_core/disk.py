"""A disk that is full, said as what it is, whatever the library that writes makes of it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xinstr_core.errors import InputError, XinstrError

_ROOM = 1 << 20  # bytes: with less nothing can be written, and what failed has left its half of a file behind
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAID = (*map(os.strerror, _FULL), "disk is full")  # SQLite says the last
_TEMPORARY = ("SQLITE_TMPDIR", "TMPDIR")  # environment variables


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """InputError in place of any error within for which the disk of the folder, or of temporary files, is to blame.

    Polars, safetensors, torch and SQLite have errors of their own for it, of which some do not say it.
    """
    try:
        yield
    except Exception as error:
        full = _full_disk(error, folder)
        if full is None:
            raise
        raise InputError(
            f"no room is left on the disk of {full}: make some, and give the same command again"
        ) from error


def _full_disk(error: Exception, folder: Path) -> Path | None:
    """The folder whose disk is to blame, if one is."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL or (number is None and any(words in str(error) for words in _SAID)):
        written = [Path(error.filename).parent] if isinstance(error, OSError) and error.filename else []
        return next((place for place in (*written, folder, *_temporary()) if _has_no_room(place)), folder)
    if number is not None or isinstance(error, XinstrError):  # it has a reason of its own
        return None
    return folder if _has_no_room(folder) else None


def _temporary() -> list[Path]:
    """Where Python and SQLite (https://www.sqlite.org/tempfiles.html, section 5) have their temporary files."""
    named = [os.environ[name] for name in _TEMPORARY if os.environ.get(name)]
    return [Path(place) for place in (*named, tempfile.gettempdir(), "/var/tmp")]


def _has_no_room(folder: Path) -> bool:
    return folder.exists() and shutil.disk_usage(folder).free < _ROOM
