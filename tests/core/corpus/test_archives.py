"""WARC archives: what is a page, however it was sent and packed, and what is passed over and counted."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from backports import zstd
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from xinstr_core.corpus.readers import Reading, Record, Reject, read_records

TEXT = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri."
PAGE = f"<!doctype html><html><head><title>x</title></head><body><main><article><p>{TEXT}</p><p>{TEXT}!</p></article></main></body></html>"
URL = "https://example.org/"


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def brotli(content: bytes) -> bytes:
    return bytes(pa.Codec("brotli").compress(content, asbytes=True))


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli, "zstd": zstd.compress, "gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress,
    "identity": bytes, "gzip, br": lambda content: brotli(gzip.compress(content)),
}  # fmt: skip


class Archive:
    def __init__(self, path: Path, packed: bool = False) -> None:
        self.path, self.stream = path, io.BytesIO()
        self.writer = WARCWriter(self.stream, gzip=packed)

    def add(self, body: bytes, *headers: tuple[str, str], status: str = "200 OK") -> None:
        """A response."""
        sent = StatusAndHeaders(status, list(headers), protocol="HTTP/1.1")
        self.writer.write_record(self.writer.create_warc_record(URL, "response", io.BytesIO(body), http_headers=sent))

    def add_other(self, kind: str, body: bytes, content_type: str = "") -> None:
        """A record that is no response."""
        self.writer.write_record(
            self.writer.create_warc_record(URL, kind, io.BytesIO(body), warc_content_type=content_type)
        )

    def read(self, pack: Callable[[bytes], bytes] = bytes) -> tuple[list[Record | Reject], Counter[str]]:
        self.path.write_bytes(pack(self.stream.getvalue()))
        reading = Reading()
        return list(read_records(self.path, reading=reading)), reading.passed_over


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "crawl.warc")


def texts(found: list[Record | Reject]) -> list[str]:
    return [one.values["text"].splitlines()[0] if isinstance(one, Record) else one.reason for one in found]


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_page_is_unpacked_as_it_was_sent(archive: Archive, encoding: str, chunked: bool) -> None:
    body = ENCODED[encoding](PAGE.encode())
    transfer = [("Transfer-Encoding", "chunked")] if chunked else []
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    archive.add(body, ("Content-Type", "text/html"), ("Content-Encoding", encoding.upper()), *transfer)
    assert texts(archive.read()[0]) == [TEXT]


def test_deflate_without_its_frame_is_read_too(archive: Archive) -> None:
    archive.add(raw_deflate(PAGE.encode()), ("Content-Type", "text/html"), ("Content-Encoding", "deflate"))
    assert texts(archive.read()[0]) == [TEXT]


@pytest.mark.parametrize("encoding", [*ENCODED, "utf-8", "none"])
def test_a_page_that_the_crawler_unpacked_already_is_read_whatever_its_header_says(
    archive: Archive, encoding: str
) -> None:
    archive.add(PAGE.encode(), ("Content-Type", "text/html"), ("Content-Encoding", encoding))
    assert texts(archive.read()[0]) == [TEXT]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "dcb"])
def test_a_page_that_cannot_be_unpacked_says_so_and_shows_no_bytes(archive: Archive, encoding: str) -> None:
    archive.add(b"\x01\x02\x80\xff" * 100, ("Content-Type", "text/html"), ("Content-Encoding", encoding))
    assert archive.read()[0] == [Reject("crawl.warc:1", "content_encoding", "", encoding, "")]


def test_pages_are_responses_resources_and_extracted_text(archive: Archive) -> None:
    archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    archive.add_other("resource", PAGE.encode(), "text/html; charset=utf-8")
    archive.add_other("conversion", f"{TEXT}\n{TEXT}".encode(), "text/plain")
    archive.add(f"{TEXT}\r\n".encode(), ("Content-Type", "text/plain; charset=utf-8"))
    archive.add(PAGE.encode(), ("Content-Type", "application/xhtml+xml"))
    found, passed_over = archive.read()
    assert texts(found) == [TEXT] * 5
    assert [one.place for one in found] == [f"crawl.warc:{number}" for number in range(1, 6)]
    assert {one.values["url"] for one in found if isinstance(one, Record)} == {URL}
    assert not passed_over


@pytest.mark.parametrize("headers", [[], [("Content-Type", "unknown/unknown")], [("Content-Type", "")]])
def test_a_page_of_no_type_is_what_its_bytes_are(archive: Archive, headers: list[tuple[str, str]]) -> None:
    for body in (PAGE.encode(), TEXT.encode(), b"\x89PNG\r\n\x1a\n\x00\x00"):
        archive.add(body, *headers)
    found, passed_over = archive.read()
    assert texts(found) == [TEXT, TEXT]
    assert passed_over == {"no type": 1}


def test_what_is_no_page_is_counted_by_type(archive: Archive) -> None:
    archive.add_other("warcinfo", b"software: x\r\n", "application/warc-fields")
    archive.add_other("metadata", b"{}", "application/json")
    archive.add_other("metadata", b"{}", "application/json")
    archive.add(b"PNG", ("Content-Type", "image/png"))
    archive.add(b"%PDF-1.7", ("Content-Type", "Application/PDF; x=y"))
    archive.add(b"\x00", ("Content-Type", "<script>" * 100))
    archive.add(b"\xff\xd8\xff\x00", ("Content-Type", "Jpeg"))
    archive.add(b"\xff\xd8\xff\x00", ("Content-Type", "image/png, image/jpeg"))
    archive.add(PAGE.encode(), ("Content-Type", "Jpeg"), status="404 Not Found")
    archive.add(PAGE.encode(), ("Content-Type", "text/html"), status="404 Not Found")
    found, passed_over = archive.read()
    assert found == [Reject("crawl.warc:10", "not_served", "", "404", "200")]
    assert passed_over == {"warcinfo": 1, "metadata": 2, "image/png": 2, "application/pdf": 1, "no type": 1, "Jpeg": 2}


@pytest.mark.parametrize(
    ("said", "charset"),
    [
        ("text/html, text/html; charset=iso-8859-2", "iso-8859-2"),
        ("*/*, text/html;charset='iso-8859-2'", "iso-8859-2"),
        ("text/html charset=iso-8859-2", "iso-8859-2"),
        ('"text/html"', ""),
        ('"text/html; charset=iso-8859-2"', "iso-8859-2"),
        ("html", ""),
        ("text/html,charset=iso-8859-2", "iso-8859-2"),
        ("text/html:charset=iso-8859-2", "iso-8859-2"),
        ("; charset=iso-8859-2", "iso-8859-2"),
    ],
)
def test_a_type_that_is_written_wrongly_costs_no_page_and_no_charset(archive: Archive, said: str, charset: str) -> None:
    page = PAGE.replace("Watu", "Wątłu" if charset else "Watu")
    archive.add(page.encode(charset or "ascii"), ("Content-Type", said))
    found, passed_over = archive.read()
    assert (texts(found), passed_over) == ([TEXT.replace("Watu", "Wątłu" if charset else "Watu")], {})


def test_a_page_that_a_proxy_made_is_a_page(archive: Archive) -> None:
    archive.add(PAGE.encode(), ("Content-Type", "text/html"), status="203 Non-Authoritative Information")
    assert texts(archive.read()[0]) == [TEXT]


def test_headers_that_are_there_twice_are_told_both(archive: Archive) -> None:
    twice = [("Content-Encoding", "br"), ("Content-Encoding", "dcb")]
    archive.add(b"\x01\x02\x80\xff" * 100, ("Content-Type", "text/html"), *twice)
    packed = gzip.compress(PAGE.encode())
    archive.add(brotli(packed), ("Content-Type", "text/html"), ("Content-Encoding", "gzip"), ("Content-Encoding", "br"))
    found = archive.read()[0]
    assert found[0] == Reject("crawl.warc:1", "content_encoding", "", "br, dcb", "")
    assert texts(found[1:]) == [TEXT]


@pytest.mark.parametrize("before", [b"\r\n", b"\n\n", b" \r\n\r\n" * 50])
def test_blank_lines_before_the_first_record_are_no_part_of_it(archive: Archive, before: bytes) -> None:
    archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    found, passed_over = archive.read(lambda content: before + content)
    assert (texts(found), passed_over) == ([TEXT], {})


@pytest.mark.parametrize(
    "before", [b"\xef\xbb\xbf\n", b"a b c d 9\r\n", b"\n<html>\n\n</html>\n", b"x" * 70_000 + b"\n"]
)
def test_what_else_stands_before_the_first_record_is_told_and_costs_no_record(archive: Archive, before: bytes) -> None:
    archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    found, passed_over = archive.read(lambda content: before + content)
    size = sum(len(line) for line in before.splitlines(keepends=True) if line.strip())
    told = Reject("crawl.warc:0", "not_a_record", "", f"{size} bytes before the first record", "WARC/")
    assert (found[0], texts(found[1:]), passed_over) == (told, [TEXT], {})


def test_what_holds_no_record_is_a_broken_file(archive: Archive) -> None:
    said = "no record begins in it: it is no WARC archive"
    assert archive.read(lambda _: PAGE.encode())[0] == [Reject("crawl.warc:1", "broken_file", "", said)]
    assert archive.read(lambda _: b"\n\n")[0] == []


@pytest.mark.parametrize(
    ("pack", "said", "read"),
    [
        (gzip.compress, "packed with gzip: let its name end in .gz", [TEXT]),
        (zstd.compress, "packed with zstd: let its name end in .zst", []),
        (bz2.compress, "packed with bzip2: let its name end in .bz2", []),
        (lzma.compress, "packed with xz: let its name end in .xz", []),
    ],
)
def test_an_archive_that_is_packed_and_not_called_so_says_what_to_call_it(
    archive: Archive, pack: Callable[[bytes], bytes], said: str, read: list[str]
) -> None:
    for _ in range(2):
        archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    found = archive.read(pack)[0]
    assert texts(found[:-1]) == read
    assert found[-1] == Reject(f"crawl.warc:{len(found)}", "broken_file", "", said)


@pytest.mark.parametrize("between", [b"", b"\n", b"rest of a page\r\n\r\n"])
def test_a_record_without_blank_lines_behind_it_costs_no_other_and_writes_nothing(
    archive: Archive, between: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    assert texts(archive.read(lambda content: content.replace(b"\r\n\r\nWARC", between + b"WARC"))[0]) == [TEXT, TEXT]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "broken",
    [
        b"WARC-Content: x\r\nContent-Length: 1\r\n\r\nx\r\n\r\n",
        b"WARC-Type: <b>\r\nContent-Length: 1\r\n\r\nx\r\n\r\n",
        b"WARC-Type: response\r\nContent-Length: 0\r\n\r\n\r\n\r\n",
    ],
)
def test_a_record_that_does_not_say_what_it_is_costs_itself_alone(archive: Archive, broken: bytes) -> None:
    archive.add(TEXT.encode(), ("Content-Type", "text/plain"))
    archive.stream.write(b"WARC/1.0\r\n" + broken)
    archive.add(TEXT.encode(), ("Content-Type", "text/plain"))
    found, passed_over = archive.read()
    assert (texts(found), passed_over) == ([TEXT, TEXT], {"no type": 1})


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress), ("zst", zstd.compress)]
)
@pytest.mark.parametrize("records_packed", [False, True])
def test_an_archive_may_be_packed_whole_or_by_record(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], records_packed: bool
) -> None:
    archive = Archive(tmp_path / f"crawl.warc.{suffix}", packed=records_packed and suffix == "gz")
    for _ in range(5):
        archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    one = archive.stream.getvalue()
    members = (lambda content: pack(content) + pack(one)) if records_packed and suffix != "gz" else pack
    by_record = records_packed and suffix == "gz"
    found = archive.read(bytes if by_record else members)[0]
    assert texts(found) == [TEXT] * (5 if by_record or not records_packed else 10)


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress), ("zst", zstd.compress)]
)
def test_a_packed_archive_that_ends_too_early_is_told(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    archive = Archive(tmp_path / f"crawl.warc.{suffix}")
    for _ in range(50):
        archive.add(PAGE.encode(), ("Content-Type", "text/html"))
    found, _ = archive.read(lambda content: pack(content)[:-30])
    assert texts(found)[-1] == "broken_file"


def test_a_wet_file_of_common_crawl_is_read_by_its_name(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "CC-MAIN-1.warc.wet.gz", packed=True)
    archive.add_other("conversion", TEXT.encode(), "text/plain")
    assert texts(archive.read()[0]) == [TEXT]
