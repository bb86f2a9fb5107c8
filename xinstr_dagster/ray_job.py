"""A stage as a job of a Ray cluster, which tells the step that submitted it how far it is: `python -m xinstr_dagster.ray_job`.

What it is asked comes with Dagster's Pipes (`ray_jobs.py`); home and base model must be where the step has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dagster_pipes import PipesContext, open_dagster_pipes

from xinstr_core.engines.budget import Budget
from xinstr_core.errors import StageError, XinstrError
from xinstr_core.progress import Event, Reporter, Seldom
from xinstr_core.stages import STAGES
from xinstr_core.stages.stage import run_stage, stored_inputs
from xinstr_core.workspace import Workspace

_TELL_SECONDS = 1.0  # between two events: each is a line of the job's log


def main() -> None:
    """Run the stage. An error that the user can mend is told to the step, and the job ends well."""
    with open_dagster_pipes() as pipes:
        asked = pipes.extras
        spending = Budget(asked["budget"]) if asked["budget"] is not None else None
        try:
            told = _built(pipes, asked, spending)
        except (XinstrError, OSError) as error:
            told = {"error": str(error)}
        pipes.report_custom_message({"ended": {**told, "spent": spending.spent if spending else 0.0}})


def _built(pipes: PipesContext, asked: Mapping[str, Any], spending: Budget | None) -> dict[str, Any]:
    stage, language = STAGES[asked["stage"]], asked["language"]
    workspace = Workspace(Path(asked["home"]), **asked["given"])
    inputs = stored_inputs(workspace, stage, language)
    if inputs is None:
        raise StageError(
            f"{stage.name} of {language}: {workspace.home} has not all that it takes: share the home folder"
        )

    def tell(event: Event) -> None:
        pipes.report_custom_message({"progress": asdict(event)})

    with Reporter(stage.name, language, [Seldom(_TELL_SECONDS, tell, at_once=True)]) as progress:
        result = run_stage(workspace, stage, language, inputs, progress, spending)
    return {"version": result.partition.version, "reused": result.reused, "warnings": result.warnings}


if __name__ == "__main__":
    main()
