"""What people's labels say of the pairs that a rating would keep: enough of them overrule what held-out rows promise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.curation.audit import ANSWERS, audit_file, read_audit
from xinstr_core.curation.limits import MINIMUM_JUDGED
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key
from xinstr_core.settings import CurationSettings
from xinstr_core.statistics import share_interval

_RIGHT = ANSWERS["level"][-1]


@dataclass(frozen=True)
class Audited:
    """Of so many labelled pairs that the rating would keep, this share is right; `low` and `high` of the 95 % interval."""

    labelled: int
    precision: float
    low: float
    high: float

    def advice(self, settings: CurationSettings) -> str:
        """What to do where people find too few of the pairs right; empty where they find enough."""
        if self.precision >= settings.minimum_precision:
            return ""
        return (
            f"Not curated: people labelled {self.labelled} of the pairs that would be kept, and find {self.precision:.2f} "
            f"right ({self.low:.2f} to {self.high:.2f}), below {settings.minimum_precision}. Give more seed pairs or a "
            "stronger base model, and have pairs of that build labelled."
        )


def audited_levels(home: Path, tag: str) -> dict[str, str]:
    """The levels that people gave, by pair_id: none where they are too few to count, or the file cannot be read.

    The report says what is wrong with a file; here it only does not count.
    """
    path = audit_file(home, tag)
    if not path.is_file():
        return {}
    try:
        labels = read_audit(path).labels
    except InputError:
        return {}
    levels = dict(labels.select("pair_id", pl.col("level").cast(pl.String)).drop_nulls().sort("pair_id").iter_rows())
    return levels if len(levels) >= MINIMUM_JUDGED else {}


def identity(levels: dict[str, str]) -> str | None:
    """What tells these labels apart from others, None for none: while nothing can follow from them, nothing is stale."""
    return (
        content_key("audited levels", *(part for label in sorted(levels.items()) for part in label)) if levels else None
    )


def audited(levels: dict[str, str], kept: Collection[str]) -> Audited | None:
    """What people say of the pairs that a rating would keep; None where fewer than MINIMUM_JUDGED of them are labelled."""
    of_kept = [levels[key] for key in kept if key in levels]
    if len(of_kept) < MINIMUM_JUDGED:
        return None
    right = of_kept.count(_RIGHT)
    low, high = share_interval(right, len(of_kept))
    return Audited(len(of_kept), round(right / len(of_kept), 4), round(low, 4), round(high, 4))
