"""The one place that renders prompts. Text from outside cannot open a section of its own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex

from xinstr_core.identity import content_key

# Number signs, in full width and in small too, with what a reader does not see between them: control and formatting
# characters, joiners, variation selectors. A tokenizer that normalises makes "###" of all of these.
_SECTION_MARK = regex.compile(
    r"[#＃﹟](?:[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}--[\t\n\v\f\r\x85]]*+[#＃﹟]){2,}", regex.V1
)
_SIGN = regex.compile("[#＃﹟]")


class Rendered(str):
    """A prompt as plain text; `turn` is what a user says of it to a chat model.

    So a `str` that is none of these is text, which no engine puts into a turn.
    """

    __slots__ = ("turn",)

    turn: str

    def __new__(cls, plain: str, turn: str) -> Rendered:
        made = super().__new__(cls, plain)
        made.turn = turn
        return made

    def __reduce__(self) -> tuple[type[Rendered], tuple[str, str]]:
        return Rendered, (str(self), self.turn)


@dataclass(frozen=True)
class Prompt:
    """A template with its version, which enters fingerprints and pair keys: as plain text, and as a user's turn."""

    name: str
    version: str
    text: str
    turn: str = ""

    def render(self, **values: str) -> Rendered:
        """The prompt with its values set in. Section marks in a value are defused, in a turn as well: row keys know the text."""
        defused = {name: _defused(value) for name, value in values.items()}
        return Rendered(_set_in(self.text, defused), _set_in(self.turn, defused))


def _set_in(template: str, values: Mapping[str, str]) -> str:
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(values[part] if index % 2 else part for index, part in enumerate(parts))


def _defused(value: str) -> str:
    found: str = _SECTION_MARK.sub(lambda mark: " ".join(_SIGN.findall(mark[0])), value)
    return found


@cache
def prompt(name: str) -> Prompt:
    raw = tomllib.loads((files(__package__) / "templates.toml").read_text("utf-8"))[name]
    return Prompt(name, raw["version"], raw["text"].removeprefix("\n"), raw["turn"].strip())


@cache
def turns_identity() -> str:
    """Of all that chat models are asked: row keys know prompts by their plain text."""
    raw = tomllib.loads((files(__package__) / "templates.toml").read_text("utf-8"))
    return content_key(*(f"{name} {template['turn']}" for name, template in raw.items()))
