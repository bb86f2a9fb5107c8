"""How real users open their requests, and which of these openings suits a text.

A reverse model left to itself asks for the same few things (published sets ask to "write" in a third of their rows). An
instruction that must begin as a real request did is of another kind, and the evaluator says whether it fits. After
FineInstructions (arXiv 2601.22146), which matches templates of real queries to documents; here the reverse model matches.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl

from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import KEY
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import OPENINGS

MOST_WORDS = 6
COMMON = 3  # requests that must begin alike, so that an opening is a way of asking and not one question
DRAWN = 8  # openings a text is tried with: scoring all of them would cost more than generating


def common_openings(instructions: Iterable[str]) -> list[str]:
    """The distinct openings of instructions: of each its first words, as many as COMMON others share, at most MOST_WORDS."""
    asked = [instruction.split() for instruction in dict.fromkeys(instructions)]
    counts = Counter(" ".join(words[:n]) for words in asked for n in range(1, min(len(words), MOST_WORDS + 1)))
    found = set[str]()
    for words in asked:
        prefixes = [" ".join(words[:n]) for n in range(1, min(len(words), MOST_WORDS + 1))]
        if common := [prefix for prefix in prefixes if counts[prefix] >= COMMON]:
            found.add(common[-1])
    return sorted(found)


def suit_openings(
    engine: Engine, batch: Sequence[Request], openings: Sequence[str], wanted: int, seed: int
) -> pl.DataFrame:
    """OPENINGS: for the reverse prompt of each text the `wanted` of DRAWN openings that it makes likeliest.

    By how much the text raises an opening's log-probability a token over that without any text: common openings are
    likely anyway.
    """
    drawn = {
        r.key: random.Random(f"openings {seed} {r.key}").sample(list(openings), min(DRAWN, len(openings)))
        for r in batch
    }
    empty = prompt("reverse").render(text="")
    asked = {opening: None for chosen in drawn.values() for opening in chosen}
    before = {score.key: _mean(score.tokens) for score in engine.score([Request(o, empty, o) for o in asked])}
    tried = {f"{r.key} {opening}": (r, opening) for r in batch for opening in drawn[r.key]}
    scores = engine.score([Request(key, r.prompt, opening) for key, (r, opening) in tried.items()])
    gains: dict[str, dict[str, float]] = {}
    for score in scores:
        request, opening = tried[score.key]
        gains.setdefault(request.key, {})[opening] = _mean(score.tokens) - before[opening]
    rows = [
        {KEY: r.key, "openings": sorted(of_text, key=lambda opening: (-of_text[opening], opening))[:wanted]}
        for r in batch
        for of_text in [gains[r.key]]
    ]
    return OPENINGS.frame(rows)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
