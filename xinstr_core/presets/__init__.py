"""Presets: files of settings, each value with its reason beside it; and what is laid over them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from xinstr_core.errors import SettingsError
from xinstr_core.settings import Section, Settings


def preset_names() -> list[str]:
    return sorted(p.name.removesuffix(".toml") for p in (files(__package__)).iterdir() if p.name.endswith(".toml"))


def preset_text(preset: str) -> str:
    """The file of a preset. SettingsError names the known ones."""
    if preset not in preset_names():
        raise SettingsError(f"unknown preset {preset!r}; known: {', '.join(preset_names())}")
    return (files(__package__) / f"{preset}.toml").read_text("utf-8")


def load_settings(
    preset: str = "pocket", user_file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from a preset, a user's file where it exists, and overrides of one run, later ones winning."""
    layers = [tomllib.loads(preset_text(preset))]
    if user_file is not None and user_file.exists():
        try:
            layers.append(tomllib.loads(user_file.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{user_file}: {error}") from error
    layers.append(dict(overrides or {}))
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(item) for item in error.errors())) from None


def declared_settings(section: Section, prefix: str = "") -> Iterator[tuple[str, FieldInfo, Any]]:
    """Name (`section.key`), declaration and value of every setting, through the sections."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from declared_settings(value, f"{prefix}{name}.")
        else:
            yield prefix + name, field, value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _explain(error: Any) -> str:
    """One line for one pydantic error; an unknown key lists the known ones of its section."""
    location = [str(part) for part in error["loc"]]
    if error["type"] == "tuple_type":
        return f"setting {'.'.join(location)}: a list is wanted, such as [{error['input']!r}]"
    if error["type"] != "extra_forbidden":
        said = error["msg"].removeprefix("Value error, ")
        return f"setting {'.'.join(location)}: {said} (got {error['input']!r})"
    section: Any = Settings
    for part in location[:-1]:
        annotation = section.model_fields[part].annotation
        section = next(iter(get_args(annotation)), annotation)
    return f"unknown setting {'.'.join(location)!r}; known here: {', '.join(section.model_fields)}"
