"""Run a core stage inside a Dagster step: progress to the log, the partition and its checks to the UI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypedDict

import dagster as dg

from xinstr_core.catalogue import build_catalogue
from xinstr_core.engines.budget import Budget, require_prices
from xinstr_core.engines.roles import check_roles
from xinstr_core.errors import StageError, XinstrError
from xinstr_core.progress import Event, Listener, Reporter, Seldom
from xinstr_core.reporting.render import render_reports, write_pages
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.stages import STAGES, roles_of
from xinstr_core.stages.replacement import replacement
from xinstr_core.stages.stage import Stage, run_stage
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace
from xinstr_dagster.checks import results_of, specs_of
from xinstr_dagster.instance import GPU_POOL
from xinstr_dagster.metadata import partition_metadata, progress_metadata
from xinstr_dagster.partitions import languages
from xinstr_dagster.ray_jobs import JOBS, run_stage_as_job
from xinstr_dagster.resources import XinstrResource

LOG_SECONDS = 30.0  # every observation is a row of the event log: endless progress output has frozen the UI before
# Whoever wants to see progress in this process: the command line puts here what shows it.
listeners: list[Listener] = []
# What runs of this process may spend together: the command line puts the budget of all that it builds here.
shared_budgets: list[Budget] = []
_budgets: dict[str, Budget] = {}  # those of runs that have one of their own


class StageOptions(TypedDict):
    """Typed by name, so that dg.asset(**options) keeps its own types."""

    name: str
    description: str
    partitions_def: dg.PartitionsDefinition
    code_version: str
    check_specs: list[dg.AssetCheckSpec]
    io_manager_key: str
    owners: list[str]
    pool: str | None


def stage_options(stage: Stage) -> StageOptions:
    """What every asset of the line shares: its partitions, code version, checks, handle and pool."""
    return {
        "name": stage.name,
        "description": stage.gives.meaning,
        "partitions_def": languages,
        "code_version": stage.version,
        "check_specs": specs_of(stage.name),
        "io_manager_key": "io_manager",
        "owners": ["team:xinstr"],
        "pool": GPU_POOL if stage.uses_model else None,
    }


def materialize(
    context: dg.AssetExecutionContext, xinstr: XinstrResource, stage: Stage, **inputs: Partition
) -> Iterator[dg.Output[Partition] | dg.AssetCheckResult]:
    """Run the stage for the step's language, and yield the partition with its metadata and its checks.

    An error that the user can mend, one of the file system too, fails the step with its one line and is not retried.
    """
    language, workspace = context.partition_key, xinstr.workspace()
    try:
        selected = _selected(context)
        if not xinstr.replace:
            _refuse_to_replace(context, workspace, selected)
        check_roles(workspace.settings(workspace.language(language)), roles_of(selected))
        log = Seldom(LOG_SECONDS, _event_log(context), at_once=True)
        spending = _budget(context, xinstr.budget, workspace)
        if os.environ.get(JOBS):
            result = run_stage_as_job(context, workspace, stage, [*listeners, log], spending)
        else:
            with Reporter(stage.name, language, listeners, [log]) as progress:
                result = run_stage(workspace, stage, language, inputs, progress, spending)
        partition, warnings = result.partition, result.warnings
        if result.reused:
            context.log.info(f"{stage.name} of {language} is up to date: nothing to do")
        else:  # it names files that are replaced now, and this run may end in failure
            warnings += build_catalogue(workspace.store).left_out
        if stage.gives is EVAL_REPORT:
            pages, troubles = render_reports(workspace, [language])
            write_pages(workspace, pages)
            warnings += tuple(troubles)
        for warning in warnings:
            context.log.warning(warning)
        metadata = partition_metadata(partition, reused=result.reused)
        checked = [*results_of(stage.name, partition, inputs)]
    except (XinstrError, OSError) as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    yield dg.Output(partition, data_version=dg.DataVersion(partition.version), metadata=metadata)
    yield from checked


def _budget(context: dg.AssetExecutionContext, limit: float, workspace: Workspace) -> Budget | None:
    """The money that the step may spend, which is also that of the run's other steps. SettingsError where nothing has a price."""
    if shared_budgets or not limit:
        return next(iter(shared_budgets), None)
    require_prices(limit, [workspace.settings(workspace.language(context.partition_key)).engines])
    return _budgets.setdefault(context.run.run_id, Budget(limit))


def _selected(context: dg.AssetExecutionContext) -> list[str]:
    """Names of all assets of the run. Every step looks at all of them, so the first one stops it, before any work is done."""
    selected = context.run.asset_selection
    return [*STAGES] if selected is None else [key.to_user_string() for key in selected]


def _refuse_to_replace(context: dg.AssetExecutionContext, workspace: Workspace, selected: list[str]) -> None:
    """StageError where the run would replace work of another preset or base model."""
    if found := replacement(workspace, context.partition_key, selected):
        raise StageError(
            f"{found}. Set `replace: true` of the resource xinstr to let it; without options a run takes preset and base_model of [{found.language}] in {workspace.registry.name}"
        )


def _event_log(context: dg.AssetExecutionContext) -> Listener:
    """What puts events into the run's log and, with their numbers, on the asset's page: the UI plots them over time."""

    def observe(event: Event) -> None:
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                description=event.line(),
                partition=context.partition_key,
                metadata=progress_metadata(event),
            )
        )

    return observe
