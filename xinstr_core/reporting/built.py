"""What is stored of a language, as its report reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.evaluation.gaps import Gap
from xinstr_core.evaluation.measures import Comparison, Measure, compare
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import Contract, Table, Told
from xinstr_core.schemas.eval_report import EVAL_REPORT, GAPS, MEASURES
from xinstr_core.schemas.shared import Cost
from xinstr_core.settings import EvaluationSettings
from xinstr_core.store import Partition, Store


@dataclass(frozen=True)
class Built:
    """The finished partitions of a language, by asset in the order in which they are made."""

    tag: str
    partitions: Mapping[str, Partition]

    @classmethod
    def of(cls, store: Store, tag: str) -> Built:
        """InputError, in one line, where an asset was never built, cannot be read, or its files are gone."""
        found = {asset: store.get(asset, tag) for asset in CONTRACTS}
        if missing := [asset for asset, partition in found.items() if partition is None]:
            raise InputError(
                f"no report of {tag}: {', '.join(missing)} not built; `xinstr build {tag}` builds what is missing"
            )
        built = cls(tag, {asset: partition for asset, partition in found.items() if partition is not None})
        for partition in built.partitions.values():
            partition.require_whole()
        return built

    @property
    def language(self) -> str:
        """The English name under which it was built, which the registry need not have any more."""
        return str(self.made_of(EVAL_REPORT).get("language", {}).get("name", self.tag))

    def __getitem__(self, contract: Contract[Any]) -> Partition:
        return self.partitions[contract.asset]

    def made_of(self, contract: Contract[Any]) -> dict[str, Any]:
        """What the fingerprint of an asset was made of."""
        return self[contract].made_of

    def settings(self, contract: Contract[Any], section: str) -> dict[str, Any]:
        """A section of the settings that an asset was made with; empty where it does not depend on it."""
        return dict(self.made_of(contract).get("settings", {}).get(section, {}))

    def figures(self, contract: Contract[Told]) -> Told:
        """InputError where another release stored them otherwise."""
        return self[contract].read_figures(contract.figures)

    def read(self, table: Table, *columns: str, where: pl.Expr | None = None) -> pl.DataFrame:
        """Those columns of a table, else all that are declared, of the rows for which `where` holds.

        Null where another release did not store a column, no row where it did not store the table. InputError where a file
        cannot be read.
        """
        partition = self.partitions[table.asset]
        if table.name not in partition.tables:
            return table.schema.to_frame().select(*(columns or table.schema.names()))
        try:
            rows = partition.scan(table.name)
            stored = rows.collect_schema().names()
            wanted = columns or (*table.schema.names(), *(one.name for one in table.columns if one.optional))
            lacking = [pl.lit(None, kind).alias(name) for name, kind in table.schema.items() if name not in stored]
            present = [name for name in wanted if name in stored or name in table.schema]
            return rows.with_columns(lacking).filter(True if where is None else where).select(present).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            said = str(error).splitlines()[0]
            raise InputError(
                f"table {table.name} of {table.asset} of {self.tag} cannot be read ({said}): "
                f"`xinstr build {self.tag} --from {table.asset}` makes it anew"
            ) from None

    @property
    def measures(self) -> list[Measure]:
        return [Measure(**row) for row in self.read(MEASURES).iter_rows(named=True)]

    @property
    def gaps(self) -> list[Gap]:
        return [Gap(**row) for row in self.read(GAPS).drop("clear").iter_rows(named=True)]

    @property
    def comparisons(self) -> list[Comparison]:
        """Base against tuned, measure by measure."""
        return compare(self.measures, self.gaps, self.evaluation)

    @property
    def evaluation(self) -> EvaluationSettings:
        """The settings that it was measured by. InputError where they are those of another release."""
        try:
            return EvaluationSettings.model_validate(self.settings(EVAL_REPORT, "evaluation"))
        except ValueError:
            raise InputError(
                f"{EVAL_REPORT.asset} of {self.tag} was measured by another release: "
                f"`xinstr build {self.tag} --from {EVAL_REPORT.asset}` makes it anew"
            ) from None

    @property
    def is_embedded_world(self) -> bool:
        """Whether its text was generated: then the oracle of that world measured, too."""
        return self.made_of(EVAL_REPORT).get("files", {}).get("gold") is not None

    def costs(self) -> Iterator[tuple[str, Cost]]:
        """What every asset took, as far as somebody measured it. InputError as by `figures`."""
        for asset, partition in self.partitions.items():
            if partition.cost:
                yield asset, Cost.read(partition.cost)

    def behind(self) -> list[str]:
        """Assets that were made of another build of one before them than is stored now: the page mixes two builds."""
        return [
            f"{asset} was made of another build of {taken}"
            for asset, partition in self.partitions.items()
            for taken in partition.behind(self.partitions)
        ]
