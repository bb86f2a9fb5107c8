"""A set of one or several languages as a folder that `datasets`, TRL and LLaMA-Factory load, with its card.

README.md            the dataset card; its header tells `datasets` which file is of which config and split
LICENSE.md           rows by licence, with whom to name
dataset_info.json    the same files for LLaMA-Factory
<tag>/build.json     what every stage of the language was made of
<tag>/<config>/<split>.parquet and .jsonl
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import polars as pl

from xinstr_core.disk import full_disk_told
from xinstr_core.errors import InputError
from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.exporting.card import CARD_FILE, dataset_card, licences_page
from xinstr_core.exporting.facts import SetFacts
from xinstr_core.exporting.formats import as_alpaca, as_alpaca_preferences, as_chat, as_preferences
from xinstr_core.exporting.header import LICENCES_FILE
from xinstr_core.exporting.licensing import LicenceTotal, Licensing, accepted_in_vain, require_rows
from xinstr_core.exporting.llama_factory import LLAMA_FACTORY_FILE, llama_factory_info
from xinstr_core.exporting.split_files import SplitFiles, WrittenSplit
from xinstr_core.exporting.stored_rows import StoredRows
from xinstr_core.files import appearing_folder, write_text
from xinstr_core.progress import Progress, silent
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.diversified_set import HELD_OUT, SELECTED, TRAIN
from xinstr_core.schemas.export import ALPACA, ALPACA_PREFERENCES, CHAT, PREFERENCES, SEED_CHAT, VERSIONED
from xinstr_core.workspace import Workspace

_Format = tuple[Table, Callable[[pl.DataFrame], pl.DataFrame]]
_PAIRS: Sequence[_Format] = ((CHAT, as_chat), (ALPACA, as_alpaca))
_TRIPLES: Sequence[_Format] = ((PREFERENCES, as_preferences), (ALPACA_PREFERENCES, as_alpaca_preferences))
_SEEDS: Sequence[_Format] = ((SEED_CHAT, as_chat),)
_SPILL = ".spill"
_SOURCES_NAMED = 1000  # of a licence, on its page; every row names its own


@dataclass(frozen=True)
class ExportedLanguage:
    """What was written of a language: splits by table, licences with those left out, and triples that were left out."""

    tag: str
    splits: Sequence[tuple[Table, WrittenSplit]]
    licences: Sequence[LicenceTotal]
    triples_left_out: int


@dataclass(frozen=True)
class Exported:
    """What was written where; `in_vain` is what accepted_in_vain() gives."""

    folder: Path
    languages: Sequence[ExportedLanguage]
    in_vain: Mapping[str, str]


@dataclass
class _Written:
    """What is written of a language, as it grows."""

    facts: SetFacts
    root: Path
    progress: Progress
    splits: list[tuple[Table, WrittenSplit]] = field(default_factory=list)
    sources: pl.DataFrame = field(default_factory=pl.DataFrame)
    example: dict[str, object] = field(default_factory=dict)
    triples_left_out: int = 0
    seeds_by_origin: Mapping[str, int] = field(default_factory=dict)
    done: int = 0

    def add(self, formats: Sequence[_Format], split: str, batches: Iterator[pl.DataFrame]) -> None:
        """A split in some formats; where there is no row nothing is written."""
        first = next(batches, None)
        if first is None:
            return
        files = [(SplitFiles(self.root / self.facts.tag / table.name, split, table), made) for table, made in formats]
        for batch in chain([first], batches):
            for one, made in files:
                one.write(made(batch))
            if not self.example:
                self.example = batch.row(0, named=True)
            if formats is _PAIRS:
                self.done += len(batch)
                self.progress(self.done, sum(self.facts.rows.values()), doing="writing pairs")
        for (table, _), (one, _) in zip(formats, files, strict=True):
            one.close()
            self.splits.append((table, one.written(self.root)))


def export_dataset(
    workspace: Workspace,
    tags: Collection[str],
    folder: Path,
    *,
    accepted_licences: Collection[str] = (),
    with_seeds: bool = False,
    progress: Callable[[str], Progress] = lambda tag: silent,
) -> Exported:
    """Write the sets of some languages into a folder that is new or empty. The same sets give the same bytes.

    Only rows of accepted licences are written, however these are spelled: LicencesNotAcceptedError where none of a
    language's rows for training is. InputError for a set that is not built, has no rows or is of another release, for a folder
    that is not empty, and where the disk is full; SettingsError for a language that is not registered. Then nothing is
    written: the folder appears when it is whole. `progress` gives a language its Progress.
    """
    if not tags:
        raise InputError("name a language to export")
    sets = [BuiltSet.find(workspace, tag) for tag in sorted(set(tags))]
    for built in sets:
        if not built.rows_of(SELECTED):
            raise InputError(f"the set of {built.tag} has no rows: its report, or xinstr status, says where they went")
    with full_disk_told(folder.parent), appearing_folder(folder) as unfinished:
        facts = [
            SetFacts(built, workspace.home, _licensing(built, unfinished, accepted_licences, with_seeds))
            for built in sets
        ]
        in_vain = accepted_in_vain([one.licensing for one in facts], accepted_licences)
        require_rows({one.tag: one.licensing for one in facts}, TRAIN, in_vain)
        written = [_write(one, unfinished, with_seeds, progress(one.tag)) for one in facts]
        shutil.rmtree(unfinished / _SPILL, ignore_errors=True)
        by_tag = {one.facts.tag: one.splits for one in written}
        sources = {one.facts.tag: one.sources for one in written}
        examples = [one.example for one in written]
        seeds = {one.facts.tag: one.seeds_by_origin for one in written}
        card = dataset_card(facts, by_tag, sources, examples, seeds if with_seeds else None)
        write_text(unfinished / CARD_FILE, card)
        write_text(unfinished / LICENCES_FILE, licences_page(facts, sources))
        write_text(unfinished / LLAMA_FACTORY_FILE, llama_factory_info(by_tag))
    return Exported(
        folder,
        [
            ExportedLanguage(one.facts.tag, one.splits, one.facts.licensing.totals, one.triples_left_out)
            for one in written
        ],
        in_vain,
    )


def _licensing(built: BuiltSet, folder: Path, accepted: Collection[str], with_seeds: bool) -> Licensing:
    with StoredRows(built, folder / _SPILL, {}) as rows:
        return Licensing.of(rows.licences(seeds=with_seeds), accepted)


def _write(facts: SetFacts, root: Path, with_seeds: bool, progress: Progress) -> _Written:
    written = _Written(facts, root, progress)
    with StoredRows(facts.built, root / _SPILL, _constants(facts)) as rows:
        rows.accept(facts.licensing.spellings)
        for split in (TRAIN, HELD_OUT):
            written.add(_PAIRS, split, rows.pairs(split))
            written.add(_TRIPLES, split, rows.triples(split, seeds=with_seeds))
        if with_seeds:
            written.add(_SEEDS, TRAIN, rows.seeds())
            written.seeds_by_origin = rows.seeds_by_origin()
        written.sources = rows.sources(_SOURCES_NAMED, seeds=with_seeds)
        written.triples_left_out = rows.triples_left_out(seeds=with_seeds)
    build = json.dumps(facts.build, ensure_ascii=False, indent=1, sort_keys=True)
    write_text(root / facts.tag / "build.json", f"{build}\n")
    return written


def _constants(facts: SetFacts) -> Mapping[str, str]:
    """What every row of a language has."""
    return {
        "base_model": facts.base.name,
        "base_model_fingerprint": facts.base_fingerprint,
        "xinstr_version": version("xinstr"),
        **{f"{asset}_version": facts.built.parts[asset].version for asset in VERSIONED},
    }
