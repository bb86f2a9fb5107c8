"""The set of a language as it was built: the partitions that belong together, each of this release and whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xinstr_core.errors import InputError
from xinstr_core.exporting.intact import require_intact
from xinstr_core.languages import Language
from xinstr_core.pocket.world import WORLDS
from xinstr_core.schemas import CONTRACTS, candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Contract, Table, Told
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, SELECTED
from xinstr_core.schemas.eval_report import EVAL_REPORT, GAPS, MEASURES
from xinstr_core.schemas.raw_corpus import DOCUMENTS, RAW_CORPUS
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.schemas.tuned_model import PREFERENCES, TRAINING_ROWS, TUNED_MODEL
from xinstr_core.settings import Settings
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace

_LATER: tuple[Contract[Any], ...] = (TUNED_MODEL, EVAL_REPORT)
_NEEDED = [contract for contract in CONTRACTS.values() if contract not in _LATER]
_READ = (
    DOCUMENTS,
    SEEDS,
    candidate_pairs.PAIRS,
    refined_pairs.PAIRS,
    SELECTED,
    TRAINING_ROWS,
    PREFERENCES,
    MEASURES,
    GAPS,
)


@dataclass(frozen=True)
class BuiltSet:
    """`parts` are the partitions by asset: all up to the selection, and what was made of it as far as it was."""

    language: Language
    settings: Settings
    parts: Mapping[str, Partition]

    @classmethod
    def find(cls, workspace: Workspace, tag: str) -> BuiltSet:
        """SettingsError for a language that is not registered; InputError, with what to run, for a set that is not built,
        is of another release, is no longer what was stored, or whose parts were built anew since."""
        language = workspace.language(tag)
        parts = {contract.asset: _needed(workspace, contract, tag) for contract in _NEEDED}
        for asset, part in parts.items():
            if behind := part.behind(parts):
                raise InputError(
                    f"{behind[0]} of {tag} was built anew since {asset} was made of it: xinstr build {tag} --to {DIVERSIFIED_SET.asset} "
                    "brings them together"
                )
        for contract in _LATER:
            later = workspace.store.get(contract.asset, tag)
            if later is None or not _declares(later, contract) or later.behind(parts):
                break  # it says nothing of this set, and what was made of it neither
            require_intact(later, tables=_read_of(contract))
            parts[contract.asset] = later
        return cls(language, workspace.settings(language), parts)

    @property
    def tag(self) -> str:
        return self.language.tag

    @property
    def is_generated(self) -> bool:
        """Whether the text is of an embedded world."""
        return self.part(RAW_CORPUS).built.get("corpus") in WORLDS

    def has(self, contract: Contract[Any]) -> bool:
        """Whether a model was tuned on this very set, or a report written of that model."""
        return contract.asset in self.parts

    def part(self, contract: Contract[Any]) -> Partition:
        return self.parts[contract.asset]

    def figures(self, contract: Contract[Told]) -> Told:
        return self.part(contract).read_figures(contract.figures)

    def rows_of(self, table: Table) -> int:
        return int(self.parts[table.asset].tables[table.name]["rows"])


def _needed(workspace: Workspace, contract: Contract[Any], tag: str) -> Partition:
    part = workspace.store.get(contract.asset, tag)
    if part is None:
        raise InputError(f"{tag} has no {contract.asset} yet: xinstr build {tag} --to {DIVERSIFIED_SET.asset}")
    part.read_figures(contract.figures)
    if other := _other_tables(part, contract):
        raise InputError(
            f"table {other} of {contract.asset} is of another release: xinstr build {tag} --from {contract.asset} makes it anew"
        )
    require_intact(part, tables=_read_of(contract))
    return part


def _read_of(contract: Contract[Any]) -> list[str]:
    """The tables of an asset that are read."""
    return [table.name for table in _READ if table.asset == contract.asset]


def _declares(part: Partition, contract: Contract[Any]) -> bool:
    """Whether figures and tables that are read are as this release declares them."""
    try:
        part.read_figures(contract.figures)
    except InputError:
        return False
    return not _other_tables(part, contract)


def _other_tables(part: Partition, contract: Contract[Any]) -> str:
    """The first table that is read and was stored without a column that every such table has; empty for none."""
    for table in (table for table in _READ if table.asset == contract.asset):
        stored = part.tables.get(table.name)
        if stored is None or not set(table.schema) <= stored["schema"].keys():
            return table.name
    return ""
