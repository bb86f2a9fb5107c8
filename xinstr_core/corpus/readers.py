"""Readers: local JSONL, Parquet and text files, streamed as records or as rejects with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xinstr_core.errors import InputError

MAXIMUM_LINE_BYTES = 1_000_000  # a line is one document; the longest of 12,783 real ones has 16 kB
SUFFIXES = (".jsonl", ".parquet", ".txt")


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


def resolve_input(path: Path, language: str, what: str) -> Path:
    """The file of a language: the path itself, or `<path>/<language>.<suffix>`. InputError when there is none."""
    if path.is_file() and path.suffix not in SUFFIXES:
        raise InputError(
            f"{what} file {path}: cannot read {path.suffix or 'a file without suffix'}; known: {', '.join(SUFFIXES)}"
        )
    candidates = [path] if path.suffix in SUFFIXES else [path / f"{language}{suffix}" for suffix in SUFFIXES]
    for candidate in candidates:
        if candidate.is_file():
            if candidate.stat().st_size == 0:
                raise InputError(f"{what} file {candidate} is empty: give a file with records")
            return candidate
    names = ", ".join(str(candidate) for candidate in candidates)
    raise InputError(f"no {what} file for {language!r}: looked for {names}")


def read_records(path: Path) -> Iterator[Record | Reject]:
    """Every record of the file, in order, with bounded memory. Text files hold one document a blank-line-separated block."""
    match path.suffix:
        case ".jsonl":
            yield from _read_jsonl(path)
        case ".parquet":
            yield from _read_parquet(path)
        case ".txt":
            yield from _read_text(path)
        case other:
            raise InputError(f"{path}: cannot read {other or 'a file without suffix'}; known: {', '.join(SUFFIXES)}")


def _lines(path: Path) -> Iterator[tuple[str, str | Reject]]:
    """Decoded lines. A line that is too long or not UTF-8 becomes a reject; the rest of the file goes on."""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAXIMUM_LINE_BYTES + 1):
            number += 1
            place = f"{path.name}:{number}"
            if len(line) > MAXIMUM_LINE_BYTES:
                size = len(line)
                while not line.endswith(b"\n") and (line := stream.readline(MAXIMUM_LINE_BYTES)):
                    size += len(line)
                yield place, Reject(place, "line_too_long", "", f"{size} bytes", f"{MAXIMUM_LINE_BYTES} bytes")
                continue
            try:
                yield place, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                yield place, Reject(place, "not_utf8", line.decode("utf-8", "replace")[:200], str(error.reason))


def _read_jsonl(path: Path) -> Iterator[Record | Reject]:
    for place, line in _lines(path):
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


def _read_parquet(path: Path) -> Iterator[Record | Reject]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        for batch_number, batch in enumerate(file.iter_batches(batch_size=1000)):
            for number in range(batch.num_rows):
                place = f"{path.name}:{batch_number * 1000 + number + 1}"
                try:
                    yield Record(place, batch.slice(number, 1).to_pylist()[0])
                except UnicodeDecodeError as error:
                    yield Reject(place, "not_utf8", "", str(error.reason))
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): write it again") from error


def _read_text(path: Path) -> Iterator[Record | Reject]:
    block: list[str] = []
    start = ""
    for place, line in _lines(path):
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
