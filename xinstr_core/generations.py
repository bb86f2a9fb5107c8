"""Generations of a file that others read by: each has links of its own to what it names, so replacing breaks no reader.

    <name>.<suffix>                  what readers open: a link to that of the newest generation
    <name>.files/<generation>/       the same file, and links to everything that it names

A generation goes when it is neither the newest nor the one before, and nobody has its file open. A link costs no room
for as long as the file itself is there.
"""

from __future__ import annotations

import filecmp
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
    before = _newest(path)
    if before:
        # The same file again, where a copy of the whole folder made two of it: readers have this one's lock.
        _replace_by_link(path, before / path.name)
    kept = [generation, before]
    _replace_by_link(generation / path.name, path)
    for other in _folder(path).iterdir():
        if other not in kept and not _is_open(other / path.name):
            shutil.rmtree(other, ignore_errors=True)  # what stays of it is tried again the next time


def _folder(path: Path) -> Path:
    return path.with_suffix(".files")


def _newest(path: Path) -> Path | None:
    """The generation that readers have now. No two have equal files: each names its own folder."""
    if not path.exists():
        return None
    generations = [other for other in _folder(path).iterdir() if (other / path.name).exists()]
    same = (other for other in generations if (other / path.name).samefile(path))
    copied = (other for other in generations if filecmp.cmp(other / path.name, path, shallow=False))
    return next(same, None) or next(copied, None)


def _replace_by_link(file: Path, to: Path) -> None:
    """As `link`, in one step, in the place of what has that name."""
    new = to.with_name(f"{to.name}.new")
    new.unlink(missing_ok=True)
    link(file, new)
    new.replace(to)


_TAKE_LOCK = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def _is_open(path: Path) -> bool:
    """Whether a process reads the file under a lock, as DuckDB does for as long as it has one open.

    Another process has to ask: such locks are a process's own, and go where it closes the file for any reason.
    """
    asking = [sys.executable, "-ISc", _TAKE_LOCK, str(path)]
    return path.exists() and subprocess.run(asking, stderr=subprocess.DEVNULL, check=False).returncode != 0
