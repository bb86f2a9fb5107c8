"""Figures of every build: a partition is replaced with its manifest, and what it said of itself must not go with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.errors import InputError
from xinstr_core.files import read_parquet, write_parquet
from xinstr_core.schemas.history import HISTORY as TABLE
from xinstr_core.store import HISTORY, Partition


def remember(partition: Partition) -> tuple[str, ...]:
    """Add the figures of a finished partition to those of the builds before, once. The caller holds the partition.

    Called after a build and before the next one looks at what is stored, so that a kill in between loses nothing. A file
    that cannot be read is put aside, and a new one begun: returns the warning that says so.
    """
    rows = _rows(partition)
    warnings: tuple[str, ...] = ()
    try:
        before = read_history(partition)
    except InputError as error:
        warnings = (f"{error}: it is kept as {_put_aside(partition.path / HISTORY).name}, and a new one is begun",)
        before = TABLE.schema.to_frame()
    if not rows.is_empty() and rows["time"][0] not in before["time"]:
        write_parquet(partition.path / HISTORY, pl.concat([before, rows]))
    return warnings


def read_history(partition: Partition) -> pl.DataFrame:
    """Every build of the partition's asset and language, the oldest first. InputError where the file cannot be read.

    What an older release did not note of its builds is null.
    """
    path = partition.path / HISTORY
    if not path.exists():
        return TABLE.schema.to_frame()
    try:
        stored = read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]})") from error
    return stored.select(
        (pl.col(name) if name in stored.columns else pl.lit(None)).cast(dtype, strict=False).alias(name)
        for name, dtype in TABLE.schema.items()
    )


def build_before(partition: Partition) -> pl.DataFrame:
    """(figure, value) of the build before this one, with its time, preset and changed_settings; empty for the first."""
    history = read_history(partition)
    time = _time(partition)
    if time is None:
        return history.clear()
    earlier = history.filter(pl.col("time") < time)
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
    time, built = _time(partition), partition.built
    if time is None:
        return TABLE.schema.to_frame()
    figures = [*numbers(partition.figures), *numbers(partition.cost)]
    changed = built.get("changed", {}).items()
    values = pl.DataFrame(figures, schema={"figure": pl.String, "value": pl.Float64}, orient="row")
    return values.select(
        language=pl.lit(partition.manifest["language"]),
        asset=pl.lit(partition.asset),
        fingerprint=pl.lit(partition.fingerprint),
        time=pl.lit(time).cast(pl.Datetime("us", "UTC")),
        preset=pl.lit(built.get("preset"), pl.String),
        changed_settings=pl.lit(
            "; ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in changed)
        ),
        figure="figure",
        value="value",
    )


def _time(partition: Partition) -> datetime | None:
    said = partition.built.get("time")
    return datetime.fromisoformat(said) if said else None


def _put_aside(path: Path) -> Path:
    """Rename a damaged file beside itself; one that was put aside before stays."""
    names = chain([f"{path.name}.damaged"], (f"{path.name}.damaged-{number}" for number in count(2)))
    return path.rename(next(aside for name in names if not (aside := path.with_name(name)).exists()))
