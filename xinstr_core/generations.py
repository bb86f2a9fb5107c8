"""Generations of a file that others read by: each has links of its own to what it names, so replacing breaks no reader.

    <name>.<suffix>                  what readers open: a link to that of the newest generation
    <name>.files/<generation>/       the same file, and links to everything that it names

A generation goes when it is neither the newest nor the one before, and nobody has its file open. A link costs no room
for as long as the file itself is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4


def begin(path: Path) -> Path:
    """An empty folder for a new generation of the file. The caller holds a lock until it has switched to it."""
    folder = _folder(path) / uuid4().hex
    folder.mkdir(parents=True)
    return folder


def link(file: Path, to: Path) -> None:
    """Give a file a second name, which stays when the first goes; a copy where the file system gives no links."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, to)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, a file system without links, a file of another user
        shutil.copyfile(file, to)


def switch(path: Path, generation: Path) -> None:
    """Let readers have the generation's file from now on, and remove the generations that nobody needs any more."""
    kept = [generation, *(other for other in _folder(path).iterdir() if _is_same(other / path.name, path))]
    new = generation / f"{path.name}.new"
    link(generation / path.name, new)
    new.replace(path)
    for other in _folder(path).iterdir():
        if other not in kept and not _is_open(other / path.name):
            shutil.rmtree(other, ignore_errors=True)  # what stays of it is tried again the next time


def _folder(path: Path) -> Path:
    return path.with_suffix(".files")


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


_TAKE_LOCK = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def _is_open(path: Path) -> bool:
    """Whether a process reads the file under a lock, as DuckDB does for as long as it has one open.

    Another process has to ask: such locks are a process's own, and go where it closes the file for any reason.
    """
    asking = [sys.executable, "-ISc", _TAKE_LOCK, str(path)]
    return path.exists() and subprocess.run(asking, stderr=subprocess.DEVNULL, check=False).returncode != 0
