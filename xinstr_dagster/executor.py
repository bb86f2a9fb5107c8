"""How a run is executed, from the UI as from the command line: in one process, alone on its language, to its first failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from xinstr_core.errors import SettingsError
from xinstr_core.languages import active_languages
from xinstr_core.locks import held
from xinstr_core.workspace import home_folder
from xinstr_dagster.run_process import process_tag

if TYPE_CHECKING:
    from dagster._core.execution.retries import RetryMode

PARTITION_TAG = "dagster/partition"  # of every run of one partition


class LanguageExecutor(dg.Executor):
    """The in-process executor between two others: a lock on the language, and an end at the first failed step.

    One process a run: a language's steps are a chain, and eight trivial steps took 4.6 s in process, 12.4 s with
    a warm fork server and 22.8 s with fresh processes.
    """

    def __init__(self, in_process: dg.Executor) -> None:
        self._in_process = in_process

    @property
    def retries(self) -> RetryMode:
        return self._in_process.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        run = plan_context.dagster_run
        plan_context.instance.add_run_tags(run.run_id, process_tag(run))
        since = datetime.now().astimezone().strftime("%H:%M:%S")
        holder = f"run {run.run_id.partition('-')[0]} (process {os.getpid()}) since {since}"
        steps: Any = self._in_process.execute(plan_context, execution_plan)
        with language_lock(home_folder(), run.tags.get(PARTITION_TAG, ""), holder), closing(steps) as events:
            for event in events:
                yield event
                if event.is_step_failure:  # what the other branches of the line would do is not begun
                    return


def language_lock(home: Path, language: str, holder: str) -> AbstractContextManager[None]:
    """One run at a time builds a language, from its first stage to its last. StageError says which one does.

    What is not registered is not locked: the first step refuses it, and a key that somebody typed names no file.
    """
    try:
        registered = language in active_languages(home / "languages.toml")
    except SettingsError:
        registered = False
    if not registered:
        return nullcontext()
    folder = home / "data" / ".building"
    folder.mkdir(parents=True, exist_ok=True)
    return held(folder / f"{language}.lock", "this language is being built", holder)


def _create(context: dg.InitExecutorContext) -> LanguageExecutor:
    in_process = dg.in_process_executor.executor_creation_fn
    assert in_process is not None
    return LanguageExecutor(in_process(context))


language_executor = dg.ExecutorDefinition(
    name=dg.in_process_executor.name,
    config_schema=dg.in_process_executor.config_schema.as_field(),
    executor_creation_fn=_create,
)
