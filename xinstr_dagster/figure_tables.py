"""Figures that are made of figures, as the tables that a reader expects: what is alike stands beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from xinstr_core.history import leaves
from xinstr_core.schemas.declaration import Declared, FigureDeclaration, declarations
from xinstr_core.schemas.diversified_set import DiversityFigures
from xinstr_core.schemas.metrics import TUNED

Rows = list[dict[str, object]]


def figure_rows(stored: Any, kinds: Sequence[type[Declared]]) -> Rows:
    """A stored figure of several values as rows; `kinds` declare what it is made of, for their labels.

    Several of one kind, each with the same figures (the engine of every role, every construction), are one table with the
    longer side down the page. What is nothing of all of them is left out: prices and GPU seconds where there are none.
    """
    named = (
        {str(number): one for number, one in enumerate(stored, start=1)} if isinstance(stored, list) else stored or {}
    )
    if not named or not all(isinstance(one, Mapping) for one in named.values()):
        return [{"figure": name.removeprefix("."), "value": value} for name, value in leaves(named)]
    labels = {name: _label(one) for kind in kinds for name, one in declarations(kind).items()}
    parts = {key: dict(leaves(one)) for key, one in named.items()}
    figures = [
        name
        for name in dict.fromkeys(name for one in parts.values() for name in one)
        if any(o.get(name) for o in parts.values())
    ]
    if len(parts) > len(figures):
        return [{"": key} | {labels.get(name, name): one.get(name) for name in figures} for key, one in parts.items()]
    return [{"": labels.get(name, name)} | {key: one.get(name) for key, one in parts.items()} for name in figures]


def diversity_rows(found: DiversityFigures) -> Rows:
    """Every measure of the selection beside as many pairs at random."""
    return [
        {
            "measure": one.label,
            "selected": value,
            "at random": found.random[one.name].mean,
            "lowest draw": found.random[one.name].low,
            "highest draw": found.random[one.name].high,
            "the selection is": found.verdicts[one.name],
        }
        for one, value in found.selected.told()
    ]


def measure_rows(measures: pl.DataFrame) -> Rows:
    """Every measure of the tuned model with its interval, all models that have it beside each other."""
    of_tuned = measures.filter(pl.col("model") == TUNED).select("metric", "prompts")
    shown = measures.join(of_tuned, on=["metric", "prompts"], how="semi", maintain_order="left").with_columns(
        shown=pl.format(
            "{} ({} to {})",
            *(pl.col(name).round(3).cast(pl.String).fill_null("?") for name in ("value", "low", "high")),
        )
    )
    return shown.pivot(on="model", index=["metric", "prompts"], values="shown").to_dicts()


def _label(one: FigureDeclaration) -> str:
    return f"{one.label} ({one.unit})" if one.unit and one.unit not in one.label.split() else one.label
