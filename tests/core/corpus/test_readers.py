from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xinstr_core.corpus.readers import MAXIMUM_LINE_BYTES, Record, Reject, read_records, resolve_input
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


def test_a_parquet_file_without_rows_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    assert list(read_records(path)) == []


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "overwritten"])
def test_a_broken_parquet_file_is_an_input_error(tmp_path: Path, damage: str) -> None:
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
    with pytest.raises(InputError, match=r"sw\.parquet cannot be read as Parquet \("):
        list(read_records(path))


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


@pytest.mark.parametrize(
    ("name", "shown"), [("sw.csv", r"\.csv"), ("sw", "a file without suffix"), ("sw.JSONL", r"\.JSONL")]
)
def test_a_file_of_unknown_kind_lists_the_known_ones(tmp_path: Path, name: str, shown: str) -> None:
    with pytest.raises(InputError, match=rf"cannot read {shown}; known: \.jsonl, \.parquet, \.txt"):
        read(tmp_path, b"x", name)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".txt"])
def test_an_input_is_the_file_itself_or_the_languages_file_in_a_folder(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sw{suffix}"
    path.write_bytes(b"x")
    assert resolve_input(path, "sw", "corpus") == path
    assert resolve_input(tmp_path, "sw", "corpus") == path


def test_jsonl_comes_before_other_kinds_in_a_folder(tmp_path: Path) -> None:
    for suffix in (".txt", ".parquet", ".jsonl"):
        (tmp_path / f"sw{suffix}").write_bytes(b"x")
    assert resolve_input(tmp_path, "sw", "corpus") == tmp_path / "sw.jsonl"


def test_a_missing_input_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve_input(tmp_path, "sw", "seeds")
    assert str(caught.value) == (
        f"no seeds file for 'sw': looked for {tmp_path}/sw.jsonl, {tmp_path}/sw.parquet, {tmp_path}/sw.txt"
    )
    with pytest.raises(InputError, match=r"no corpus file for 'sw': looked for .*/other\.jsonl$"):
        resolve_input(tmp_path / "other.jsonl", "sw", "corpus")


def test_an_empty_input_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "sw.jsonl").write_bytes(b"")
    with pytest.raises(InputError, match=r"corpus file .*sw\.jsonl is empty: give a file with records"):
        resolve_input(tmp_path, "sw", "corpus")


def test_a_folder_named_like_a_file_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "sw.jsonl").mkdir()
    with pytest.raises(InputError, match="no corpus file for 'sw'"):
        resolve_input(tmp_path, "sw", "corpus")
