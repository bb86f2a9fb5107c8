"""The code location: assets, checks, jobs, sensors, schedules and resources."""

from __future__ import annotations

import dagster as dg

from xinstr_dagster.assets import ASSETS
from xinstr_dagster.automation import (
    build_language,
    build_new_languages,
    language_registry,
    weekly_rebuild,
    with_conditions,
)
from xinstr_dagster.executor import language_executor
from xinstr_dagster.io_manager import PartitionIOManager
from xinstr_dagster.resources import XinstrResource


def build_definitions(xinstr: XinstrResource | None = None) -> dg.Definitions:
    """The definitions over a given resource: tests and the command line bring their own."""
    resource = xinstr or XinstrResource.configure_at_launch()
    return dg.Definitions(
        assets=with_conditions(ASSETS),
        jobs=[build_language],
        sensors=[language_registry, build_new_languages],
        schedules=[weekly_rebuild],
        resources={"xinstr": resource, "io_manager": PartitionIOManager(xinstr=resource)},
        executor=language_executor,
    )


defs = build_definitions()
