"""Why a preset's settings have their values: the comments of its file are the single source.

Whatever a preset names has a comment on its line, `# [level] reason`; the level says how surely the value is that of
the method's authors. What it does not name has the value and the description that settings.py declares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex
import tomlkit
from tomlkit.items import Item, Table

from xinstr_core.errors import SettingsError
from xinstr_core.presets import declared_settings, load_settings, preset_text

# From the surest to our own choice; what each means stands at the top of faithful.toml.
AUTHORS_LEVELS = ("read", "secondary", "recalled")
OUR_LEVELS = ("inferred", "ours")
DECLARED = "default"
LEVELS = (*AUTHORS_LEVELS, *OUR_LEVELS, DECLARED)

_COMMENT = regex.compile(rf"# \[({'|'.join(AUTHORS_LEVELS + OUR_LEVELS)})\] (\S.*)")


@dataclass(frozen=True)
class ExplainedSetting:
    """A setting with the value that `load_settings(preset)` gives it; `key` is `section.name`, or `base_model`.

    `level` is one of LEVELS; `overridden`: the value is another than settings.py declares.
    """

    key: str
    value: Any
    level: str
    reason: str
    overridden: bool


def explain(preset: str) -> list[ExplainedSetting]:
    """Every setting of a preset in the order of declaration.

    SettingsError: no such preset, or a value of its file without a comment of the form `# [level] reason`.
    """
    settings = load_settings(preset)
    comments = dict(_comments(tomlkit.parse(preset_text(preset))))
    explained = []
    for key, field, value in declared_settings(settings):
        if key in comments:
            comment = _COMMENT.fullmatch(comments[key])
            if comment is None:
                raise SettingsError(
                    f"preset {preset!r}: {key} needs a comment '# [level] reason' on its line, with a level of {', '.join(AUTHORS_LEVELS + OUR_LEVELS)}"
                )
            level, reason = comment[1], comment[2].rstrip()
        else:
            level, reason = DECLARED, field.description or ""
        explained.append(ExplainedSetting(key, value, level, reason, value != field.get_default()))
    return explained


def _comments(table: tomlkit.TOMLDocument | Table, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The comment on the line of every value of a file, empty where there is none."""
    for name in table:
        item = table.item(name)
        if isinstance(item, Table):
            yield from _comments(item, f"{prefix}{name}.")
        elif isinstance(item, Item):
            yield prefix + name, item.trivia.comment
