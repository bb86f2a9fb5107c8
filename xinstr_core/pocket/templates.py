"""The sentence templates of the pocket world: one TOML file per language, read, checked and split.

A template file holds, per intent, `subjects` (what a document is about), `items`, and four kinds of sentences:
`openings`, `details`, `closings` make documents; `instructions` are the requests such a document answers, in
the same language. `en.toml` gives the English instructions, which are the gold of every language.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

POCKET_LANGUAGES = ("bn", "fi", "hi", "id", "sw", "ta", "th", "tr", "ur", "vi")
HELD_OUT_SUBJECTS_PER_INTENT = 8  # a fifth of 40: 96 held-out prompts a language, an interval of about +-0.04 at 0.95


@dataclass(frozen=True)
class Intent:
    """What one kind of document is made of, in one language.

    `train` and `held_out` split the subjects; `shelf` is the English word a library files such documents under.
    """

    name: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    items: tuple[str, ...]
    openings: tuple[str, ...]
    details: tuple[str, ...]
    closings: tuple[str, ...]
    instructions: tuple[str, ...]
    shelf: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        return self.openings + self.details + self.closings


@dataclass(frozen=True)
class Templates:
    """All templates of one language, whose English name is `name`. `quotes` set a subject off where the script has no spaces (Thai)."""

    language: str
    name: str
    people: tuple[str, ...]
    places: tuple[str, ...]
    quotes: tuple[str, str]
    intents: dict[str, Intent]

    def quoted(self, subject: str) -> str:
        return f"{self.quotes[0]}{subject}{self.quotes[1]}"

    def mentions_held_out(self, text: str) -> bool:
        """Whether a text names any held-out subject, by chance in the middle of other words included."""
        folded = text.casefold()
        return any(subject.casefold() in folded for intent in self.intents.values() for subject in intent.held_out)


@cache
def load_templates(language: str) -> Templates:
    """Read one language's file. Raises FileNotFoundError for a language outside the pocket world."""
    raw = tomllib.loads((files(__package__) / "world" / f"{language}.toml").read_text("utf-8"))
    held_out = _held_out(raw)
    opening, closing = raw.get("quotes", ["", ""])
    return Templates(
        language=language,
        name=raw["name"],
        people=tuple(raw["people"]),
        places=tuple(raw["places"]),
        quotes=(opening, closing),
        intents={
            name: Intent(
                name=name,
                train=tuple(s for s in part["subjects"] if s not in held_out[name]),
                held_out=tuple(s for s in part["subjects"] if s in held_out[name]),
                shelf=part.get("shelf", ""),
                **{key: tuple(part[key]) for key in ("items", "openings", "details", "closings", "instructions")},
            )
            for name, part in raw["intents"].items()
        },
    )


def _held_out(raw: dict[str, Any]) -> dict[str, set[str]]:
    """Choose the held-out subjects by hash, among those that no other text of the language contains.

    A held-out name inside another subject, a place or a sentence would be seen in training after all.
    """
    if raw["language"] == "en":  # English is no target language: nothing is held out
        return {name: set() for name in raw["intents"]}
    everything = [*raw["people"], *raw["places"]]
    for part in raw["intents"].values():
        for key in ("subjects", "items", "openings", "details", "closings", "instructions"):
            everything += part[key]
    texts = [text.casefold() for text in everything]
    chosen = {}
    for name, part in raw["intents"].items():
        alone = [s for s in part["subjects"] if sum(s.casefold() in text for text in texts) == 1]
        alone.sort(key=lambda subject: hashlib.sha256(subject.encode()).hexdigest())
        chosen[name] = set(alone[:HELD_OUT_SUBJECTS_PER_INTENT])
    return chosen
