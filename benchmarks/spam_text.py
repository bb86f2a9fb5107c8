"""Spam that was written for benchmarks/learned_filter.py: gambling, sellers' pages and spun text, each by two hands.

What a filter learns from is of the first hand, what it is measured on of the second: other sentences, other names, other
substitutes for words. `spam/<tag>.toml` has them.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HANDS = ("first", "second")
KINDS = ("gambling", "seo", "spun")
_FOLDER = Path(__file__).parent / "spam"
_SENTENCES = (6, 14)  # of a page


def spam(language: str, kind: str, hand: str, pages: int, originals: Sequence[str]) -> list[str]:
    """Different pages of one kind, written or spun of original texts."""
    source = tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))
    rng = random.Random(f"{language} {kind} {hand}")
    if kind == "spun":
        return [_spun(text, source["spun"][hand], rng) for text in rng.sample(list(originals), pages)]
    return [_page(source, kind, hand, rng) for _ in range(pages)]


def _page(source: Mapping[str, Any], kind: str, hand: str, rng: random.Random) -> str:
    """Sentences of a kind in any order, about one house, one game and one thing."""
    names = {name: rng.choice(source[f"{name}s"][hand]) for name in ("brand", "game", "thing")}
    names = {name: value.replace("{n}", str(rng.randint(2, 999))) for name, value in names.items()}
    sentences = rng.sample(source[kind][hand], min(len(source[kind][hand]), rng.randint(*_SENTENCES)))
    return " ".join(one.format(**names, number=rng.randint(5, 98)) for one in sentences)


def _spun(text: str, substitutes: Mapping[str, str], rng: random.Random) -> str:
    """A text with most of the words that have a substitute replaced by it, and its sentences in another order."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    rng.shuffle(sentences)

    def replaced(found: re.Match[str]) -> str:
        other = substitutes.get(found[0].casefold())
        return other if other and rng.random() < 0.8 else found[0]

    return re.sub(r"\w+", replaced, " ".join(sentences))
