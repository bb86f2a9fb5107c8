"""What a stage is, and the one way to run it: fingerprint, reuse or run, commit."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.cluster import left_at_the_end
from xinstr_core.corpus.sources import file_identity
from xinstr_core.disk import full_disk_told
from xinstr_core.engines.budget import Budget
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.ledger import Ledger
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError
from xinstr_core.files import scan_parquet
from xinstr_core.history import remember
from xinstr_core.identity import fingerprint
from xinstr_core.languages import Language
from xinstr_core.locks import held
from xinstr_core.presets import PRESET
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.declaration import Contract, Table, Told
from xinstr_core.schemas.shared import Cost, TrainedOn
from xinstr_core.settings import Settings
from xinstr_core.store import LOCK, Partition, StageOutput
from xinstr_core.training.adapter import Earlier
from xinstr_core.workspace import Workspace


@dataclass(frozen=True)
class StageRun:
    """What a stage function gets.

    `unfinished` is for what belongs to this fingerprint alone, `rows` for shards of rows that carry their own keys and
    serve whatever the settings; `previous` is the partition that this run replaces, whose rows serve too. `engines` gives
    models by their role.
    """

    workspace: Workspace
    language: Language
    inputs: Mapping[str, Partition]
    unfinished: Path
    rows: Path
    previous: Partition | None
    progress: Progress
    engines: Engines

    @property
    def settings(self) -> Settings:
        return self.workspace.settings(self.language)

    @property
    def model(self) -> ModelReference:
        return self.workspace.model(self.language)

    def read(self, table: Table) -> pl.DataFrame:
        """A table of an asset that the stage takes."""
        return self.inputs[table.asset].read(table.name)

    def scan(self, table: Table) -> pl.LazyFrame:
        """A table of an asset that the stage takes, to be read in part."""
        return self.inputs[table.asset].scan(table.name)

    def figures(self, contract: Contract[Told]) -> Told:
        """The figures of an asset that the stage takes."""
        return self.inputs[contract.asset].read_figures(contract.figures)

    def row_log(self, table: Table) -> RowLog:
        """Where the rows of a table that the stage gives are kept, with those of the replaced partition."""
        return RowLog.open(self.rows / table.name, table.schema, self.previous, table.name)

    def earlier(self, name: str) -> Earlier | None:
        """The training that the replaced partition holds under `name`, if it says what that learned from."""
        if self.previous is None or name not in self.previous.folders:
            return None
        try:
            identity = TrainedOn.read_part(self.previous.figures).trained_on.get(name)
        except InputError:  # another release said it otherwise
            return None
        return Earlier(self.previous.folder(name), identity) if identity else None


@dataclass(frozen=True)
class Stage:
    """One asset of the line: what it takes and gives, and everything else that its output depends on.

    `version` is raised by hand when the code's output changes. `settings` names the sections that matter, `prompts`
    the templates, `roles` those that engines play in it, `files` the inputs from outside, as paths or by an identity of their own. Everything declared here enters the fingerprint: what is left out
    (progress, paths) only describes.
    """

    run: Callable[[StageRun], StageOutput]
    takes: tuple[Contract[Any], ...]
    gives: Contract[Any]
    version: str
    settings: tuple[str, ...]
    prompts: tuple[str, ...]
    roles: tuple[str, ...]
    files: Callable[[Workspace, Language], Mapping[str, Path | str | None]]
    uses_model: bool | Callable[[Workspace, Language], bool]

    @property
    def name(self) -> str:
        return self.gives.asset

    @property
    def upstream(self) -> tuple[str, ...]:
        """The assets that it takes, by name."""
        return tuple(contract.asset for contract in self.takes)

    def needs_model(self, workspace: Workspace, language: Language) -> bool:
        """Whether what it gives for the language depends on the base model."""
        return self.uses_model if isinstance(self.uses_model, bool) else self.uses_model(workspace, language)

    def model_of(self, workspace: Workspace, language: Language) -> ModelReference | None:
        """The base model, where it needs one."""
        return workspace.model(language) if self.needs_model(workspace, language) else None


def stage(
    *,
    takes: tuple[Contract[Any], ...],
    gives: Contract[Any],
    version: str,
    settings: tuple[str, ...] = (),
    prompts: tuple[str, ...] = (),
    roles: tuple[str, ...] = (),
    files: Callable[[Workspace, Language], Mapping[str, Path | str | None]] = lambda workspace, language: {},
    uses_model: bool | Callable[[Workspace, Language], bool] = True,
) -> Callable[[Callable[[StageRun], StageOutput]], Stage]:
    """Make a stage of the function below: its page begins with what goes in and what comes out. See Stage."""
    return lambda run: Stage(run, takes, gives, version, settings, prompts, roles, files, uses_model)


@dataclass(frozen=True)
class StageResult:
    """`warnings` are for whoever runs the stage: what was found damaged and did not stop it."""

    partition: Partition
    reused: bool
    warnings: tuple[str, ...] = ()


def stored_inputs(workspace: Workspace, stage: Stage, tag: str) -> dict[str, Partition] | None:
    """The upstream partitions of a stage, or None when one was never built."""
    found = {name: workspace.store.get(name, tag) for name in stage.upstream}
    present = {name: partition for name, partition in found.items() if partition is not None}
    return present if len(present) == len(found) else None


def fingerprint_parts(workspace: Workspace, stage: Stage, tag: str, inputs: Mapping[str, Partition]) -> dict[str, Any]:
    """What the fingerprint is made of, readable. Upstream partitions enter by content, so equal content stays equal."""
    language = workspace.language(tag)
    model = stage.model_of(workspace, language)
    engines = engines_of(workspace, stage, language)
    return {
        "stage": stage.name,
        "version": stage.version,
        "language": {
            "tag": tag,
            "name": language.name,
            "script": language.script,
            "score": language.minimum_language_score,
            "licence": language.licence,
            "label": language.identification_label,
            **({"identified_as": language.identified_as} if language.identified_as else {}),
        },
        "settings": settings_of(workspace, stage, language),
        "prompts": {name: prompt(name).version for name in stage.prompts},
        "model": model.fingerprint if model else None,
        **({"engines": engines} if engines else {}),
        "files": {
            name: file_identity(found) if isinstance(found, Path) else found
            for name, found in stage.files(workspace, language).items()
        },
        "inputs": {name: inputs[name].version for name in stage.upstream},
        # A figure or column more must be told of what is stored, too.
        "gives": stage.gives.shape,
    }


def settings_of(workspace: Workspace, stage: Stage, language: Language) -> dict[str, Any]:
    """What the settings that matter to a stage are for a language. How many processes share its work changes rounding at most."""
    settings = workspace.settings(language)
    return {
        section: getattr(settings, section).model_dump(exclude={"processes", "ray_workers"})
        for section in stage.settings
    }


def engines_of(workspace: Workspace, stage: Stage, language: Language) -> dict[str, dict[str, str]]:
    """The engines of a stage's roles that run elsewhere than in its process, by role."""
    chosen = workspace.settings(language).engines
    found = {role: chosen.of(role).identity() for role in stage.roles}
    return {role: identity for role, identity in found.items() if identity}


def is_current(workspace: Workspace, stage: Stage, tag: str) -> bool:
    """Whether the stored partition is what a run now would give."""
    partition, inputs = workspace.store.get(stage.name, tag), stored_inputs(workspace, stage, tag)
    if partition is None or inputs is None:
        return False
    return _serves(partition, stage, fingerprint(fingerprint_parts(workspace, stage, tag, inputs)))


def _serves(partition: Partition, stage: Stage, wanted: str) -> bool:
    """A fingerprint says what went in. What came out may have been damaged since, or stored otherwise."""
    return partition.fingerprint == wanted and partition.holds(stage.gives)


def run_stage(
    workspace: Workspace,
    stage: Stage,
    tag: str,
    inputs: Mapping[str, Partition],
    progress: Progress = silent,
    spending: Budget | None = None,
) -> StageResult:
    """The stored partition where nothing changed, else a new one. One run at a time per asset and language.

    SettingsError for a language that is not registered, before anything is written; InputError where the disk is full;
    BudgetError where `spending`, the money that it may spend, does not suffice.
    """
    workspace.language(tag)
    with full_disk_told(workspace.home):
        return _run(workspace, stage, tag, inputs, progress, spending)


def _run(
    workspace: Workspace,
    stage: Stage,
    tag: str,
    inputs: Mapping[str, Partition],
    progress: Progress,
    spending: Budget | None,
) -> StageResult:
    language = workspace.language(tag)
    folder = workspace.store.path(stage.name, tag)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / LOCK, f"{folder} is being built", f"process {os.getpid()}"):
        parts = fingerprint_parts(workspace, stage, tag, inputs)
        current = fingerprint(parts)
        previous = workspace.store.get(stage.name, tag)
        warnings = remember(previous) if previous else ()
        if previous is not None and _serves(previous, stage, current):
            return StageResult(previous, True, warnings)
        for taken in inputs.values():
            taken.require_whole()
        begun = workspace.store.unfinished(stage.name, tag)
        unfinished = begun / current
        unfinished.mkdir(parents=True, exist_ok=True)
        _forget_peak_memory()
        started = time.monotonic()
        model = stage.model_of(workspace, language)
        budget, ledger = TokenBudget(begun / "token_budget.json"), Ledger(unfinished / "engines.json", spending)
        gpu = DeviceLock(f"{tag} {stage.name}", lambda said: progress(0, 0, doing=said, unit="", urgent=True))
        with (
            left_at_the_end(),
            Engines(workspace.settings(language), model, budget, stage.roles, ledger, gpu) as engines,
        ):
            output = stage.run(
                StageRun(
                    workspace,
                    language,
                    inputs,
                    unfinished,
                    begun / "rows",
                    previous if previous and previous.is_whole else None,
                    progress,
                    engines,
                )
            )
        seconds = round(time.monotonic() - started, 1)
        cost = Cost(
            seconds=seconds, peak_memory=_peak_memory(), trainings=engines.trainings, engines=engines.ledger.close()
        )
        _check(stage, output)
        output = replace(output, cost=cost, built=_surroundings(workspace, stage, language))
        partition = workspace.store.commit(stage.name, tag, current, parts, output)
        return StageResult(partition, False, warnings + remember(partition))


def _check(stage: Stage, output: StageOutput) -> None:
    tables = {
        name: scan_parquet(table) if isinstance(table, Path) else table.lazy() for name, table in output.tables.items()
    }
    stage.gives.check(tables, [*output.folders], output.figures)


def _surroundings(workspace: Workspace, stage: Stage, language: Language) -> dict[str, Any]:
    """When and with what a partition was built, for people: what counts is in the fingerprint.

    `changed` is what other settings than the preset's matter to the stage, and sources of this run alone; `places`
    says where each was said, also preset, base model and sources.
    """
    chosen = workspace.chosen(language)
    model = stage.model_of(workspace, language)
    precision = workspace.precision(language) if model else None
    sections = (*stage.settings, *(["base_model", "precision", "prompt_format", "system_text"] if model else []))
    given = {"corpus": workspace.corpus, "seeds": workspace.seeds}
    changed = {name: value for name, value in chosen.changed().items() if name.partition(".")[0] in sections}
    changed |= {name: source for name, source in given.items() if source}
    shown = {PRESET, "corpus", "seeds", *changed, *sections}
    return {
        "time": datetime.now(UTC).isoformat(),
        "preset": chosen.preset,
        "base_model": chosen.settings.base_model if model else None,
        "precision": f"{precision.name} ({precision.reason})" if precision else None,
        "prompt_format": model.prompt_format if model else None,
        "corpus": workspace.corpus or language.corpus_source.path,
        "seeds": workspace.seeds or str(language.seed_source) or None,
        "changed": changed,
        "places": {name: place for name, place in workspace.places(language).items() if name in shown},
    }


def _forget_peak_memory() -> None:
    """Start the kernel's peak anew, so that it will be this stage's own. Where that is not allowed it stays the process's."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_memory() -> int:
    """The most memory held since then, in MiB, what earlier stages left behind included."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text("ascii", errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) // 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, bytes on macOS: getrusage(2)
    return peak // (1024**2 if sys.platform == "darwin" else 1024)
