from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tracemalloc
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from xinstr_core.corpus.encodings import letters_of
from xinstr_core.corpus.readers import MAXIMUM_LINE_BYTES, Reading, Record, Reject, read_records
from xinstr_core.errors import InputError


def read(folder: Path, content: bytes, name: str = "sw.jsonl") -> list[Record | Reject]:
    path = folder / name
    path.write_bytes(content)
    return list(read_records(path))


def brief(found: list[Record | Reject]) -> list[tuple[str, Any]]:
    return [(f.place, f.values if isinstance(f, Record) else f.reason) for f in found]


def test_records_come_in_order_with_their_line_numbers(tmp_path: Path) -> None:
    content = '{"text": "ป่า", "n": 1}\n\n  \n{"text": "b"}\r\n{"text": "c"}'.encode()
    assert read(tmp_path, content) == [
        Record("sw.jsonl:1", {"text": "ป่า", "n": 1}),
        Record("sw.jsonl:4", {"text": "b"}),
        Record("sw.jsonl:5", {"text": "c"}),
    ]


def test_a_text_keeps_its_line_breaks_controls_and_combining_marks(tmp_path: Path) -> None:
    text = " Việt\r\n\ttie\u0302\u0301ng\u2028ক্\u200dষ \x0b\x1c\x85"
    (found,) = read(tmp_path, json.dumps({"text": text}, ensure_ascii=False).encode())
    assert found == Record("sw.jsonl:1", {"text": text})


def test_a_byte_order_mark_at_the_start_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    assert brief(read(tmp_path, b'\xef\xbb\xbf{"text": "a"}\n')) == [("sw.jsonl:1", {"text": "a"})]
    assert brief(read(tmp_path, b"\xef\xbb\xbfone\n", "sw.txt")) == [("sw.txt:1", {"text": "one"})]


@pytest.mark.parametrize("name", ["sw.jsonl", "sw.txt"])
def test_an_empty_file_has_no_records(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, b"", name) == []
    assert read(tmp_path, b"\n \n\t\n", name) == []


def test_lines_that_are_no_records_become_rejects_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = b'{"text": "a"\n\xff\xfe{"text": "b"}\n[1, 2]\n"text"\nnull\n3\n\x00\n{"text": "good"}\n'
    found = read(tmp_path, content)
    assert brief(found) == [
        ("sw.jsonl:1", "not_json"),
        ("sw.jsonl:2", "not_utf8"),
        ("sw.jsonl:3", "not_a_record"),
        ("sw.jsonl:4", "not_a_record"),
        ("sw.jsonl:5", "not_a_record"),
        ("sw.jsonl:6", "not_a_record"),
        ("sw.jsonl:7", "not_json"),
        ("sw.jsonl:8", {"text": "good"}),
    ]
    assert found[1] == Reject("sw.jsonl:2", "not_utf8", '\ufffd\ufffd{"text": "b"}\n', "invalid start byte")
    assert found[2] == Reject("sw.jsonl:3", "not_a_record", "[1, 2]\n", "list", "object")


def test_an_excerpt_of_a_bad_line_is_short(tmp_path: Path) -> None:
    (found,) = read(tmp_path, b"x" * 5000)
    assert isinstance(found, Reject)
    assert found.excerpt == "x" * 200


def test_nesting_beyond_the_parser_is_a_reject(tmp_path: Path) -> None:
    content = b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b'}\n{"text": "good"}\n'
    assert brief(read(tmp_path, content)) == [("sw.jsonl:1", "not_json"), ("sw.jsonl:2", {"text": "good"})]


def test_a_number_too_long_to_convert_is_a_reject(tmp_path: Path) -> None:
    content = b'{"text": "a", "n": ' + b"1" * 5000 + b'}\n{"text": "good"}\n'
    assert brief(read(tmp_path, content)) == [("sw.jsonl:1", "not_json"), ("sw.jsonl:2", {"text": "good"})]


def test_a_line_of_ten_megabytes_is_rejected_with_its_size_and_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "sw.jsonl"
    path.write_bytes(b'{"text": "' + b"a" * 10_000_000 + b'"}\n{"text": "good"}\n')
    tracemalloc.start()
    try:
        found = list(read_records(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [
        Reject("sw.jsonl:1", "line_too_long", "", "10000013 bytes", "1000000 bytes"),
        Record("sw.jsonl:2", {"text": "good"}),
    ]
    assert peak < 5_000_000


def test_a_long_last_line_without_an_end_is_rejected_once(tmp_path: Path) -> None:
    assert read(tmp_path, b"a" * (2 * MAXIMUM_LINE_BYTES + 5)) == [
        Reject("sw.jsonl:1", "line_too_long", "", "2000005 bytes", "1000000 bytes")
    ]


def test_a_line_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    text = "a" * (MAXIMUM_LINE_BYTES - len('{"text": ""}'))
    (found,) = read(tmp_path, json.dumps({"text": text}).encode())
    assert found == Record("sw.jsonl:1", {"text": text})
    (longer,) = read(tmp_path, json.dumps({"text": text + "a"}).encode())
    assert longer == Reject("sw.jsonl:1", "line_too_long", "", "1000001 bytes", "1000000 bytes")


def test_a_character_of_several_bytes_is_never_cut_at_the_limit(tmp_path: Path) -> None:
    text = "ป" * 300_000
    (found,) = read(tmp_path, json.dumps({"text": text}, ensure_ascii=False).encode())
    assert found == Record("sw.jsonl:1", {"text": text})


def test_blocks_of_a_text_file_are_documents(tmp_path: Path) -> None:
    content = "\n\nfirst line\nsecond ป่า\n\n \t \nthird\r\nfourth\r\n\r\nlast".encode()
    assert read(tmp_path, content, "sw.txt") == [
        Record("sw.txt:3", {"text": "first line\nsecond ป่า"}),
        Record("sw.txt:7", {"text": "third\r\nfourth"}),
        Record("sw.txt:10", {"text": "last"}),
    ]


@pytest.mark.parametrize("end", ["\r", "\u2028", "\u2029"])
def test_lines_of_a_text_file_end_at_carriage_returns_and_separators_too(tmp_path: Path, end: str) -> None:
    content = end.join(["first line", "second ป่า", "", "third", "fourth", ""]) + f"{end}last\nline\n"
    assert read(tmp_path, content.encode(), "sw.txt") == [
        Record("sw.txt:1", {"text": f"first line{end}second ป่า"}),
        Record("sw.txt:1", {"text": f"third{end}fourth"}),
        Record("sw.txt:1", {"text": "last\nline"}),
    ]


def test_a_bad_line_of_a_text_file_is_a_reject(tmp_path: Path) -> None:
    found = read(tmp_path, b"one\n\n\xff\xfe\n\ntwo\n", "sw.txt")
    assert brief(found) == [("sw.txt:1", {"text": "one"}), ("sw.txt:3", "not_utf8"), ("sw.txt:5", {"text": "two"})]


def test_lines_around_a_bad_line_are_not_joined_into_a_text_that_nobody_wrote(tmp_path: Path) -> None:
    texts = [f.values["text"] for f in read(tmp_path, b"one\n\xff\xfe\ntwo\n", "sw.txt") if isinstance(f, Record)]
    assert "one\ntwo" not in texts


def test_parquet_rows_are_records_numbered_across_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    texts = [f"text {number}" for number in range(2500)]
    pq.write_table(pa.table({"text": texts, "id": list(range(2500))}), path, row_group_size=300)
    found = list(read_records(path))
    assert found == [Record(f"sw.parquet:{n + 1}", {"text": text, "id": n}) for n, text in enumerate(texts)]


def test_parquet_nulls_are_values_of_their_record(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"text": pa.array(["a", None])}), path)
    assert brief(list(read_records(path))) == [("sw.parquet:1", {"text": "a"}), ("sw.parquet:2", {"text": None})]


def test_bytes_of_a_parquet_file_are_text_where_they_are_utf8(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"text": pa.array(["ä".encode(), b"a\xff", None], pa.binary())}), path)
    assert pq.read_schema(path).field("text").type == pa.binary()
    assert list(read_records(path, reading=Reading({"text": "text"}))) == [
        Record("sw.parquet:1", {"text": "ä"}),
        Reject("sw.parquet:2", "not_utf8", "a\ufffd", "binary"),
        Reject("sw.parquet:3", "no_text", "{'text': None}", "NoneType", "text"),
    ]


@pytest.mark.parametrize("name", ["sw.JSONL", "sw.jsonl.GZ", "sw.Jsonl.Zst"])
def test_endings_are_the_same_in_capitals(tmp_path: Path, name: str) -> None:
    packed = {".gz": gzip.compress, ".zst": zstd.compress}.get(Path(name).suffix.lower(), bytes)
    assert read(tmp_path, packed(b'{"text": "a"}\n'), name) == [Record(f"{name}:1", {"text": "a"})]


def test_a_parquet_file_without_rows_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    assert list(read_records(path)) == []


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "overwritten"])
def test_a_broken_parquet_file_is_one_reject_after_what_could_be_read(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"text": [f"text {number} " * 20 for number in range(2000)]}), path)
    content = path.read_bytes()
    broken = {
        "empty": b"",
        "text": b'{"text": "a"}\n',
        "cut": content[: len(content) // 2],
        "overwritten": content[:100] + b"\x00" * (len(content) // 2) + content[100 + len(content) // 2 :],
    }
    path.write_bytes(broken[damage])
    found = list(read_records(path))
    assert [one.reason for one in found if isinstance(one, Reject)] == ["broken_file"]
    assert isinstance(found[-1], Reject)
    assert found[-1].value


@pytest.mark.parametrize(
    ("column", "number"),
    [
        (pa.array([10**18 + 1], pa.timestamp("ns")), 10**18 + 1),
        (pa.array([1], pa.timestamp("us", tz="Mars/Base")), 1),
        (pa.array([2**60], pa.timestamp("us")), 2**60),
        (pa.array([-(10**8)], pa.date32()), -(10**8)),
        (pa.array([1], pa.duration("ns")), 1),
        (pa.array([1], pa.time64("ns")), 1),
        (pa.array([None], pa.timestamp("ns")), None),
        (
            pa.array(
                [[{"at": 7, "role": "user"}]], pa.list_(pa.struct({"at": pa.timestamp("ns"), "role": pa.string()}))
            ),
            [{"at": 7, "role": "user"}],
        ),
        (pa.array([[("at", 7)]], pa.map_(pa.string(), pa.timestamp("ns"))), [("at", 7)]),
    ],
)
def test_times_of_a_parquet_file_that_python_does_not_have_are_numbers(
    tmp_path: Path, column: Any, number: Any
) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"text": ["a"], "instruction": ["b"], "crawled": column}), path)
    assert list(read_records(path)) == [Record("sw.parquet:1", {"text": "a", "instruction": "b", "crawled": number})]


def test_a_parquet_row_that_is_not_utf8_does_not_end_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    offsets = b"".join(n.to_bytes(4, "little") for n in (0, 2, 4, 6))
    column = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(offsets), pa.py_buffer(b"ab\xff\xfecd")])
    pq.write_table(pa.table({"text": column}), path)
    assert brief(list(read_records(path))) == [
        ("sw.parquet:1", {"text": "ab"}),
        ("sw.parquet:2", "not_utf8"),
        ("sw.parquet:3", {"text": "cd"}),
    ]


@pytest.mark.parametrize("name", ["sw.xlsx", "sw", "sw.jsonl.lz4"])
def test_a_file_of_unknown_kind_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"{name}: cannot read this format; known suffixes: \.jsonl, \.parquet, \.txt.*; packed, with \.gz, ",
    ):
        read(tmp_path, b"x", name)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot open .*sw\.jsonl"):
        list(read_records(tmp_path / "sw.jsonl"))


LINES = b"".join(b'{"text": "habari %d"}\n' % number for number in range(3000))
PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd.compress}


@pytest.mark.parametrize("suffix", PACKED)
def test_a_packed_file_has_the_records_of_the_plain_one(tmp_path: Path, suffix: str) -> None:
    found = read(tmp_path, PACKED[suffix](LINES), f"sw.jsonl{suffix}")
    assert found == [Record(f"sw.jsonl{suffix}:{n + 1}", {"text": f"habari {n}"}) for n in range(3000)]


@pytest.mark.parametrize("suffix", PACKED)
def test_a_packed_file_that_ends_too_early_gives_what_it_holds_and_one_reject(tmp_path: Path, suffix: str) -> None:
    rng = random.Random(1)
    lines = b"".join(b'{"text": "%x"}\n' % rng.getrandbits(400) for _ in range(20_000))
    packed = PACKED[suffix](lines)
    found = read(tmp_path, packed[: len(packed) // 2], f"sw.jsonl{suffix}")
    *records, last = found
    assert all(isinstance(record, Record) for record in records)
    assert isinstance(last, Reject)
    assert last.reason in ("broken_file", "not_json")
    if suffix != ".xz":  # one block, which is all or nothing
        assert len(records) > 1000


def test_a_packed_parquet_file_is_read(tmp_path: Path) -> None:
    plain = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"]}), plain)
    for suffix, pack in PACKED.items():
        assert brief(read(tmp_path, pack(plain.getvalue()), f"sw.parquet{suffix}")) == [
            (f"sw.parquet{suffix}:1", {"text": "a"}),
            (f"sw.parquet{suffix}:2", {"text": "b"}),
        ]
        (broken,) = read(tmp_path, pack(plain.getvalue())[:40], f"sw.parquet{suffix}")
        assert isinstance(broken, Reject)
        assert broken.reason == "broken_file"


@pytest.mark.parametrize("window", [27, 28, 31])
def test_a_zstd_file_of_any_window_and_several_frames_is_read(tmp_path: Path, window: int) -> None:
    options = {
        zstd.CompressionParameter.window_log: window,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
        zstd.CompressionParameter.hash_log: 10,
        zstd.CompressionParameter.chain_log: 10,
        zstd.CompressionParameter.ldm_hash_log: 10,
    }
    packer = zstd.ZstdCompressor(options=options)  # without the size of its content, as a stream
    packed = packer.compress(LINES[: len(LINES) // 2]) + packer.flush() + zstd.compress(LINES[len(LINES) // 2 :])
    assert zstd.get_frame_info(packed).decompressed_size is None
    assert len(read(tmp_path, packed, "sw.jsonl.zst")) == 3000


def test_a_zstd_file_may_begin_with_its_dictionary(tmp_path: Path) -> None:
    samples = [b'{"text": "habari %d za leo na kesho"}\n' % number for number in range(2000)]
    dictionary = zstd.train_dict(samples, 2000)
    packed = b"".join(zstd.compress(line, zstd_dict=dictionary) for line in samples[:50])
    for content in (dictionary.dict_content, zstd.compress(dictionary.dict_content)):
        head = b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content
        assert len(read(tmp_path, head + packed, "sw.jsonl.zst")) == 50
    (broken,) = read(tmp_path, head[:9] + b"\x28\xb5\x2f\xfd" + head[13:40], "sw.jsonl.zst")
    assert isinstance(broken, Reject)


def test_a_file_that_is_not_packed_as_its_name_says_is_one_reject(tmp_path: Path) -> None:
    (found,) = read(tmp_path, LINES, "sw.jsonl.gz")
    assert isinstance(found, Reject)
    assert (found.reason, found.place) == ("broken_file", "sw.jsonl.gz:1")


PAGE = """<html><head><title>Habari</title></head><body><nav><a href="/">Nyumbani</a> <a href="/x">Michezo</a></nav>
<article><h1>Haki za watu</h1><p>{}</p><p>Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake.</p></article>
<footer>Hakimiliki 2020. Haki zote zimehifadhiwa.</footer></body></html>"""
FIRST = "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri."


def test_a_page_is_its_main_text(tmp_path: Path) -> None:
    (found,) = read(tmp_path, PAGE.format(FIRST).encode(), "ukurasa.html")
    assert isinstance(found, Record)
    assert found.place == "ukurasa.html"
    assert found.values["text"].splitlines()[-2:] == [
        FIRST,
        "Kila mtu ana haki ya kuishi, uhuru na usalama wa nafsi yake.",
    ]
    assert "Nyumbani" not in found.values["text"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no_main_text"), (b"<html></html>", "no_main_text"), (b"\x00\xff\xfe" * 50, "unknown_encoding")],
)
def test_a_page_without_main_text_is_a_reject(tmp_path: Path, content: bytes, reason: str) -> None:
    (found,) = read(tmp_path, content, "ukurasa.html")
    assert isinstance(found, Reject)
    assert found.reason == reason
    assert found.excerpt.isprintable()


def test_a_page_of_no_encoding_is_refused_with_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "sivu.html"
    path.write_bytes(PAGE.format("Työ jää yöllä kesken, sillä äiti lähtee töistä.").encode("mac_roman"))
    (found,) = read_records(path, reading=Reading(letters=letters_of("fi")))
    assert isinstance(found, Reject)
    assert (found.reason, found.threshold) == ("unknown_encoding", "a declared encoding")
    assert "letters that are not of fi" in found.value
    assert "kesken" in found.excerpt


def write_warc(path: Path, packed: bool) -> None:
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=packed)
        for kind, body in (
            ("text/html", PAGE.format(FIRST)),
            ("image/png", "PNG"),
            ("text/html; charset=utf-8", "<p></p>"),
        ):
            headers = StatusAndHeaders("200 OK", [("Content-Type", kind)], protocol="HTTP/1.0")
            url = f"https://example.org/{kind[:5]}"
            writer.write_record(
                writer.create_warc_record(url, "response", payload=io.BytesIO(body.encode()), http_headers=headers)
            )


@pytest.mark.parametrize("name", ["crawl.warc", "crawl.warc.gz"])
def test_the_pages_of_a_crawl_are_records_with_their_address(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_warc(path, name.endswith(".gz"))
    first, second = read_records(path)
    assert isinstance(first, Record)
    assert (first.place, first.values["url"]) == (f"{name}:1", "https://example.org/text/")
    assert FIRST in first.values["text"]
    assert isinstance(second, Reject)
    assert (second.place, second.reason) == (f"{name}:3", "no_main_text")


@pytest.mark.parametrize("kind", ["text/html; charset=iso-8859-1", "Text/HTML; Charset=ISO-8859-1"])
def test_a_crawled_page_is_decoded_as_its_server_said(tmp_path: Path, kind: str) -> None:
    path, text = tmp_path / "crawl.warc", "Käsitellyt äänet ja höyryävä löyly: näin yö jää hämärään metsään asti."
    with path.open("wb") as stream:
        for status in ("200 OK", "404 Not Found"):
            headers = StatusAndHeaders(status, [("Content-Type", kind)], protocol="HTTP/1.0")
            body = io.BytesIO(PAGE.format(text).encode("iso-8859-1"))
            writer = WARCWriter(stream, gzip=False)
            writer.write_record(
                writer.create_warc_record("https://example.org", "response", body, http_headers=headers)
            )
    served, missing = read_records(path)
    assert isinstance(served, Record)
    assert text in served.values["text"]
    assert missing == Reject("crawl.warc:2", "not_served", "", "404", "200")


def test_a_crawl_that_ends_too_early_gives_the_pages_before(tmp_path: Path) -> None:
    path = tmp_path / "crawl.warc.gz"
    write_warc(path, packed=True)
    path.write_bytes(path.read_bytes()[:-200])
    found = list(read_records(path))
    assert isinstance(found[0], Record)


def test_a_file_of_another_store_is_read_by_its_url(tmp_path: Path) -> None:
    with fsspec.open("memory://corpus/sw.jsonl", "wb") as stream:
        stream.write(LINES)
    assert len(list(read_records("memory://corpus/sw.jsonl"))) == 3000
