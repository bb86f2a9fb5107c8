"""What the catalogue makes of the tables of others, so that what people ask takes one query: builds, changes, costs, scores."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from xinstr_core.schemas.declaration import Column, Declared, Table, declarations
from xinstr_core.schemas.eval_report import BETTER, METRIC_NAME, MODEL, REPLIES
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import CATALOGUE
from xinstr_core.schemas.shared import LANGUAGE, Cost, EngineUse

_OF_HISTORY = {column.name: column for column in HISTORY.columns}
_LATEST = Column("latest", pl.Boolean, "whether it is the latest build of its asset and language")
# What of an engine's use is a number, in the order of its declaration.
USES = tuple(name for name in declarations(EngineUse) if EngineUse.model_fields[name].annotation is not str)


def _number(name: str, cost: type[Declared]) -> Column:
    """A number of what a run took, as it is declared; builds of older releases may not have it."""
    one, kind = declarations(cost)[name], cost.model_fields[name].annotation
    return Column(name, pl.Int64 if kind is int else pl.Float64, one.meaning, unit=one.unit, nullable=True)


BUILDS = Table(
    CATALOGUE,
    "builds",
    "Every build of every asset: when, with what, and what its last run took.",
    (
        LANGUAGE,
        *(_OF_HISTORY[name] for name in ("asset", "time")),
        _LATEST,
        *(_OF_HISTORY[name] for name in ("preset", "changed_settings", "fingerprint")),
        *(_number(name, Cost) for name in ("seconds", "peak_memory")),
    ),
    view="builds",
)
CHANGES = Table(
    CATALOGUE,
    "changes",
    "What differs between a build and the one before it, of the same asset and language: a row a number. What a run took is in `builds` and `role_costs`.",
    (
        LANGUAGE,
        _OF_HISTORY["asset"],
        Column("time_before", pl.Datetime("us", "UTC"), "when the build before ended, in UTC"),
        _OF_HISTORY["time"],
        _OF_HISTORY["figure"],
        Column("before", pl.Float64, "its value in the build before; null where that had none", nullable=True),
        Column("value", pl.Float64, "its value in this one; null where this has none", nullable=True),
        replace(
            _OF_HISTORY["changed_settings"], name="settings_before", meaning="changed_settings of the build before"
        ),
        _OF_HISTORY["changed_settings"],
    ),
    view="changes",
)
ROLE_COSTS = Table(
    CATALOGUE,
    "role_costs",
    "What the engine of each role did in each build, and by the prices of the settings what that costs.",
    (
        LANGUAGE,
        *(_OF_HISTORY[name] for name in ("asset", "time")),
        _LATEST,
        Column("role", pl.String, "what the engine was asked for: reader, reverse, rater, writer, tuned, encoder ..."),
        *(_number(name, EngineUse) for name in USES),
    ),
    view="role_costs",
)
_REPLY = {column.name: column for column in REPLIES.columns}
REPLY_SCORES = Table(
    CATALOGUE,
    "reply_scores",
    "Every reply of a measured model with every score that it got: a row a reply and metric.",
    (
        LANGUAGE,
        MODEL,
        *(_REPLY[name] for name in ("prompt_id", "prompt_language", "instruction", "reply", "finished")),
        METRIC_NAME,
        Column(
            "value",
            pl.Float64,
            "its score, in the unit of the metric; of what is a rate, 1 is yes and 0 is no",
        ),
        BETTER,
    ),
    view="reply_scores",
)
