from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.sources import beside, file_identity, files_of, identity_of, records_of
from xinstr_core.errors import InputError
from xinstr_core.languages import CorpusSource


def source(path: Path | str, **values: Any) -> CorpusSource:
    return CorpusSource(path=str(path), **values)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["sw.jsonl", "sw.parquet", "sw.txt", "sw.jsonl.gz", "sw.html", "sw.warc.gz"])
def test_an_input_is_the_file_itself_or_the_languages_file_in_a_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    assert files_of(source(path), "sw") == [str(path)]
    assert files_of(source(tmp_path), "sw") == [str(path)]


def test_jsonl_comes_before_other_kinds_in_a_folder(tmp_path: Path) -> None:
    for suffix in (".txt", ".parquet", ".jsonl"):
        (tmp_path / f"sw{suffix}").write_bytes(b"x")
    assert files_of(source(tmp_path), "sw") == [str(tmp_path / "sw.jsonl")]


def test_a_missing_input_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        files_of(source(tmp_path), "sw", "seeds")
    assert str(caught.value) == (
        f"no seeds file for 'sw': looked for {tmp_path}/sw.jsonl, {tmp_path}/sw.parquet, {tmp_path}/sw.txt"
        f"; a pattern takes files of other names: {tmp_path}/*.jsonl"
    )
    with pytest.raises(InputError, match=r"no corpus file for 'sw': looked for .*/other\.jsonl$"):
        files_of(source(tmp_path / "other.jsonl"), "sw")


def test_an_empty_input_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "sw.jsonl").write_bytes(b"")
    with pytest.raises(InputError, match=r"corpus file .*sw\.jsonl is empty: give a file with records"):
        files_of(source(tmp_path), "sw")


def test_a_folder_named_like_a_file_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "sw.jsonl").mkdir()
    with pytest.raises(InputError, match="no corpus file for 'sw'"):
        files_of(source(tmp_path), "sw")


@pytest.mark.parametrize(("name", "shown"), [("sw.xlsx", r"\.xlsx"), ("sw", "a file without suffix")])
def test_a_file_whose_name_tells_no_format_needs_a_reader(tmp_path: Path, name: str, shown: str) -> None:
    path = write(tmp_path / name, {"text": "a"})
    with pytest.raises(InputError, match=rf"cannot read {shown}; known: \.jsonl, \.parquet, \.txt"):
        files_of(source(path), "sw")
    assert list(records_of(source(path, reader="jsonl"), "sw")) == [Record(f"{name}:1", {"text": "a"})]


def test_a_folder_of_files_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "a/3.jsonl.gz", "a/1.jsonl"):
        write(tmp_path / name, {"text": name})
    (tmp_path / "a" / "notes.md").write_text("x", "utf-8")
    found = [
        record.values["text"]
        for record in records_of(source(tmp_path, reader="jsonl"), "sw")
        if isinstance(record, Record)
    ]
    assert sorted(found) == ["a/1.jsonl", "a/3.jsonl.gz", "b/2.jsonl"]
    assert found == [f.split(f"{tmp_path}/")[1] for f in files_of(source(tmp_path, reader="jsonl"), "sw")]


def test_a_pattern_names_files(tmp_path: Path) -> None:
    for number in (2, 1, 3):
        write(tmp_path / f"part-{number}.jsonl", {"text": str(number)})
    write(tmp_path / "other.jsonl", {"text": "x"})
    found = records_of(source(tmp_path / "part-*.jsonl"), "sw")
    assert [one.values["text"] for one in found if isinstance(one, Record)] == ["1", "2", "3"]


def test_fields_of_other_names_are_read_under_ours(tmp_path: Path) -> None:
    path = write(tmp_path / "sw.jsonl", {"content": "habari", "link": "u", "text": "not this", "licence": "l"})
    (found,) = records_of(source(path, text="content", url="link", source="domain"), "sw")
    assert found == Record("sw.jsonl:1", {"text": "habari", "url": "u", "licence": "l"})


def test_nothing_is_handed_on_but_texts_of_fields_that_are_needed(tmp_path: Path) -> None:
    deep: Any = "deep"
    for _ in range(400):
        deep = [deep]
    rows = [{"text": "a", "url": 3, "meta": deep}, {"text": deep}, {"content": "b", "meta": deep}]
    first, second, third = records_of(source(write(tmp_path / "sw.jsonl", *rows)), "sw")
    assert first == Record("sw.jsonl:1", {"text": "a"})
    assert isinstance(second, Reject)
    assert (second.reason, second.value, second.threshold) == ("no_text", "list", "text")
    assert isinstance(third, Reject)
    assert (third.reason, third.value, third.threshold) == ("no_text", "NoneType", "text")
    assert third.excerpt.startswith("{'content': 'b', 'meta': [[")
    assert len(third.excerpt) <= 200


def test_of_a_table_without_the_text_a_reject_shows_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "sw.parquet"
    pq.write_table(pa.table({"content": ["habari"], "licence": ["l"]}), path)
    (found,) = records_of(source(path), "sw")
    assert found == Reject("sw.parquet:1", "no_text", "{'content': 'habari', 'licence': 'l'}", "NoneType", "text")
    assert list(records_of(source(path, text="content"), "sw")) == [
        Record("sw.parquet:1", {"text": "habari", "licence": "l"})
    ]


def test_a_broken_file_costs_itself_alone(tmp_path: Path) -> None:
    write(tmp_path / "1.jsonl", {"text": "a"})
    (tmp_path / "2.jsonl.gz").write_bytes(gzip.compress(os.urandom(9999))[:500])
    write(tmp_path / "3.jsonl", {"text": "b"})
    found = list(records_of(source(tmp_path, reader="jsonl"), "sw"))
    assert [one.values["text"] for one in found if isinstance(one, Record)] == ["a", "b"]
    assert [one.reason for one in found if isinstance(one, Reject)][-1] == "broken_file"


def test_the_identity_follows_the_text_and_the_fields_and_not_the_place(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a" / "sw.jsonl", {"text": "a"}), write(tmp_path / "b" / "sw.jsonl", {"text": "a"})
    assert identity_of(source(one), "sw") == identity_of(source(other), "sw")
    assert identity_of(source(one, text="body"), "sw") != identity_of(source(one), "sw")
    write(other, {"text": "b"})
    assert identity_of(source(one), "sw") != identity_of(source(other), "sw")


@pytest.mark.parametrize(
    ("name", "same"), [("b.jsonl", True), ("b.ndjson", True), ("b.txt", False), ("b.jsonl.gz", False)]
)
def test_the_identity_follows_how_a_file_is_read(tmp_path: Path, name: str, same: bool) -> None:
    one = write(tmp_path / "a.jsonl", {"text": "a"})
    other = tmp_path / name
    other.write_bytes(one.read_bytes())
    assert (identity_of(source(one), "sw") == identity_of(source(other), "sw")) is same
    assert (file_identity(one) == file_identity(other)) is same
    assert identity_of(source(one, reader="text"), "sw") != identity_of(source(one), "sw")


def test_text_of_another_store_is_found_by_its_url() -> None:
    with fsspec.open("memory://swahili/sw.jsonl", "wb") as stream:
        stream.write(b'{"text": "habari"}\n')
    (found,) = records_of(source("memory://swahili"), "sw")
    assert found == Record("sw.jsonl:1", {"text": "habari"})
    before = identity_of(source("memory://swahili"), "sw")
    with fsspec.open("memory://swahili/sw.jsonl", "wb") as stream:
        stream.write(b'{"text": "habari nyingine"}\n')
    assert identity_of(source("memory://swahili"), "sw") != before


def test_only_relative_paths_are_taken_from_the_registrys_folder(tmp_path: Path) -> None:
    assert beside(source("corpus/"), tmp_path).path == f"{tmp_path}/corpus"
    assert beside(source("/corpus"), tmp_path).path == "/corpus"
    assert beside(source("s3://bucket/sw"), tmp_path).path == "s3://bucket/sw"
    assert beside(source("owner/name", reader="hub"), tmp_path).path == "owner/name"


def test_a_dataset_in_the_hubs_layout_is_streamed(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    write(tmp_path / "train.jsonl", {"text": "habari", "url": "u"}, {"text": "nyingine", "url": "v"})
    found = list(records_of(source(tmp_path, reader="hub"), "sw"))
    assert [one.values["text"] for one in found if isinstance(one, Record)] == ["habari", "nyingine"]
    assert found[0].place.endswith(":1")


def test_a_dataset_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(InputError, match="hub dataset"):
        list(records_of(source(tmp_path / "nothing", reader="hub"), "sw"))


def test_a_page_is_decoded_by_the_letters_of_the_script_that_the_language_is_written_in(tmp_path: Path) -> None:
    text = "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。" * 3
    path = tmp_path / "zh.html"
    path.write_bytes(f"<html><body><article><p>{text}</p></article></body></html>".encode("big5hkscs"))
    (found,) = records_of(source(path), "zh", script="Hant")
    assert isinstance(found, Record)
    assert found.values["text"] == text
