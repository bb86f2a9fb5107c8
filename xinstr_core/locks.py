"""Locks that say who holds them, and that the kernel frees with their process, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xinstr_core.errors import StageError


@contextmanager
def held(path: Path, what: str, holder: str, advice: str = "wait for it, or stop it") -> Iterator[None]:
    """Hold a lock file, which says by whom it is held.

    StageError at once where another does: `what` happens by that holder, and what to do then.
    """
    with path.open("a+", encoding="utf-8") as stream:  # "w" would empty what its holder has written
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise StageError(f"{what} by {stream.read() or 'another process'}: {advice}") from None
        stream.truncate(0)
        stream.write(holder)
        stream.flush()
        yield
