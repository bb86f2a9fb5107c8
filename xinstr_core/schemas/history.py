"""history: the figures of every build, which outlive the partitions that they were of."""

from __future__ import annotations

import polars as pl

from xinstr_core.schemas.declaration import Column, Table
from xinstr_core.schemas.shared import LANGUAGE

HISTORY = Table(
    "history",
    "history",
    "Figures, not data, of every build of every asset.",
    (
        LANGUAGE,
        Column("asset", pl.String, "the asset that was built"),
        Column("fingerprint", pl.String, "of everything that went in"),
        Column("time", pl.Datetime("us", "UTC"), "when the build ended, in UTC"),
        Column("preset", pl.String, "preset of settings; null where an older release did not note it", nullable=True),
        Column(
            "changed_settings",
            pl.String,
            "settings other than the preset's that matter to the asset, as key=value; and other sources",
        ),
        Column("figure", pl.String, "name of the figure; parts of it follow after points, as in funnel.kept"),
        Column("value", pl.Float64, "its value; yes is 1 and no is 0"),
    ),
    view="history",
)
