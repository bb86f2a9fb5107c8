"""Files by their very names: what a shell or fsspec takes for a pattern or a chain is a name like any other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xinstr_core.corpus.addresses import matching
from xinstr_core.corpus.readers import Record, read_records
from xinstr_core.corpus.sources import beside, files_of, identity_of, records_of
from xinstr_core.errors import InputError
from xinstr_core.languages import CorpusSource

LINE = b'{"text": "habari"}\n'
ODD = ["pro [j]", "what?", "all*", "a::b", "~", "{x}", "100%", "a b", "é", "#"]


def written(path: Path | bytes) -> Path:
    place = Path(os.fsdecode(path))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(LINE)
    return place


def texts(path: Path | str, **values: str) -> list[str]:
    found = records_of(CorpusSource(path=str(path), **values), "sw")
    return [f"{one.place} {one.values['text']}" for one in found if isinstance(one, Record)]


@pytest.mark.parametrize("name", ODD)
def test_a_folder_and_a_file_may_be_called_as_they_like(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    written(folder / "sw.jsonl")
    written(folder / f"{name}.jsonl")
    written(folder / "parts" / "1.jsonl")
    assert texts(folder) == ["sw.jsonl:1 habari"]
    assert texts(folder / f"{name}.jsonl") == [f"{name}.jsonl:1 habari"]
    assert texts(folder / "parts" / "*.jsonl") == ["1.jsonl:1 habari"]
    assert texts(folder / "parts", reader="jsonl") == ["1.jsonl:1 habari"]
    assert texts(beside(CorpusSource(path="parts/[0-9].js*"), folder).path) == ["1.jsonl:1 habari"]
    assert identity_of(CorpusSource(path=str(folder)), "sw") == identity_of(
        CorpusSource(path=str(folder / "sw.jsonl")), "sw"
    )
    with pytest.raises(InputError, match=r"looked for .*/nothing/sw\.jsonl, "):
        files_of(CorpusSource(path=str(folder / "nothing")), "sw")


def test_a_pattern_goes_no_deeper_than_it_says(tmp_path: Path) -> None:
    for name in ("1.jsonl", "a/2.jsonl", "a/b/3.jsonl", "a/b/3.txt", ".hidden.jsonl"):
        written(tmp_path / name)
    found = {pattern: [path[len(str(tmp_path)) + 1 :] for path in matching(f"{tmp_path}/{pattern}")] for pattern in (
        "*.jsonl", "*/*.jsonl", "**/*.jsonl", "?.jsonl", "a/[a-c]/*", "none*/*.jsonl"
    )}  # fmt: skip
    assert found == {
        "*.jsonl": [".hidden.jsonl", "1.jsonl"],
        "*/*.jsonl": ["a/2.jsonl"],
        "**/*.jsonl": [".hidden.jsonl", "1.jsonl", "a/2.jsonl", "a/b/3.jsonl"],
        "?.jsonl": ["1.jsonl"],
        "a/[a-c]/*": ["a/b/3.jsonl", "a/b/3.txt"],
        "none*/*.jsonl": [],
    }
    with pytest.raises(InputError, match=r"a\*\*: Invalid pattern"):
        matching(f"{tmp_path}/a**")


def test_a_name_that_is_not_utf8_is_shown_with_a_mark(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in (b"p\xe41.jsonl", b"p\xe42.jsonl"):
        written(folder + b"/" + name)
    page = "<html><body><article><p>Habari za asubuhi ni nzuri sana leo.</p></article></body></html>"
    Path(os.fsdecode(folder + b"/\xe4.html")).write_text(page, "utf-8")
    assert texts(tmp_path / "*.jsonl") == ["p\ufffd1.jsonl:1 habari", "p\ufffd2.jsonl:1 habari"]
    (found,) = read_records(os.fsdecode(folder + b"/\xe4.html"))
    assert isinstance(found, Record)
    assert (found.place, found.values["url"]) == ("\ufffd.html", f"{tmp_path}/\ufffd.html")


def test_a_link_to_itself_is_no_file_and_a_folder_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    written(tmp_path / "folder" / "1.jsonl")
    (tmp_path / "folder" / "again").symlink_to(".")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    assert texts(tmp_path / "folder" / "**" / "*.jsonl") == ["1.jsonl:1 habari"]
    for path in ("loop.jsonl", "loop*.jsonl"):
        with pytest.raises(InputError, match=r"no corpus file for 'sw': looked for .*/loop.jsonl"):
            files_of(CorpusSource(path=str(tmp_path / path)), "sw")
