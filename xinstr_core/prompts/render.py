"""The one place that renders prompts. Text from outside cannot open a section of its own."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex

# Number signs, in full width and in small too, with what a reader does not see between them: control and formatting
# characters, joiners, variation selectors. A tokenizer that normalises makes "###" of all of these.
_SECTION_MARK = regex.compile(
    r"[#＃﹟](?:[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}--[\t\n\v\f\r\x85]]*+[#＃﹟]){2,}", regex.V1
)
_SIGN = regex.compile("[#＃﹟]")


@dataclass(frozen=True)
class Prompt:
    """A template with its version, which enters fingerprints and pair keys."""

    name: str
    version: str
    text: str

    def render(self, **values: str) -> str:
        """The prompt with its values set in. Section marks in a value are defused."""
        parts = re.split(r"\{(\w+)\}", self.text)
        return "".join(_defused(values[part]) if index % 2 else part for index, part in enumerate(parts))


def _defused(value: str) -> str:
    found: str = _SECTION_MARK.sub(lambda mark: " ".join(_SIGN.findall(mark[0])), value)
    return found


@cache
def prompt(name: str) -> Prompt:
    raw = tomllib.loads((files(__package__) / "templates.toml").read_text("utf-8"))[name]
    return Prompt(name, raw["version"], raw["text"].removeprefix("\n"))
