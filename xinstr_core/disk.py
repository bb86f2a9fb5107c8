"""A disk that is full, said as what it is, whatever the library that writes makes of it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xinstr_core.errors import InputError, XinstrError

_ROOM = 1 << 20  # bytes: with less nothing can be written, and what failed has left its half of a file behind
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """InputError in place of any error within for which the folder's disk is to blame.

    Polars, safetensors, torch and SQLite have errors of their own for it, of which some do not say it.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_full_disk(error, folder):
            raise
        raise InputError(
            f"no room is left on the disk of {folder}: make some, and the same command goes on from here"
        ) from error


def _is_of_full_disk(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    said = any(os.strerror(number) in str(error) for number in _FULL)
    if isinstance(error, XinstrError) or not folder.exists():
        return said
    return said or shutil.disk_usage(folder).free < _ROOM
