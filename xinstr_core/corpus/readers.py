"""Readers: JSONL, JSON, CSV, Parquet, text, HTML and WARC, streamed as records or as rejects with a reason.

A reader takes the address of one file (a path or any URL that fsspec knows; .gz, .zst, .bz2 and .xz are unpacked) and
holds one record at a time. What breaks in the middle of a file costs the rest of that file, and is told.
"""

from __future__ import annotations

import codecs
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from xinstr_core.corpus.json_values import Fault, json_values
from xinstr_core.corpus.separated_values import separated_rows
from xinstr_core.errors import InputError

MAXIMUM_LINE_BYTES = 1_000_000  # a line is one document; the longest of 12,783 real ones has 16 kB
COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
_PARQUET_ROWS = 1000
_PIECE_BYTES = 1 << 16
BROKEN_FILE = "broken_file"


@dataclass(frozen=True)
class Record:
    """One record of an input file. `place` tells a person where it stands."""

    place: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Reject:
    """A record that cannot go on, and why: `value` against `threshold` where there is one."""

    place: str
    reason: str
    excerpt: str = ""
    value: str = ""
    threshold: str = ""


def format_of(address: str) -> str | None:
    """The format that a file's name tells, compression aside; None when it tells none."""
    path = PurePosixPath(address)
    suffix = PurePosixPath(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix
    return _FORMAT_OF_SUFFIX.get(suffix.lower())


def read_records(
    address: str | Path, file_format: str | None = None, name: str | None = None
) -> Iterator[Record | Reject]:
    """Every record of a file, in order, with bounded memory. InputError when there is no such file or format.

    A text file holds one document a blank-line-separated block, an HTML file one document, a WARC file one a page that
    was served. `name` is what places call the file, its own name unless told.
    """
    address = str(address)
    name = name or PurePosixPath(address).name
    chosen = file_format or format_of(address)
    if chosen not in READERS:
        raise InputError(f"{address}: cannot read this format; known suffixes: {', '.join(SUFFIXES)}")
    yield from READERS[chosen](address, name)


@contextmanager
def _opened(address: str, *, unpack: bool = True) -> Iterator[BinaryIO]:
    import fsspec
    import pyarrow

    try:
        if unpack and address.endswith(".zst"):
            # Arrow's reader notices a file that ends too early; that of zstandard takes it for a whole one.
            with fsspec.open(address, "rb") as packed, pyarrow.CompressedInputStream(packed, "zstd") as stream:
                yield io.BufferedReader(stream)
            return
        with fsspec.open(address, "rb", compression="infer" if unpack else None) as stream:
            yield stream
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise InputError(f"cannot open {address}: {error}") from error


def _broken(place: str, error: Exception) -> Reject:
    """A file that ends too early or is damaged: what was read of it stays."""
    said = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
    return Reject(place, BROKEN_FILE, "", said)


def _lines(address: str, name: str) -> Iterator[tuple[str, str | Reject]]:
    """Decoded lines. A line that is too long or not UTF-8 becomes a reject; the rest of the file goes on."""
    number = 0
    with _opened(address) as stream:
        while True:
            place = f"{name}:{number + 1}"
            try:
                line = stream.readline(MAXIMUM_LINE_BYTES + 1)
                size = len(line)
                if size > MAXIMUM_LINE_BYTES:
                    while line and not line.endswith(b"\n"):
                        line = stream.readline(MAXIMUM_LINE_BYTES)
                        size += len(line)
            except _DAMAGED as error:
                yield place, _broken(place, error)
                return
            if not size:
                return
            number += 1
            if size > MAXIMUM_LINE_BYTES:
                yield place, Reject(place, "line_too_long", "", f"{size} bytes", f"{MAXIMUM_LINE_BYTES} bytes")
                continue
            try:
                yield place, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                yield place, Reject(place, "not_utf8", line.decode("utf-8", "replace")[:200], str(error.reason))


def _read_jsonl(address: str, name: str) -> Iterator[Record | Reject]:
    for place, line in _lines(address, name):
        if isinstance(line, Reject):
            yield line
            continue
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: numbers of thousands of digits, too
            yield Reject(place, "not_json", line[:200], str(error)[:100])
            continue
        if isinstance(values, dict):
            yield Record(place, values)
        else:
            yield Reject(place, "not_a_record", line[:200], type(values).__name__, "object")


def _read_json(address: str, name: str) -> Iterator[Record | Reject]:
    number = 0
    with _opened(address) as stream:
        pieces = codecs.iterdecode(iter(lambda: stream.read(_PIECE_BYTES), b""), "utf-8-sig", "surrogateescape")
        try:
            for number, value in enumerate(json_values(pieces, MAXIMUM_LINE_BYTES), 1):
                place = f"{name}:{number}"
                if isinstance(value, dict):
                    yield Record(place, value)
                elif isinstance(value, Fault):
                    yield Reject(place, BROKEN_FILE if value.ends else value.reason, value.excerpt, value.value)
                else:
                    yield Reject(place, "not_a_record", str(value)[:200], type(value).__name__, "object")
        except _DAMAGED as error:
            yield _broken(f"{name}:{number + 1}", error)


def _read_csv(address: str, name: str) -> Iterator[Record | Reject]:
    """Records by the names that the first row gives; cells without a name are left out."""
    names: list[str] = []
    for place, cells in separated_rows(_lines(address, name)):
        if isinstance(cells, list) and not names:
            names = [cell.strip() for cell in cells]
            if twice := sorted({one for one in names if one and names.count(one) > 1}):
                yield Reject(place, BROKEN_FILE, "", f"more than one column {', '.join(twice)}")
                return
        elif isinstance(cells, list) and not any(cells[len(names) :]):
            yield Record(place, {one: cell for one, cell in zip(names, cells, strict=False) if one})
        elif isinstance(cells, list):
            yield Reject(place, "not_a_record", "", f"{len(cells)} cells", f"{len(names)} columns")
        elif names:
            yield cells if isinstance(cells, Reject) else Reject(place, "not_csv", "", str(cells))
        else:  # what columns there are nobody knows
            yield Reject(place, BROKEN_FILE, "", cells.reason if isinstance(cells, Reject) else str(cells))
            return


def _read_text(address: str, name: str) -> Iterator[Record | Reject]:
    block: list[str] = []
    start = ""
    for place, line in _lines(address, name):
        if isinstance(line, str) and line.strip():
            start = start or place
            block.append(line)
            continue
        if block:  # a blank line ends a document, and so does a line that is lost: nothing is joined across it
            yield Record(start, {"text": "".join(block).strip()})
            block, start = [], ""
        if isinstance(line, Reject):
            yield line
    if block:
        yield Record(start, {"text": "".join(block).strip()})


def _read_parquet(address: str, name: str) -> Iterator[Record | Reject]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    with _opened(address, unpack=False) as stream:
        try:
            for batch in pyarrow.parquet.ParquetFile(stream).iter_batches(batch_size=_PARQUET_ROWS):
                for row in range(batch.num_rows):
                    number += 1
                    try:
                        yield Record(f"{name}:{number}", batch.slice(row, 1).to_pylist()[0])
                    except UnicodeDecodeError as error:
                        yield Reject(f"{name}:{number}", "not_utf8", "", str(error.reason))
        except (pyarrow.ArrowException, OSError) as error:
            yield _broken(f"{name}:{number + 1}", error)


def _read_html(address: str, name: str) -> Iterator[Record | Reject]:
    with _opened(address) as stream:
        try:
            page = stream.read(MAXIMUM_PAGE_BYTES + 1)
        except _DAMAGED as error:
            yield _broken(name, error)
            return
    yield _page(name, page, address)


def _read_warc(address: str, name: str) -> Iterator[Record | Reject]:
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    number = 0
    with _opened(address, unpack=False) as stream:
        try:
            for entry in ArchiveIterator(stream):
                number += 1
                if entry.rec_type != "response" or not entry.http_headers:
                    continue
                kind = (entry.http_headers.get_header("Content-Type") or "").lower()
                if not kind.startswith(("text/html", "application/xhtml")):
                    continue
                place, status = f"{name}:{number}", entry.http_headers.get_statuscode()
                if status != "200":
                    yield Reject(place, "not_served", "", status, "200")
                    continue
                page = entry.content_stream().read(MAXIMUM_PAGE_BYTES + 1)
                yield _page(place, page, entry.rec_headers.get_header("WARC-Target-URI") or "", _charset(kind))
        except (ArchiveLoadFailed, AttributeError, *_DAMAGED) as error:  # AttributeError: warcio, on a cut-off record
            yield _broken(f"{name}:{number + 1}", error)


def _charset(content_type: str) -> str | None:
    """The encoding that a Content-Type header names, where Python knows it."""
    named = Message()
    named["Content-Type"] = content_type
    try:
        return codecs.lookup(str(named.get_param("charset"))).name
    except LookupError:
        return None


def _page(place: str, page: bytes, url: str, charset: str | None = None) -> Record | Reject:
    """The main text of an HTML page, paragraphs a line each. What a server says of the encoding comes before a guess."""
    import trafilatura

    if len(page) > MAXIMUM_PAGE_BYTES:
        return Reject(place, "page_too_large", "", f"over {MAXIMUM_PAGE_BYTES} bytes", f"{MAXIMUM_PAGE_BYTES} bytes")
    text = trafilatura.extract(
        page.decode(charset, "replace") if charset else page,
        include_comments=False,
        include_tables=False,
        include_formatting=False,
    )
    if not text:
        return Reject(place, "no_main_text", page[:200].decode("utf-8", "replace").replace("\x00", "?"))
    return Record(place, {"text": text, "url": url})


MAXIMUM_PAGE_BYTES = 5_000_000  # larger ones are dumps and lists; the extractor's tree takes some twenty times that
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
READERS: dict[str, Callable[[str, str], Iterator[Record | Reject]]] = {
    "jsonl": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "parquet": _read_parquet,
    "text": _read_text,
    "html": _read_html,
    "warc": _read_warc,
}
_FORMAT_OF_SUFFIX = {
    ".jsonl": "jsonl", ".parquet": "parquet", ".txt": "text", ".ndjson": "jsonl", ".html": "html", ".htm": "html", ".warc": "warc",
    ".json": "json", ".csv": "csv", ".tsv": "csv",
}  # fmt: skip
SUFFIXES = tuple(_FORMAT_OF_SUFFIX)
