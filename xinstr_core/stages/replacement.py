"""What a build would replace by work of another preset or base model: hours of a GPU are not to go by mistake."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from xinstr_core.identity import fingerprint
from xinstr_core.languages import Language
from xinstr_core.stages import LINE
from xinstr_core.stages.stage import Stage, settings_of
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace


@dataclass(frozen=True)
class Replacement:
    """The stages of a language whose stored work with a model would go, with what it was made, and with what now."""

    language: str
    stages: tuple[str, ...]
    stored: str
    now: str

    def __str__(self) -> str:
        return f"{self.language}: {', '.join(self.stages)} would be replaced, built with {self.stored}, by a build with {self.now}"


def replacement(workspace: Workspace, tag: str, stages: Collection[str]) -> Replacement | None:
    """What a build of the named stages would replace by work of another preset or base model; None where nothing.

    Concerned are stages that use a model. Another preset replaces their work only where it sets something that matters
    to them; other settings of the same preset are no reason to ask. Where a partition does not say its preset, its model
    alone counts.
    """
    language = workspace.language(tag)
    found = [
        partition
        for stage in LINE
        if stage.name in stages
        and stage.needs_model(workspace, language)
        and (partition := workspace.store.get(stage.name, tag))
        if _has_another_model(workspace, language, partition)
        or _has_another_preset(workspace, language, stage, partition)
    ]
    if not found:
        return None
    chosen, model = workspace.chosen(language), workspace.model(language)
    stored = found[0].built
    before = _shown(
        stored.get("preset"), stored.get("base_model"), stored.get("precision"), stored.get("prompt_format")
    )
    now = _shown(chosen.preset, chosen.settings.base_model, model.precision, model.prompt_format)
    return Replacement(
        tag,
        tuple(partition.asset for partition in found),
        stored=before,
        now=now if now != before else "other files or another system text of that model",
    )


def _has_another_model(workspace: Workspace, language: Language, partition: Partition) -> bool:
    return bool(partition.made_of.get("model") != workspace.model(language).fingerprint)


def _has_another_preset(workspace: Workspace, language: Language, stage: Stage, partition: Partition) -> bool:
    if partition.built.get("preset", workspace.chosen(language).preset) == workspace.chosen(language).preset:
        return False
    now = settings_of(workspace, stage, language)
    return fingerprint(partition.made_of.get("settings", {})) != fingerprint(now)


def _shown(preset: str | None, base_model: str | None, precision: str | None, prompt_format: str | None) -> str:
    said = [f"preset {preset}"] if preset else []
    said.append(f"base model {base_model}" if base_model else "another base model")
    held = [precision.partition(" ")[0]] if precision else []
    asked = ["asked in chat turns"] if prompt_format == "chat" else []
    return ", ".join(said) + (f" ({', '.join(held + asked)})" if held or asked else "")
