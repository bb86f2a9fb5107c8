"""Pages of a WARC archive: responses of servers, resources and the plain text of WET files, decoded as they were sent.

What is no page (requests, metadata, images ...) is passed over and counted by its type.
"""

from __future__ import annotations

import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from xinstr_core.corpus.encodings import is_binary
from xinstr_core.corpus.packing import DAMAGED, unpacked_zstd

MAXIMUM_PAGE_BYTES = 5_000_000  # larger ones are dumps and lists; the extractor's tree takes some twenty times that
HTML, PLAIN = "text/html", "text/plain"
_MEDIA_TYPES = {HTML: HTML, "application/xhtml+xml": HTML, PLAIN: PLAIN}
_PAGE_RECORDS = {"response", "resource", "conversion"}
_OTHER_RECORDS = {"warcinfo", "request", "metadata", "revisit", "continuation"}
_SERVED = {"200", "203"}  # 203: what a proxy made of the page
# What is counted under its own name; what else servers say there is no type.
_SAID = re.compile(r"[\w.+/:;=,\" -]{1,120}")
# A type as browsers read it (WHATWG MIME Sniffing 4.4): one whose parts have other characters is none.
_ESSENCE = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)
_CHARSET = re.compile(r"\bcharset\s*=\s*[\"']?\s*([^\s\"';,]+)", re.IGNORECASE)
# Types of servers that know none; like browsers, the bytes are asked then (WHATWG MIME Sniffing 7).
_UNNAMED = {"unknown/unknown", "application/unknown", "*/*"}
_SNIFFED = 1445  # bytes, as there
_RECORD, _ARC, _GZIP = b"WARC/", b"filedesc://", b"\x1f\x8b"  # how archives begin
_PACKINGS = {b"\x28\xb5\x2f\xfd": ("zstd", ".zst"), b"\x5d\x2a\x4d\x18": ("zstd", ".zst"), b"BZh": ("bzip2", ".bz2"), b"\xfd7zXZ": ("xz", ".xz")}  # fmt: skip
_LINE_BYTES = 1 << 16
_LOOKS_LIKE_HTML = re.compile(
    rb"<(!doctype html|html|head|body|script|title|meta|div|p|h1|table|a|br|!--)[\s>]", re.IGNORECASE
)


@dataclass(frozen=True)
class ArchivedPage:
    """A page, its bytes as they were before they were packed for sending; or why it has none: (reason, value, threshold)."""

    number: int
    url: str
    media_type: str
    content_type: str
    body: bytes
    fault: tuple[str, str, str] | None = None


def archived_pages(stream: BinaryIO, passed_over: Counter[str]) -> Iterator[ArchivedPage]:
    """The pages among the records, in order, numbered with all records. Bodies end at MAXIMUM_PAGE_BYTES and one.

    What stands before the first record and is no blank line is a fault of number 0. DAMAGED, or what warcio raises on a
    broken archive, ends it.
    """
    from warcio.exceptions import ArchiveLoadFailed

    archive = _Archive(stream)
    if strange := archive.skip_to_first_record():
        fault = ("not_a_record", f"{strange} bytes before the first record", "WARC/")
        yield ArchivedPage(0, "", "", "", b"", fault)
    try:
        for number, entry in enumerate(_entries(archive), 1):
            page = _page(number, entry) if entry.rec_type in _PAGE_RECORDS else entry.rec_type or ""
            if isinstance(page, ArchivedPage):
                yield page
            else:
                passed_over[page if page in _OTHER_RECORDS or _SAID.fullmatch(page) else "no type"] += 1
    except ArchiveLoadFailed as error:
        if archive.is_gzip:  # which warcio reads by the record, whatever the file is called, and not whole
            raise ArchiveLoadFailed(_packed("gzip", ".gz")) from error
        raise


def _entries(archive: _Archive) -> Iterator[Any]:
    """The records of an archive by warcio."""
    from warcio.archiveiterator import ArchiveIterator

    class Entries(ArchiveIterator):  # type: ignore[misc]  # warcio ships no types
        def _consume_blanklines(self) -> tuple[bytes | None, int]:
            """The line where the next record begins, and the bytes before it.

            Where no blank line stands before it, warcio's own loses it, and writes to the terminal.
            """
            skipped = 0
            while line := self.reader.readline():
                if line.strip() and (skipped or line.startswith(_RECORD)):
                    return line, skipped
                skipped += len(line)
            return None, skipped

    return iter(Entries(archive))


class _Archive:
    """The bytes of an archive as warcio takes them: a file that ends too early is damaged, and not at its end.

    Each read gives what is there, so that what stands before the damage is not lost with it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._line = stream.readline
        self._ahead = b""
        self.is_gzip = False

    def skip_to_first_record(self) -> int:
        """How many bytes of lines that are not blank stand before it. ArchiveLoadFailed where there are such and no record."""
        from warcio.exceptions import ArchiveLoadFailed

        strange = 0
        while line := self._line(_LINE_BYTES):
            if not strange and (
                named := next((one for start, one in _PACKINGS.items() if line.startswith(start)), None)
            ):
                raise ArchiveLoadFailed(_packed(*named))
            self.is_gzip = not strange and line.startswith(_GZIP)
            if line.upper().startswith(_RECORD) or self.is_gzip or line.startswith(_ARC):
                self._ahead = line
                return strange
            strange += len(line) if line.strip() else 0
        if strange:
            raise ArchiveLoadFailed("no record begins in it: it is no WARC archive")
        return 0

    def read(self, size: int) -> bytes:
        if self._ahead:
            ahead, self._ahead = self._ahead[:size], self._ahead[size:]
            return ahead
        try:
            return self._read(size)
        except EOFError as error:  # which warcio takes for the end
            raise OSError(*error.args) from error


def _packed(packing: str, suffix: str) -> str:
    return f"packed with {packing}: let its name end in {suffix}"


def _page(number: int, entry: Any) -> ArchivedPage | str:
    """The page of a record, or the type of what it is in place of one, as it stands there."""
    sent = entry.http_headers
    if entry.rec_type == "response" and not sent:
        return _named(_header(entry.rec_headers, "Content-Type"))
    content_type = _header(sent or entry.rec_headers, "Content-Type")
    served = (sent.get_statuscode() if sent else "200") or "no status"
    named = _named(content_type)
    said = named or ("" if content_type.lower() in _UNNAMED else content_type)
    if named not in _MEDIA_TYPES and (named or served not in _SERVED):
        return said
    url = str(entry.rec_headers.get_header("WARC-Target-URI") or "").strip()
    if served not in _SERVED:
        fault = ("not_served", served, "200")
        return ArchivedPage(number, url, named, content_type, b"", fault)
    body = _body(entry)
    if isinstance(body, str):
        return ArchivedPage(number, url, named or HTML, content_type, b"", ("content_encoding", body, ""))
    media_type = _MEDIA_TYPES.get(named) or _sniffed(body)
    return ArchivedPage(number, url, media_type, content_type, body) if media_type else said


def _header(headers: Any, name: str) -> str:
    """The value of a header; of one that is there more than once, all of them (RFC 9110, 5.3)."""
    return ", ".join(str(value).strip() for one, value in headers.headers if one.lower() == name.lower())


def _named(content_type: str) -> str:
    """The media type of a header, the first that is one; empty where it names none, as browsers see it."""
    named = (one.partition(";")[0].strip().lower() for one in content_type.split(","))
    return next((one for one in named if _ESSENCE.fullmatch(one) and one not in _UNNAMED), "")


def charset_of(content_type: str) -> str:
    """The encoding that a Content-Type header names, empty where it names none."""
    found = _CHARSET.search(content_type)
    return found[1] if found else ""


def _sniffed(body: bytes) -> str | None:
    head = body[:_SNIFFED]
    if _LOOKS_LIKE_HTML.search(head):
        return HTML
    return PLAIN if head.strip() and not is_binary(head) else None


def _body(entry: Any) -> bytes | str:
    """What was sent, unpacked; or how it says that it was packed, where that cannot be undone."""
    if entry.http_headers is None:
        return bytes(entry.raw_stream.read(MAXIMUM_PAGE_BYTES + 1))
    said = _header(entry.http_headers, "Content-Encoding").lower()
    while entry.http_headers.remove_header("Content-Encoding"):
        pass  # warcio knows not all of them and is silent about the others
    body = bytes(entry.content_stream().read(MAXIMUM_PAGE_BYTES + 1))
    for encoding in reversed([one.strip() for one in said.split(",") if one.strip()]):
        try:
            body = _UNPACK[encoding](body)
        except (KeyError, *DAMAGED):
            # Many crawlers keep the header and store the page unpacked.
            return said if is_binary(body) else body
    return body


def _inflated(body: bytes) -> bytes:
    """gzip or zlib as their first bytes say, or raw deflate, which some servers send as deflate. What was cut off is kept."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAXIMUM_PAGE_BYTES + 1)
    except zlib.error:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, MAXIMUM_PAGE_BYTES + 1)


def _from_brotli(body: bytes) -> bytes:
    import pyarrow

    with pyarrow.CompressedInputStream(pyarrow.BufferReader(body), "brotli") as stream:
        return bytes(stream.read(MAXIMUM_PAGE_BYTES + 1))


def _from_zstd(body: bytes) -> bytes:
    return unpacked_zstd(io.BytesIO(body)).read(MAXIMUM_PAGE_BYTES + 1)


_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _inflated, "x-gzip": _inflated, "deflate": _inflated, "br": _from_brotli, "zstd": _from_zstd, "identity": bytes,
}  # fmt: skip
