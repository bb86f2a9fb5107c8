"""Opening a file wherever it lies and however it is packed: what is read is its plain bytes, streamed."""

from __future__ import annotations

import errno
import io
import lzma
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from xinstr_core.corpus.addresses import filesystem_of
from xinstr_core.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError)  # what reading a broken file raises
_READ_AHEAD = 1 << 17
_ZSTD_FRAME = b"\x28\xb5\x2f\xfd"
# A WARC packed with zstd may begin with a dictionary in a skippable frame of this number (IIPC, WARC-zstd 1.0).
_ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"
# The largest window that the format has (zstd --long=31). Its memory is taken where a file really has such a window.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 31}


def packing_of(address: str) -> str:
    """The ending that says how a file is packed, in lower case; empty where it is not."""
    suffix = PurePosixPath(address).suffix.lower()
    return suffix if suffix in COMPRESSIONS else ""


@contextmanager
def opened(address: str) -> Iterator[BinaryIO]:
    """The unpacked bytes of a path or URL. InputError where there is no such file; DAMAGED may be raised on reading."""
    filesystem, place = filesystem_of(address)
    packed_otherwise = None if packing_of(address) == ".zst" else "infer"
    try:
        with filesystem.open(place, "rb", compression=packed_otherwise) as stream:
            yield stream if packed_otherwise else unpacked_zstd(stream)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise InputError(f"cannot open {address}: {error}") from error


@contextmanager
def opened_to_seek(address: str) -> Iterator[BinaryIO]:
    """The same, for formats that are not read from front to back: what is packed is unpacked into a temporary file."""
    with opened(address) as stream:
        if not packing_of(address):
            yield stream
            return
        with tempfile.TemporaryFile() as whole:
            try:
                shutil.copyfileobj(stream, whole)
                whole.seek(0)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise InputError(
                    f"no room in {tempfile.gettempdir()} to unpack {address}: make some, or set TMPDIR"
                ) from None
            yield whole


def unpacked_zstd(packed: Any) -> BinaryIO:
    """All frames of a zstd stream (a readable file object), of whatever window, with the dictionary it may begin with."""
    stream = io.BufferedReader(packed)
    dictionary = None
    if stream.peek(4)[:4] == _ZSTD_DICTIONARY:
        stream.read(4)
        found = stream.read(int.from_bytes(stream.read(4), "little"))
        try:
            dictionary = zstd.ZstdDict(zstd.decompress(found) if found.startswith(_ZSTD_FRAME) else found)
        except ValueError as error:
            raise zstd.ZstdError(*error.args) from error
    unpacked = zstd.ZstdFile(stream, options=_ZSTD_OPTIONS, zstd_dict=dictionary)
    return io.BufferedReader(unpacked, _READ_AHEAD)  # lines of it are found without Python
