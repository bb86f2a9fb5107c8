"""Presets: files of settings, each value with its reason beside it; and the layers that are laid over them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from xinstr_core.errors import SettingsError
from xinstr_core.settings import NEVER_SHOWN, Section, Settings

PRESET = "preset"  # stands in a layer beside the settings
UNLESS_TOLD = "pocket"  # works without a download and without a GPU
THIS_RUN = "this run"


@dataclass(frozen=True)
class Layer:
    """What one place says: settings in their sections, and `preset` for the file that they are laid over."""

    place: str
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Layer:
        """The layer of a TOML file, which says nothing where there is no file."""
        try:
            return cls(path.name, tomllib.loads(path.read_text("utf-8")) if path.exists() else {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: {error}") from error

    def says(self, location: Sequence[Any]) -> bool:
        """Whether it has a say in what stands at a location, such as ("tuning", "epochs")."""
        found: Any = self.values
        for part in location:
            if not isinstance(found, Mapping):
                return True
            if part not in found:
                return False
            found = found[part]
        return True

    def blame(self, message: str) -> str:
        """A message with the place in front; what was given for this run alone, the user has before their eyes."""
        return message if self.place == THIS_RUN else f"{self.place}: {message}"


@dataclass(frozen=True)
class Chosen:
    """A preset, the settings that come of it and the layers over it, and where each was said.

    `places` has every name that a layer says, `preset` and `section.key`, with the place of the last one that does.
    """

    preset: str
    settings: Settings
    places: Mapping[str, str]

    def changed(self) -> dict[str, Any]:
        """Every setting that is other than the preset says, by name; one of a role's engine where the role has one."""
        preset = {name: value for name, _, value in declared_settings(load_settings(self.preset))}
        now = {name: value for name, _, value in declared_settings(self.settings)}
        return {name: value for name, value in now.items() if name not in preset or value != preset[name]}


def preset_names() -> list[str]:
    return sorted(p.name.removesuffix(".toml") for p in (files(__package__)).iterdir() if p.name.endswith(".toml"))


def preset_text(preset: str) -> str:
    """The file of a preset. SettingsError names the known ones."""
    if preset not in preset_names():
        raise SettingsError(f"unknown preset {preset!r}; known: {', '.join(preset_names())}")
    return (files(__package__) / f"{preset}.toml").read_text("utf-8")


def choose(*layers: Layer) -> Chosen:
    """The settings of a preset with every layer laid over it, later ones winning; the last to name a preset names it.

    SettingsError names what no setting or preset is, the known ones, and the place.
    """
    naming = [layer for layer in layers if PRESET in layer.values]
    preset = naming[-1].values[PRESET] if naming else UNLESS_TOLD
    try:
        merged: dict[str, Any] = tomllib.loads(preset_text(preset))
    except SettingsError as error:
        raise SettingsError(naming[-1].blame(str(error))) from None
    for layer in layers:
        merged = _merge(merged, {name: value for name, value in layer.values.items() if name != PRESET})
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(item, layers) for item in error.errors())) from None
    names = [PRESET, *(name for name, _, _ in declared_settings(settings))]
    places = {name: layer.place for layer in layers for name in names if layer.says(name.split("."))}
    return Chosen(preset, settings, places)


def load_settings(preset: str = UNLESS_TOLD) -> Settings:
    """The settings of a preset by itself."""
    return choose(Layer(THIS_RUN, {PRESET: preset})).settings


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


def _explain(error: Any, layers: Sequence[Layer]) -> str:
    """One line for one pydantic error; an unknown key lists the known ones of its section."""
    said = _complaint(error)
    return next((layer.blame(said) for layer in reversed(layers) if layer.says(error["loc"])), said)


def _complaint(error: Any) -> str:
    location = [str(part) for part in error["loc"]]
    if error["type"] == "tuple_type":
        return f"setting {'.'.join(location)}: a list is wanted, such as [{error['input']!r}]"
    if error["type"] != "extra_forbidden":
        said = error["msg"].removeprefix("Value error, ")
        shown = not isinstance(error["input"], Mapping) and location[-1] not in NEVER_SHOWN
        got = f" (got {error['input']!r})" if shown else ""
        return f"setting {'.'.join(location)}: {said}{got}"
    section: Any = Settings
    for part in location[:-1]:
        annotation = section.model_fields[part].annotation
        section = next(iter(get_args(annotation)), annotation)
    known = [*([PRESET] if section is Settings else []), *section.model_fields]
    return f"unknown setting {'.'.join(location)!r}; known here: {', '.join(known)}"
