"""Where a language's text comes from: one declaration that names reader, place and fields, and its records as a stream."""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from xinstr_core.corpus.addresses import filesystem_of, is_local, is_pattern, matching
from xinstr_core.corpus.encodings import letters_of
from xinstr_core.corpus.packing import COMPRESSIONS, packing_of
from xinstr_core.corpus.readers import KNOWN_ENDINGS, SUFFIXES, TEXT, Reading, Record, Reject, format_of, read_records
from xinstr_core.errors import InputError
from xinstr_core.identity import file_hash, fingerprint
from xinstr_core.languages import CorpusSource

HUB = "hub"


def beside(source: CorpusSource, folder: Path) -> CorpusSource:
    """The source with a relative path taken from a folder; URLs and hub datasets as they are."""
    if not is_local(source.path) or (source.reader == HUB and not (folder / source.path).exists()):
        return source
    return source.model_copy(update={"path": str(folder / source.path)})


def files_of(source: CorpusSource, language: str, what: str = "corpus") -> list[str]:
    """Addresses of the files, in order. InputError says where one was looked for.

    A folder holds `<language>.<suffix>` or, where it has none such, files of the declared reader.
    """
    if source.reader == HUB:
        return []
    found = _found(source, language)
    if not found:
        tried = _looked_for(source, language)
        other = f"; a pattern takes files of other names: {source.path.rstrip('/')}/*.jsonl" if len(tried) > 1 else ""
        raise InputError(f"no {what} file for {language!r}: looked for {', '.join(tried)}{other}")
    for address in found:
        if is_local(address) and not Path(address).is_file():  # a pattern also finds links that lead nowhere
            raise InputError(f"no {what} file for {language!r}: looked for {address}, a link that leads to no file")
        if not source.reader and format_of(address) is None:
            suffix = PurePosixPath(address).suffix or "a file without suffix"
            raise InputError(f"{what} file {address}: cannot read {suffix}; known: {KNOWN_ENDINGS}")
        if len(found) == 1 and filesystem_of(address)[0].size(address) == 0:
            raise InputError(f"{what} file {address} is empty: give a file with records")
    return found


def _found(source: CorpusSource, language: str) -> list[str]:
    if is_pattern(source.path):
        return matching(source.path)
    filesystem, place = filesystem_of(source.path)
    if filesystem.isdir(place):
        return _in_folder(source, language)
    return [source.path] if filesystem.isfile(place) else []


def identity_of(source: CorpusSource, language: str) -> str:
    """A hash that changes when the text does. Of files elsewhere, what their store says of them."""
    if source.reader == HUB:
        return fingerprint(source.model_dump())
    hashes = []
    for address in files_of(source, language):
        filesystem, place = filesystem_of(address)
        local = "file" in (filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,))
        content = file_hash(Path(place)) if local else str(filesystem.ukey(place))
        hashes.append(f"{content} {_read_as(address, source.reader)}")
    return fingerprint({"files": hashes, "fields": source.model_dump(exclude={"path"})})


def file_identity(path: Path) -> str:
    """A hash of a file that is read as its name says, which changes when its content does or how it is read."""
    return f"{file_hash(path)} {_read_as(str(path))}".rstrip()


def _read_as(address: str, reader: str | None = None) -> str:
    """The format and packing in which a file is read; empty where its name tells none."""
    return f"{reader or format_of(address) or ''}{packing_of(address)}"


def records_of(
    source: CorpusSource,
    language: str,
    own_words: Iterable[str] = (),
    passed_over: Counter[str] | None = None,
    script: str = "",
) -> Iterator[Record | Reject]:
    """Every record, with the fields text, source, url and licence alone, as far as they are texts.

    `own_words` have letters of the language, beside those that are known of it, and `script` is what it is written in,
    where the tag does not tell; `passed_over` takes the numbers of what
    in archives is no page, by type.
    """
    fields = {TEXT: source.text, "source": source.source, "url": source.url, "licence": source.licence}
    counter = Counter[str]() if passed_over is None else passed_over
    reading = Reading(fields, letters_of(language, own_words, script), counter)
    if source.reader == HUB:
        yield from _hub_records(source, reading)
    files = files_of(source, language)
    root = os.path.commonpath([os.path.dirname(address) for address in files]) if len(files) > 1 else None  # noqa: PTH120
    for address in files:
        yield from read_records(address, source.reader, os.path.relpath(address, root) if root else None, reading)


def _in_folder(source: CorpusSource, language: str) -> list[str]:
    own = [f"{source.path.rstrip('/')}/{name}" for name in _names(source, language)]
    existing = [address for address in own if filesystem_of(address)[0].isfile(address)]
    if existing:
        return existing[:1]
    suffixes = [suffix for suffix in SUFFIXES if source.reader and format_of(f"x{suffix}") == source.reader]
    return sorted(
        f
        for suffix in suffixes
        for c in ("", *COMPRESSIONS)
        for f in matching(f"{source.path.rstrip('/')}/**/*{suffix}{c}")
    )


def _names(source: CorpusSource, language: str) -> list[str]:
    suffixes = [suffix for suffix in SUFFIXES if source.reader in (None, format_of(f"x{suffix}"))]
    return [f"{language}{suffix}{compression}" for suffix in suffixes for compression in ("", *COMPRESSIONS)]


def _looked_for(source: CorpusSource, language: str) -> list[str]:
    if is_pattern(source.path) or source.reader or Path(source.path).suffix:
        return [source.path]
    commonest = SUFFIXES[:3]
    return [f"{source.path.rstrip('/')}/{language}{suffix}" for suffix in commonest]


def _hub_records(source: CorpusSource, reading: Reading) -> Iterator[Record | Reject]:
    """Records of a dataset of the Hugging Face hub, or of a local folder in its layout, streamed."""
    try:
        import datasets
    except ImportError:
        raise InputError("reader 'hub' needs the package datasets: pip install 'xinstr[hub]'") from None
    dataset, config, split = source.path, source.config, source.split
    try:
        rows: Any = datasets.load_dataset(dataset, config, split=split, streaming=True)
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"hub dataset {dataset!r} ({config}, {split}): {str(error).splitlines()[0]}") from error
    if rows.column_names:  # unknown before the first row is read where the dataset does not declare them
        rows = rows.select_columns(reading.columns(rows.column_names))
    for number, row in enumerate(rows, 1):
        yield reading.record(f"{dataset}:{number}", dict(row))
