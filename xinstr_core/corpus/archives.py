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
from email.message import Message
from typing import Any, BinaryIO

from xinstr_core.corpus.encodings import is_binary
from xinstr_core.corpus.packing import DAMAGED, unpacked_zstd

MAXIMUM_PAGE_BYTES = 5_000_000  # larger ones are dumps and lists; the extractor's tree takes some twenty times that
HTML, PLAIN = "text/html", "text/plain"
_MEDIA_TYPES = {HTML: HTML, "application/xhtml+xml": HTML, PLAIN: PLAIN}
_PAGE_RECORDS = {"response", "resource", "conversion"}
_OTHER_RECORDS = {"warcinfo", "request", "metadata", "revisit", "continuation"}
_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")
# Types of servers that know none; like browsers, the bytes are asked then (WHATWG MIME Sniffing 7).
_UNNAMED = {"", "unknown/unknown", "application/unknown", "*/*"}
_SNIFFED = 1445  # bytes, as there
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

    DAMAGED, or what warcio raises on a broken archive, ends it.
    """
    from warcio.archiveiterator import ArchiveIterator

    for number, entry in enumerate(ArchiveIterator(_Archive(stream)), 1):
        page = _page(number, entry) if entry.rec_type in _PAGE_RECORDS else entry.rec_type or ""
        if isinstance(page, ArchivedPage):
            yield page
        else:
            passed_over[page if page in _OTHER_RECORDS or _TYPE.fullmatch(page) else "no type"] += 1


class _Archive:
    """The bytes of an archive as warcio takes them: a file that ends too early is damaged, and not at its end.

    Each read gives what is there, so that what stands before the damage is not lost with it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)

    def read(self, size: int) -> bytes:
        try:
            return self._read(size)
        except EOFError as error:  # which warcio takes for the end
            raise OSError(*error.args) from error


def _page(number: int, entry: Any) -> ArchivedPage | str:
    """The page of a record, or the type of what it is in place of one, as it stands there."""
    sent = entry.http_headers
    if entry.rec_type == "response" and not sent:
        return _named(_header(entry.rec_headers, "Content-Type"))
    content_type = _header(sent or entry.rec_headers, "Content-Type")
    served = (sent.get_statuscode() if sent else "200") or "no status"
    named = _named(content_type)
    if named not in _MEDIA_TYPES and (named not in _UNNAMED or served != "200"):
        return named
    url = _header(entry.rec_headers, "WARC-Target-URI")
    if served != "200":
        fault = ("not_served", served, "200")
        return ArchivedPage(number, url, named, content_type, b"", fault)
    body = _body(entry)
    if isinstance(body, str):
        return ArchivedPage(number, url, named or HTML, content_type, b"", ("content_encoding", body, ""))
    media_type = _MEDIA_TYPES.get(named) or _sniffed(body)
    return ArchivedPage(number, url, media_type, content_type, body) if media_type else ""


def _header(headers: Any, name: str) -> str:
    return str(headers.get_header(name) or "").strip()


def _named(content_type: str) -> str:
    """The media type of a header, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def charset_of(content_type: str) -> str:
    """The encoding that a Content-Type header names, empty where it names none."""
    named = Message()
    named["Content-Type"] = content_type.replace("\n", " ").replace("\r", " ")
    found = named.get_param("charset")
    return found if isinstance(found, str) else ""


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
    entry.http_headers.remove_header("Content-Encoding")  # warcio knows not all of them and is silent about the others
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
