"""With what it was built: preset and what was changed of it, versions, times."""

from __future__ import annotations

from typing import Any

from xinstr_core.errors import SettingsError
from xinstr_core.presets import declared_settings, load_settings
from xinstr_core.reporting.blocks import Cell, Listing, Paragraph, Section, cell
from xinstr_core.reporting.built import Built
from xinstr_core.store import Partition
from xinstr_core.text import without_folders


def section(built: Built) -> Section:
    changed = [row for partition in built.partitions.values() for row in _changed(partition)]
    distinct = [list(row) for row in dict.fromkeys(tuple(row) for row in changed)]
    blocks = [
        Listing(
            "Settings that are other than the preset's",
            ("setting", "value", "the preset says", "said by"),
            [[Cell(text) for text in row] for row in distinct],
        )
        if distinct
        else Paragraph("Every setting is the preset's."),
        Listing(
            "With what each stage was built",
            ("stage", "ended", *(name.replace("_", " ") for name in _WITH)),
            [_with(one) for one in built.partitions.values()],
        ),
        Listing(
            "Versions",
            ("stage", "code", "prompts", "data", "fingerprint"),
            [_versions(one) for one in built.partitions.values()],
        ),
        Listing(
            "All settings",
            ("stage", "setting", "value"),
            [row for one in built.partitions.values() for row in _all(one)],
            folded=True,
        ),
    ]
    return Section("making", "Settings and versions", blocks)


_WITH = ("preset", "base_model", "precision", "prompt_format", "corpus", "seeds")


def ended(partition: Partition) -> str:
    """When it was built, to the minute in UTC; empty where nobody noted it."""
    said = str(partition.built.get("time") or "")
    return said[:16].replace("T", " ")


def _with(partition: Partition) -> list[Cell]:
    return [Cell(partition.asset), cell(ended(partition)), *(_name(partition.built.get(name)) for name in _WITH)]


def _name(value: str | None) -> Cell:
    return cell(without_folders(value) if value else value)


def _versions(partition: Partition) -> list[Cell]:
    made_of = partition.made_of
    prompts = ", ".join(made_of.get("prompts", {}).values())
    return [
        Cell(partition.asset),
        cell(made_of.get("version")),
        cell(prompts),
        Cell(partition.version),
        Cell(partition.fingerprint),
    ]


def _changed(partition: Partition) -> list[list[str]]:
    """(setting, value, what the preset says, where it was said), a line each."""
    built = partition.built
    said = _preset(built.get("preset"))
    return [
        [name, _shown(value), _shown(said[name]) if name in said else "-", built.get("places", {}).get(name, "-")]
        for name, value in built.get("changed", {}).items()
    ]


def _preset(name: str | None) -> dict[str, Any]:
    """The settings of a preset of this release; none where it has no such one any more."""
    try:
        return {key: value for key, _, value in declared_settings(load_settings(name))} if name else {}
    except SettingsError:
        return {}


def _all(partition: Partition) -> list[list[Cell]]:
    return [
        [Cell(partition.asset), Cell(f"{section}.{key}"), Cell(_shown(value))]
        for section, settings in partition.made_of.get("settings", {}).items()
        for key, value in settings.items()
    ]


def _shown(value: Any) -> str:
    parts = value if isinstance(value, (list, tuple)) else (value,)
    return ", ".join(without_folders(str(part)) for part in parts)
