"""The surroundings of a build as a Dagster resource: the launchpad can change them for one run."""

from typing import Any

import dagster as dg
from pydantic import Field

from xinstr_core.workspace import Workspace, home_folder


class XinstrResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where a build takes its languages, settings and inputs from."""

    preset: str = Field(
        default="",
        description="Preset of settings, a file of xinstr_core/presets, instead of the kept one, for this run",
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="Settings of this run, e.g. {tuning: {epochs: 2}}"
    )
    corpus: str = Field(default="", description="Corpus file or folder instead of the registry's, for this run")
    seeds: str = Field(default="", description="Seed file or folder instead of the registry's, for this run")
    base_model: str = Field(default="", description="Local directory or hub id instead of the kept model, for this run")
    replace: bool = Field(
        default=False, description="Let this run replace what was built with another preset or base model"
    )
    budget: float = Field(
        default=0.0,
        ge=0,
        description="Money that engines may cost in this run, in the currency of their prices, before it stops; 0: any",
    )

    def workspace(self) -> Workspace:
        return Workspace(
            home=home_folder(),
            preset=self.preset or None,
            overrides=self.overrides,
            corpus=self.corpus or None,
            seeds=self.seeds or None,
            base_model=self.base_model or None,
        )
