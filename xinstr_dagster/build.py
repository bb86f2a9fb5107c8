"""Build languages from the command line: the same assets, job and instance as the UI."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events import JobFailureData
from dagster._core.execution.plan.objects import StepFailureData

from xinstr_core.catalogue import can_be_read
from xinstr_core.engines.budget import require_prices
from xinstr_core.engines.encoders import check_encoder
from xinstr_core.engines.fit import check_usable
from xinstr_core.engines.roles import check_roles
from xinstr_core.errors import SettingsError, StageError, XinstrError
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.stages import LINE, STAGES, roles_of
from xinstr_core.stages.replacement import Replacement, replacement
from xinstr_core.workspace import Workspace
from xinstr_dagster.assets.catalogue import catalogue
from xinstr_dagster.board import CURRENT, states
from xinstr_dagster.checks import failed_blocking_check, failed_in_step
from xinstr_dagster.definitions import build_definitions
from xinstr_dagster.executor import PARTITION_TAG, language_lock
from xinstr_dagster.interrupts import interrupts
from xinstr_dagster.partitions import sync_languages

# What Dagster puts before the message of an error that was raised outside a stage.
_ERROR_CLASS = rf"^{re.escape(XinstrError.__module__)}\.\w+: "


@dataclass(frozen=True)
class BuildRequest:
    """What the command line asked for: one workspace's choices, the part of the line to build, and what it may cost (0: any)."""

    preset: str = ""
    corpus: str = ""
    seeds: str = ""
    base_model: str = ""
    overrides: dict[str, Any] | None = None
    replace: bool = False
    budget: float = 0.0
    first: str = LINE[0].name
    last: str = LINE[-1].name

    def workspace(self, home: Path) -> Workspace:
        return Workspace(
            home,
            self.preset or None,
            self.overrides or {},
            self.corpus or None,
            self.seeds or None,
            self.base_model or None,
        )

    def stages(self) -> list[str]:
        """The stages from first to last, in the line's order."""
        names = list(STAGES)
        for name in (self.first, self.last):
            if name not in names:
                raise SettingsError(f"unknown stage {name!r}; known: {', '.join(names)}")
        chosen = names[names.index(self.first) : names.index(self.last) + 1]
        if not chosen:
            raise SettingsError(f"{self.first} comes after {self.last}: the order is {', '.join(names)}")
        return chosen


@dataclass(frozen=True)
class Outcome:
    """How the build of one language ended, and after how long. `error` is one line, empty on success."""

    language: str
    up_to_date: bool
    error: str = ""
    run_id: str = ""
    seconds: float = 0.0


def check_inputs(workspace: Workspace, tags: Sequence[str], stages: Sequence[str]) -> None:
    """Find what the user can mend before any run starts: settings and registry; models and files that a stage uses."""
    for tag in tags:
        language = workspace.language(tag)
        if language.retired:
            raise SettingsError(f"{tag} is retired: remove `retired = true` from its entry in {workspace.registry}")
        settings = workspace.settings(language)
        if model := next(filter(None, (STAGES[name].model_of(workspace, language) for name in stages)), None):
            check_usable(model)
        check_roles(settings, roles_of(stages))
        if DIVERSIFIED_SET.asset in stages:
            check_encoder(settings.diversity.encoder)
        if RAW_CORPUS.asset in stages or workspace.corpus:
            workspace.corpus_source(language), workspace.pack(language)
            workspace.evaluation_files(language), workspace.identification_model(language)
        if SEED_PAIRS.asset in stages or workspace.seeds:
            workspace.seeds_file(language), workspace.parallel_file(language)
        if EVAL_REPORT.asset in stages:
            workspace.prompts_file(language), workspace.gold_pairs_file(language)


def check_budget(workspace: Workspace, request: BuildRequest, tags: Sequence[str]) -> None:
    """SettingsError for a budget where no engine of any of the languages has a price."""
    if request.budget and tags:
        require_prices(request.budget, [workspace.settings(workspace.language(tag)).engines for tag in tags])


def replacements(home: Path, request: BuildRequest, tags: Sequence[str]) -> list[Replacement]:
    """What the build would replace by work of another preset or base model, of every language; nothing where it may."""
    if request.replace:
        return []
    workspace = request.workspace(home)
    return [found for tag in tags if (found := replacement(workspace, tag, request.stages()))]


def in_work(home: Path, tags: Sequence[str]) -> dict[str, Outcome]:
    """The outcomes of languages that another run builds: they are refused at once, before anything is looked at."""
    found: dict[str, Outcome] = {}
    for tag in tags:
        try:
            with language_lock(home, tag, f"process {os.getpid()}, which only looks"):
                pass
        except StageError as error:
            found[tag] = Outcome(tag, up_to_date=False, error=str(error))
    return found


def settled(home: Path, request: BuildRequest, tags: Sequence[str]) -> dict[str, Outcome]:
    """The outcomes of languages that have nothing to build, or are unfit to build on; the others have none yet."""
    workspace = request.workspace(home)
    found: dict[str, Outcome] = {}
    for tag in tags:
        try:
            outcome = _outcome_if_current(workspace, request, tag)
        except (XinstrError, OSError) as error:
            outcome = Outcome(tag, up_to_date=False, error=str(error))
        if outcome:
            found[tag] = outcome
    return found


def _outcome_if_current(workspace: Workspace, request: BuildRequest, tag: str) -> Outcome | None:
    wanted = request.stages()
    current = _current(workspace, tag)
    if current.issuperset(wanted) and can_be_read(workspace.store):
        return Outcome(tag, up_to_date=True, error=failed_blocking_check(workspace, wanted, tag))
    if unfit := failed_blocking_check(workspace, current & _taken_by(wanted), tag):
        return Outcome(tag, up_to_date=False, error=unfit)
    return None


def _taken_by(stages: Sequence[str]) -> set[str]:
    """The stages before these on which they build, and which they do not build themselves."""
    taken = {*stages}
    for stage in reversed(LINE):
        if stage.name in taken:
            taken.update(stage.upstream)
    return taken.difference(stages)


def _current(workspace: Workspace, tag: str) -> set[str]:
    return {name for name, state in states(workspace, tag) if state == CURRENT}


def build_language_job() -> dg.JobDefinition:
    """The job of the UI, with its executor."""
    return build_definitions().resolve_job_def("build_language")


def build(instance: dg.DagsterInstance, home: Path, request: BuildRequest, tag: str) -> Outcome:
    """Build one language in this process. The line's own fingerprints decide what has to be done."""
    started = time.monotonic()
    sync_languages(instance, [tag])
    with interrupts() as interrupted:
        result = dg.execute_job(
            dg.reconstructable(build_language_job),
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in request.stages()] + [catalogue.key],
            run_config={
                "resources": {"xinstr": {"config": _resource_config(request)}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags={PARTITION_TAG: tag},
        )
        if interrupted() and not result.success:  # which Dagster reports as a failed step
            raise KeyboardInterrupt
    error = "" if result.success else _first_error(result.all_events)
    return Outcome(tag, False, error, result.run_id, seconds=time.monotonic() - started)


def _resource_config(request: BuildRequest) -> dict[str, Any]:
    return {
        "preset": request.preset,
        "overrides": request.overrides or {},
        "corpus": request.corpus,
        "seeds": request.seeds,
        "base_model": request.base_model,
        "replace": request.replace,
        "budget": request.budget,
    }


def _first_error(events: Sequence[dg.DagsterEvent]) -> str:
    """The one line that says what went wrong in a run: of the first step that failed, else of the run itself."""
    for event in events:
        if event.is_step_failure:
            return failed_in_step(str(event.step_key), events) or f"{event.step_key}: {_said(event.step_failure_data)}"
        if event.is_run_failure:
            return _said(event.job_failure_data)
    return "the run ended before its first step; see it in the UI"


def _said(failed: StepFailureData | JobFailureData) -> str:
    """The first line of an error, without the class that Dagster puts before it."""
    told = failed.user_failure_data if isinstance(failed, StepFailureData) else None
    cause = failed.error.cause or failed.error if failed.error else None
    said = (told and told.description) or (cause.message if cause else "")
    return re.sub(_ERROR_CLASS, "", said.strip().partition("\n")[0])
