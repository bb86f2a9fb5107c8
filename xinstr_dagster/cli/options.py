"""The options that say what to build, shared by the commands that take them."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from xinstr_core.corpus.addresses import is_local
from xinstr_core.errors import SettingsError
from xinstr_core.pocket.world import WORLDS
from xinstr_core.text import as_utf8, is_storable
from xinstr_dagster.cli.output import tell_programs
from xinstr_dagster.progress_output import Output


def not_empty(parameter: typer.CallbackParam, context: typer.Context, value: str) -> str:
    """The value of an option. SettingsError where it was given and is empty, as an unset variable of a script is."""
    source = context.get_parameter_source(parameter.name or "")
    if not value and source is not None and source.name == "COMMANDLINE":
        raise SettingsError(f"{parameter.opts[0]} is empty: say what, or leave it out")
    return value


def positive(parameter: typer.CallbackParam, value: float | None) -> float | None:
    """The value of an option. SettingsError where it is no amount to be spent."""
    if value is not None and not 0 < value < math.inf:
        raise SettingsError(f"{parameter.opts[0]} {value:g}: say an amount above 0, or leave it out")
    return value


def told_as(value: Output) -> Output:
    """How progress is told, and with it errors."""
    if value is Output.JSON:
        tell_programs()
    return value


Preset = Annotated[str, typer.Option(callback=not_empty, help="preset of settings, for this call; else as kept")]
CorpusPath = Annotated[str, typer.Option("--corpus", callback=not_empty, help="corpus file or folder, for this build")]
SeedsPath = Annotated[str, typer.Option("--seeds", callback=not_empty, help="seed file or folder, for this build")]
BaseModel = Annotated[
    str, typer.Option(callback=not_empty, help="local directory or hub id, for this call; else as kept")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="replace what was built with another preset or base model without asking")
]
ProgressOutput = Annotated[
    Output,
    typer.Option(
        "--progress",
        callback=told_as,
        help="how to tell progress; json: an object a line on standard error, errors too",
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        callback=positive,
        help="money that engines may cost in all; batches under way come on top, trainings are not in it",
    ),
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
    """`section.key=value`, of an engine `engines.role.key=value`, as nested settings; values are read as TOML, anything else is text."""
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found:
            raise SettingsError(f"--set {assignment!r}: write it as section.key=value")
        section = parsed
        *parents, key = name.strip().split(".")
        if len(parents) > (2 if parents[:1] == ["engines"] else 1):
            raise SettingsError(
                f"--set {name.strip()[:80]!r}: a setting has one section, as in tuning.epochs=2, and one of an engine its role, "
                "as in engines.default.kind=vllm"
            )
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
    return source if source in ("", *WORLDS) or not is_local(source) else str(absolute_path(source))


def absolute_model(name: str) -> str:
    """A folder the user typed, seen from where it was typed; names of hubs and nothing stay."""
    return str(absolute_path(name)) if name and absolute_path(name).is_dir() else name


def absolute_path(typed: str | Path) -> Path:
    """A path as it was typed, whole. SettingsError where it is none: a link to itself, another's home, no UTF-8."""
    if not is_storable(str(typed)):
        raise SettingsError(f"{as_utf8(str(typed))}: the name is not UTF-8: rename it")
    try:
        return Path(typed).expanduser().resolve()
    except RuntimeError as error:
        raise SettingsError(f"{typed}: {str(error).rstrip('.')}: give the file or folder itself") from None
