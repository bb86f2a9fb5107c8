"""Which rows an export may have: those of the licences that the user accepted by name."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.licences import asked_for, plain_name
from xinstr_core.schemas.seed_pairs import SEEDS


@dataclass(frozen=True)
class LicenceTotal:
    """Rows of one licence, under the name that most of them give it; `sources` of them are different ones."""

    name: str
    rows: int
    sources: int
    accepted: bool
    seeds: int = 0  # of the rows, seed pairs

    @property
    def asks(self) -> str:
        """What it asks for, as far as its name says."""
        return asked_for(self.name)


class LicencesNotAcceptedError(InputError):
    """Nothing is left to train on of some sets, since the licences of their rows were not accepted: `totals` by language.

    `in_vain` is what accepted_in_vain() gives.
    """

    def __init__(self, totals: Mapping[str, Sequence[LicenceTotal]], in_vain: Mapping[str, str]) -> None:
        self.totals = dict(totals)
        self.in_vain = dict(in_vain)
        found = "; ".join(
            f"{tag} has {', '.join(f'{one.rows} of {one.name}' for one in of_set)}" for tag, of_set in totals.items()
        )
        names = dict.fromkeys(one.name for of_set in totals.values() for one in of_set if not one.accepted)
        accept = " ".join(f"--accept-licence {shlex.quote(name)}" for name in names)
        super().__init__(
            f"no row to train on has a licence that was accepted, and nothing was written ({found}): accept those whose terms "
            f"you can keep, as by {accept}"
        )


@dataclass(frozen=True)
class Licensing:
    """Licences of a set's rows as they are spelled, with split, rows and the licence's sources; and which were accepted."""

    counts: pl.DataFrame
    accepted: frozenset[str]

    @classmethod
    def of(cls, counts: pl.DataFrame, accepted: Collection[str]) -> Licensing:
        """`counts` has licence, split, rows, and the licence's sources. However a licence is spelled, it is one."""
        return cls(counts, frozenset(map(plain_name, accepted)))

    @property
    def spellings(self) -> list[str]:
        """How the accepted licences are spelled in the rows."""
        return sorted(name for name in self.counts["licence"].unique() if plain_name(name) in self.accepted)

    @property
    def totals(self) -> list[LicenceTotal]:
        """Every licence, the one of most rows first."""
        found: dict[str, list[tuple[int, str, int]]] = {}
        by_name = self.counts.group_by("licence").agg(pl.col("rows").sum(), pl.col("sources").first()).sort("licence")
        for name, rows, sources in by_name.select("licence", "rows", "sources").iter_rows():
            found.setdefault(plain_name(name), []).append((-rows, name, sources))
        totals = [
            LicenceTotal(
                min(of_one)[1], -sum(rows for rows, _, _ in of_one), sum(s for _, _, s in of_one), key in self.accepted
            )
            for key, of_one in found.items()
        ]
        of_seeds: dict[str, int] = {}
        for name, rows in self.counts.filter(pl.col("split") == SEEDS.name).select("licence", "rows").iter_rows():
            of_seeds[plain_name(name)] = of_seeds.get(plain_name(name), 0) + rows
        totals = [replace(one, seeds=of_seeds.get(plain_name(one.name), 0)) for one in totals]
        return sorted(totals, key=lambda total: (-total.rows, total.name))

    @property
    def left_out(self) -> list[LicenceTotal]:
        return [total for total in self.totals if not total.accepted]

    def rows(self, split: str) -> int:
        """Accepted rows of a split."""
        return int(self.counts.filter(pl.col("split") == split, pl.col("licence").is_in(self.spellings))["rows"].sum())


def accepted_in_vain(sets: Iterable[Licensing], accepted: Collection[str]) -> dict[str, str]:
    """Accepted names that no row of any set has, each with the nearest name that there is, or "" where none is near."""
    there = {plain_name(total.name): total.name for one in sets for total in one.totals}
    found = {}
    for name in accepted:
        if plain_name(name) not in there:
            near = get_close_matches(plain_name(name), there, n=1)
            found[name] = there[near[0]] if near else ""
    return found


def require_rows(sets: Mapping[str, Licensing], split: str, in_vain: Mapping[str, str]) -> None:
    """LicencesNotAcceptedError where a set, by language, has no accepted row of the split."""
    if refused := {tag: one.totals for tag, one in sets.items() if not one.rows(split)}:
        raise LicencesNotAcceptedError(refused, in_vain)
