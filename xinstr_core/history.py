"""Figures of every build: a partition is replaced with its manifest, and what it said of itself must not go with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from xinstr_core.schemas.history import HISTORY as TABLE
from xinstr_core.store import HISTORY, Partition, write_parquet


def remember(partition: Partition) -> None:
    """Add the figures of a finished partition to those of the builds before, once. The caller holds the partition.

    Called after a build and whenever it is found to be current, so that a kill in between loses nothing.
    """
    rows = _rows(partition)
    before = read_history(partition)
    if rows.is_empty() or rows["time"][0] in before["time"]:
        return
    write_parquet(partition.path / HISTORY, pl.concat([before, rows]))


def read_history(partition: Partition) -> pl.DataFrame:
    """Every build of the partition's asset and language, the oldest first."""
    path = partition.path / HISTORY
    return pl.read_parquet(path) if path.exists() else TABLE.schema.to_frame()


def build_before(partition: Partition) -> pl.DataFrame:
    """(figure, value) of the build before this one, with its time, preset and changed_settings; empty for the first."""
    history = read_history(partition)
    if not partition.built:
        return history.clear()
    earlier = history.filter(pl.col("time") < _time(partition))
    return earlier.filter(pl.col("time") == pl.col("time").max())


def numbers(figures: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Every number among stored figures, by its name."""
    for name, value in leaves(figures):
        if isinstance(value, (bool, int, float)):
            yield name, float(value)


def leaves(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value among figures, its name after those that it is inside of. Curves and matrices are left out."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value
        elif all(isinstance(one, Mapping) for one in value):
            yield from leaves({str(number): one for number, one in enumerate(value, start=1)}, f"{prefix}{name}.")


def _rows(partition: Partition) -> pl.DataFrame:
    built = partition.built
    if not built:
        return TABLE.schema.to_frame()
    figures = [*numbers(partition.figures), *numbers(partition.cost.model_dump() if partition.cost else {})]
    changed = "; ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in built["changed"].items())
    values = pl.DataFrame(figures, schema={"figure": pl.String, "value": pl.Float64}, orient="row")
    return values.select(
        language=pl.lit(partition.manifest["language"]),
        asset=pl.lit(partition.asset),
        fingerprint=pl.lit(partition.fingerprint),
        time=pl.lit(_time(partition)).cast(pl.Datetime("us", "UTC")),
        preset=pl.lit(built["preset"]),
        changed_settings=pl.lit(changed),
        figure="figure",
        value="value",
    )


def _time(partition: Partition) -> datetime:
    return datetime.fromisoformat(partition.built["time"])
