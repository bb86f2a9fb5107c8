"""The rating set: seed pairs and what can be wrong with a pair, on three levels.

The authors do not say how theirs is built; this is our reconstruction from the level names. Level 3 is a seed pair as
it stands. Level 2 is reasonable with a flaw: the right response, cut off or ending in another text. Level 1 is wrong:
the response answers another instruction, its words are in disorder, or it repeats the instruction.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from xinstr_core.identity import content_key
from xinstr_core.text import join_like, sentences, words

LEVELS = ("1", "2", "3")
_WORD = regex.compile(r"\w+")


@dataclass(frozen=True)
class Pair:
    """An instruction and a response, under a key of their own."""

    key: str
    instruction: str
    response: str


@dataclass(frozen=True)
class RatedPair(Pair):
    """A pair with its level, and the construction that made it what it is."""

    level: str
    construction: str


def build_rating_set(pairs: Sequence[Pair], seed: int = 0) -> list[RatedPair]:
    """Rated pairs, about as many on each level, each derived from its own pair and the others; needs two pairs or more."""
    rng = random.Random(f"rating set {seed}")
    rated: list[RatedPair] = []
    for pair in pairs:
        others = [o for o in pairs if o.instruction != pair.instruction and o.response != pair.response]
        if not others:
            continue
        stranger, near = rng.choice(others), _most_similar(pair, others)
        constructions = [
            ("own", "3", pair.instruction, pair.response),
            ("own", "3", pair.instruction, pair.response),
            ("cut_off", "2", pair.instruction, _cut_off(pair.response, rng)),
            ("other_ending", "2", pair.instruction, _other_ending(pair.response, stranger.response)),
            ("near_instruction", "1", near.instruction, pair.response),
            (
                ("other_instruction", "1", stranger.instruction, pair.response),
                ("echo", "1", pair.instruction, pair.instruction),
            )[rng.random() < 0.2],
            ("disordered", "1", pair.instruction, _disordered(pair.response, rng)),
        ]
        for number, (construction, level, instruction, response) in enumerate(constructions):
            if construction != "own" and (not response or (instruction, response) == (pair.instruction, pair.response)):
                continue  # too short to be spoiled: the flaw would be in the label
            key = content_key("rated", pair.key, construction, str(number))
            rated.append(RatedPair(key, instruction, response, level, construction))
    return rated


def distinct(rated: Sequence[RatedPair]) -> list[RatedPair]:
    """The first of equal rows: for validation, which must not count a row twice. Training has `own` twice for balance."""
    return list({(row.instruction, row.response): row for row in reversed(rated)}.values())[::-1]


def _most_similar(pair: Pair, others: Sequence[Pair]) -> Pair:
    """The pair whose instruction shares most words: the same request about something else, the hardest mistake."""
    own = set(_WORD.findall(pair.instruction.casefold()))

    def similarity(other: Pair) -> tuple[float, str]:
        theirs = set(_WORD.findall(other.instruction.casefold()))
        return len(own & theirs) / max(1, len(own | theirs)), other.key

    return max(others, key=similarity)


def _cut_off(response: str, rng: random.Random) -> str:
    """The response cut inside a sentence, somewhere after its first half."""
    end = rng.randint(len(response) // 2, max(len(response) // 2, len(response) - 15))
    return response[:end].rstrip(" \n.!?।۔")


def _other_ending(response: str, other: str) -> str:
    """The first half of the response's sentences and the second half of another's."""
    first, second = sentences(response), sentences(other)
    ending = join_like(other, second[len(second) // 2 :])
    return f"{join_like(response, first[: len(first) // 2])} {ending}"


def _disordered(response: str, rng: random.Random) -> str:
    """The words in random order."""
    shuffled = words(response)
    rng.shuffle(shuffled)
    return " ".join(shuffled)
