"""The options that say what to build, shared by the commands that take them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from xinstr_core.errors import SettingsError
from xinstr_core.pocket.world import WORLDS

Preset = Annotated[str, typer.Option(help="preset of settings, for this call; else as kept")]
CorpusPath = Annotated[str, typer.Option("--corpus", help="corpus file or folder, for this build")]
SeedsPath = Annotated[str, typer.Option("--seeds", help="seed file or folder, for this build")]
BaseModel = Annotated[str, typer.Option(help="local directory or hub id, for this call; else as kept")]
Replace = Annotated[
    bool, typer.Option("--replace", help="replace what was built with another preset or base model without asking")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="a setting of this build, e.g. --set tuning.epochs=2")
]


def choices_of(corpus: str, seeds: str, base_model: str, preset: str, override: list[str] | None) -> dict[str, Any]:
    """What `build` and `status` take alike, as a build request has it."""
    return {
        "corpus": absolute(corpus),
        "seeds": absolute(seeds),
        "base_model": absolute_model(base_model),
        "preset": preset,
        "overrides": _parse_overrides(override or []),
    }


def _parse_overrides(assignments: list[str]) -> dict[str, Any]:
    """`section.key=value` as nested settings; values are read as TOML, anything else is text."""
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found:
            raise SettingsError(f"--set {assignment!r}: write it as section.key=value")
        section = parsed
        *parents, key = name.strip().split(".")
        if len(parents) > 1:
            raise SettingsError(f"--set {assignment[:80]!r}: a setting has one section, as in tuning.epochs=2")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise SettingsError(f"--set {assignment!r}: {parent} already has the value {section!r}")
        try:
            section[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            section[key] = value
    return parsed


def absolute(source: str) -> str:
    """A path the user typed, seen from where it was typed; URLs, names of embedded worlds and nothing stay."""
    return source if source in ("", *WORLDS) or "://" in source else str(Path(source).expanduser().resolve())


def absolute_model(name: str) -> str:
    """A folder the user typed, seen from where it was typed; names of hubs and nothing stay."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if name and folder.is_dir() else name
