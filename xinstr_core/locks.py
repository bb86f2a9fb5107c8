"""Locks that say who holds them, and that the kernel frees with their process, however it ends."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import reduction
from pathlib import Path
from typing import Any

from xinstr_core.errors import StageError

_HOLDER_BYTES = 200  # of who holds a lock


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


def wait_for(path: Path, holder: str, waits: Callable[[str], None]) -> int:
    """The descriptor of a lock file that all users of the machine share: held until it and every copy of it are closed.

    While another process holds it, this one waits, and `waits` is told once by whom. OSError where `path` is no file that
    can be locked.
    """
    while True:
        descriptor = _opened_by_all(path)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits(os.pread(descriptor, _HOLDER_BYTES, 0).decode("utf-8", "replace") or "another process")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, holder.encode("utf-8")[:_HOLDER_BYTES], 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody cleared the folder while this process waited: the next one would not see it


def _opened_by_all(path: Path) -> int:
    """An existing file, or a new one that every user may open. No link: in a folder of all, anybody may have put one there."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            try:  # apart: Linux lets nobody open with O_CREAT what another user has in a folder of all (fs.protected_regular)
                descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                continue
            os.fchmod(descriptor, 0o666)  # whatever the umask is
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is no file: remove it")
        return descriptor


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


class Shared:
    """Descriptors of locks, of which a process that is started with this gets copies: they are held until it has ended, too."""

    def __init__(self, *descriptors: int) -> None:
        self._descriptors = descriptors

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, tuple(reduction.DupFd(one) for one in self._descriptors)


def _received(*given: Any) -> Shared:
    return Shared(*(one.detach() for one in given))
