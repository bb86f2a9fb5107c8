"""Readers: JSONL, JSON, CSV, Parquet, text, HTML and WARC, streamed as records or as rejects with a reason.

A reader takes the address of one file (a path or any URL that fsspec knows; .gz, .zst, .bz2 and .xz are unpacked) and
holds one record at a time. What breaks in the middle of a file costs the rest of that file, and is told.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from reprlib import Repr
from typing import Any

from xinstr_core.corpus.archives import HTML, MAXIMUM_PAGE_BYTES, archived_pages, charset_of
from xinstr_core.corpus.encodings import NO_LETTERS, Letters, Undecodable, decoded
from xinstr_core.corpus.html_pages import main_text
from xinstr_core.corpus.json_values import Fault, json_values
from xinstr_core.corpus.packing import COMPRESSIONS, DAMAGED, opened, opened_to_seek, packing_of
from xinstr_core.corpus.separated_values import separated_rows
from xinstr_core.corpus.tables import table_rows
from xinstr_core.errors import InputError
from xinstr_core.text import as_utf8

MAXIMUM_LINE_BYTES = 1_000_000  # a line is one document; the longest of 12,783 real ones has 16 kB
_PIECE_BYTES = 1 << 16
_TEXT_LINE = re.compile(r"[^\r\u2028\u2029]*(?:\r\n?|[\u2028\u2029])|[^\r\u2028\u2029]+")
BROKEN_FILE = "broken_file"
TEXT = "text"
_SHOWN = Repr()  # of a record without text: enough to see what it has, however deep it is
_SHOWN.maxdict, _SHOWN.maxstring, _SHOWN.maxlevel = 20, 80, 3


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


@dataclass(frozen=True)
class Reading:
    """What whoever reads files wants of them, and what they are told beside the records.

    `fields` are the names of the fields that are needed, the text first, each by what it is called in a record: nothing
    else is asked for or handed on. None means all, as they are. `letters` judge how pages are decoded; `passed_over`
    counts what of archives is no page, by type.
    """

    fields: Mapping[str, str] | None = None
    letters: Letters = NO_LETTERS
    passed_over: Counter[str] = field(default_factory=Counter)

    def record(self, place: str, values: dict[str, Any]) -> Record | Reject:
        """A record of what was found, with the fields that are needed as far as they are texts; a reject without the text."""
        if self.fields is None:
            return Record(place, values)
        wanted = {}
        for name, called in self.fields.items():
            if called in values and isinstance(value := values[called], str):
                wanted[name] = value
        if TEXT in wanted:
            return Record(place, wanted)
        text = values.get(self.fields[TEXT])
        if isinstance(text, bytes):
            return Reject(place, "not_utf8", text.decode("utf-8", "replace")[:200], "binary")
        found = type(text).__name__
        return Reject(place, "no_text", _SHOWN.repr(values)[:200], found, self.fields[TEXT])

    def columns(self, names: Sequence[str]) -> list[str]:
        """The columns of a table that are needed; all, for a person to see, where the text is not among them."""
        if self.fields is None or self.fields[TEXT] not in names:
            return [*names]
        return [name for name in names if name in self.fields.values()]


def format_of(address: str) -> str | None:
    """The format that a file's name tells, compression aside; None when it tells none."""
    path = PurePosixPath(address)
    suffix = PurePosixPath(path.stem).suffix if packing_of(address) else path.suffix
    return _FORMAT_OF_SUFFIX.get(suffix.lower())


def read_records(
    address: str | Path, file_format: str | None = None, name: str | None = None, reading: Reading | None = None
) -> Iterator[Record | Reject]:
    """Every record of a file, in order, with bounded memory. InputError when there is no such file or format.

    A text file holds one document a blank-line-separated block, an HTML file one document, a WARC file one a page that
    was served or extracted. `name` is what places call the file, its own name unless told.
    """
    address = str(address)
    name = as_utf8(name or PurePosixPath(address).name)
    chosen = file_format or format_of(address)
    if chosen not in READERS:
        raise InputError(f"{address}: cannot read this format; known suffixes: {KNOWN_ENDINGS}")
    yield from READERS[chosen](address, name, reading or Reading())


def _broken(place: str, error: Exception) -> Reject:
    """A file that ends too early or is damaged: what was read of it stays."""
    said = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
    return Reject(place, BROKEN_FILE, "", said)


def _lines(address: str, name: str) -> Iterator[tuple[str, str | Reject]]:
    """Decoded lines. A line that is too long or not UTF-8 becomes a reject; the rest of the file goes on."""
    number = 0
    try:
        with opened(address) as stream:
            while line := stream.readline(MAXIMUM_LINE_BYTES + 1):
                size = len(line)
                if size > MAXIMUM_LINE_BYTES:
                    while line and not line.endswith(b"\n"):
                        line = stream.readline(MAXIMUM_LINE_BYTES)
                        size += len(line)
                number += 1
                place = f"{name}:{number}"
                if size > MAXIMUM_LINE_BYTES:
                    yield place, Reject(place, "line_too_long", "", f"{size} bytes", f"{MAXIMUM_LINE_BYTES} bytes")
                    continue
                try:
                    yield place, line.decode() if number > 1 else line.decode("utf-8-sig")
                except UnicodeDecodeError as error:
                    yield place, Reject(place, "not_utf8", line.decode("utf-8", "replace")[:200], str(error.reason))
    except DAMAGED as error:
        place = f"{name}:{number + 1}"
        yield place, _broken(place, error)


def _read_jsonl(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
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
            yield reading.record(place, values)
        else:
            yield Reject(place, "not_a_record", line[:200], type(values).__name__, "object")


def _read_json(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
    number = 0
    try:
        with opened(address) as stream:
            pieces = codecs.iterdecode(iter(lambda: stream.read(_PIECE_BYTES), b""), "utf-8-sig", "surrogateescape")
            for number, value in enumerate(json_values(pieces, MAXIMUM_LINE_BYTES), 1):
                place = f"{name}:{number}"
                if isinstance(value, dict):
                    yield reading.record(place, value)
                elif isinstance(value, Fault):
                    yield Reject(place, BROKEN_FILE if value.ends else value.reason, value.excerpt, value.value)
                else:
                    yield Reject(place, "not_a_record", str(value)[:200], type(value).__name__, "object")
    except DAMAGED as error:
        yield _broken(f"{name}:{number + 1}", error)


def _read_csv(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
    """Records by the names that the first row gives; cells without a name are left out."""
    names: list[str] = []
    for place, cells in separated_rows(_lines(address, name)):
        if isinstance(cells, list) and not names:
            names = [cell.strip() for cell in cells]
            if twice := sorted({one for one in names if one and names.count(one) > 1}):
                yield Reject(place, BROKEN_FILE, "", f"more than one column {', '.join(twice)}")
                return
        elif isinstance(cells, list) and not any(cells[len(names) :]):
            yield reading.record(place, {one: cell for one, cell in zip(names, cells, strict=False) if one})
        elif isinstance(cells, list):
            yield Reject(place, "not_a_record", "", f"{len(cells)} cells", f"{len(names)} columns")
        elif names:
            yield cells if isinstance(cells, Reject) else Reject(place, "not_csv", "", str(cells))
        else:  # what columns there are nobody knows
            yield Reject(place, BROKEN_FILE, "", cells.reason if isinstance(cells, Reject) else str(cells))
            return


def _read_text(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
    block: list[str] = []
    start = ""
    for place, line in _text_lines(address, name):
        if isinstance(line, str) and line.strip():
            start = start or place
            block.append(line)
            continue
        if block:  # a blank line ends a document, and so does a line that is lost: nothing is joined across it
            yield reading.record(start, {TEXT: "".join(block).strip()})
            block, start = [], ""
        if isinstance(line, Reject):
            yield line
    if block:
        yield reading.record(start, {TEXT: "".join(block).strip()})


def _text_lines(address: str, name: str) -> Iterator[tuple[str, str | Reject]]:
    """Lines of text, which end at carriage returns and Unicode's separators as well; these have the place of the whole."""
    for place, line in _lines(address, name):
        if isinstance(line, str) and any(end in line for end in "\r\u2028\u2029"):
            yield from ((place, part) for part in _TEXT_LINE.findall(line))
        else:
            yield place, line


def _read_parquet(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
    import pyarrow

    number = 0
    try:
        with opened_to_seek(address) as stream:
            for number, row in enumerate(table_rows(stream, reading.columns), 1):
                place = f"{name}:{number}"
                if isinstance(row, UnicodeDecodeError):
                    yield Reject(place, "not_utf8", "", str(row.reason))
                else:
                    yield reading.record(place, row)
    except (pyarrow.ArrowException, *DAMAGED) as error:
        yield _broken(f"{name}:{number + 1}", error)


def _read_html(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
    try:
        with opened(address) as stream:
            page = stream.read(MAXIMUM_PAGE_BYTES + 1)
    except DAMAGED as error:
        yield _broken(name, error)
        return
    yield _page(name, page, reading, as_utf8(address))


def _read_warc(address: str, name: str, reading: Reading) -> Iterator[Record | Reject]:
    from warcio.exceptions import ArchiveLoadFailed

    number = 0
    try:
        with opened(address) as stream:
            for page in archived_pages(stream, reading.passed_over):
                number, place = page.number, f"{name}:{page.number}"
                if page.fault:
                    yield Reject(place, page.fault[0], "", *page.fault[1:])
                else:
                    charset = charset_of(page.content_type)
                    yield _page(place, page.body, reading, page.url, charset, page.media_type)
    except (ArchiveLoadFailed, AttributeError, *DAMAGED) as error:  # AttributeError: warcio, on a cut-off record
        yield _broken(f"{name}:{number + 1}", error)


def _page(
    place: str, page: bytes, reading: Reading, url: str, charset: str = "", media_type: str = HTML
) -> Record | Reject:
    """The main text of an HTML page, or the whole of a plain one. `charset` is what a server says of its encoding."""
    if len(page) > MAXIMUM_PAGE_BYTES:
        return Reject(place, "page_too_large", "", f"over {MAXIMUM_PAGE_BYTES} bytes", f"{MAXIMUM_PAGE_BYTES} bytes")
    source = decoded(page, reading.letters, charset)
    if isinstance(source, Undecodable):
        return Reject(place, "unknown_encoding", source.excerpt, source.said, "a declared encoding")
    text = main_text(source) if media_type == HTML else source.strip()
    if not text:
        return Reject(place, "no_main_text", source[:200].replace("\x00", "?"))
    return Record(place, {TEXT: text, "url": url})


READERS: dict[str, Callable[[str, str, Reading], Iterator[Record | Reject]]] = {
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
    ".wet": "warc", ".json": "json", ".csv": "csv", ".tsv": "csv",
}  # fmt: skip
SUFFIXES = tuple(_FORMAT_OF_SUFFIX)
KNOWN_ENDINGS = f"{', '.join(SUFFIXES)}; packed, with {', '.join(COMPRESSIONS)} behind it"
