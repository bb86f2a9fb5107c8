"""What can be wrong with a pair: each construction of the rating set, by name.

The authors do not say how their rating set is built; this is our reconstruction from the names of its levels. Every
construction takes a seed pair, another one, and random numbers of its own, and gives (instruction, response).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from xinstr_core.text import join_like, sentences, words

OWN = "own"
# Letters with their marks and joiners, and digits.
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+")


@dataclass(frozen=True)
class Pair:
    """An instruction and a response, under a key of their own."""

    key: str
    instruction: str
    response: str


@dataclass(frozen=True)
class Flaw:
    """What a construction does to a pair: its level, and what it says of the two scores (None: nothing).

    `spoil` gives None where a pair is too short to be spoiled: the flaw would be in the label.
    """

    level: str
    instruction_good: bool | None
    fits: bool | None
    spoil: Callable[[Pair, Sequence[Pair], random.Random], tuple[str, str] | None]


def own(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str]:
    """The seed pair as it stands."""
    return pair.instruction, pair.response


def cut_off(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str] | None:
    """The response cut inside a sentence, somewhere after its first half."""
    middle = len(pair.response) // 2
    cut = pair.response[: rng.randint(middle, max(middle, len(pair.response) - 15))].rstrip(" \n.!?।۔")
    return (pair.instruction, cut) if cut and cut != pair.response else None


def other_ending(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str] | None:
    """The first half of the response's sentences and the second half of another's."""
    other = rng.choice(others).response
    first, second = sentences(pair.response), sentences(other)
    if len(first) < 2:
        return None
    ending = join_like(other, second[len(second) // 2 :])
    return pair.instruction, f"{join_like(pair.response, first[: len(first) // 2])} {ending}"


def near_instruction(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str]:
    """The instruction that shares most words: the same request about something else, the hardest mistake."""
    wanted = _asked(pair.instruction)

    def similarity(other: Pair) -> tuple[float, str]:
        theirs = _asked(other.instruction)
        return len(wanted & theirs) / max(1, len(wanted | theirs)), other.key

    return max(others, key=similarity).instruction, pair.response


def other_instruction(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str]:
    """The instruction of any other pair."""
    return rng.choice(others).instruction, pair.response


def other_request(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str] | None:
    """Another pair's request about this pair's subject, where both instructions name what their responses are about.

    What a reverse model gets wrong most often, beside the subject: the right name in the wrong question.
    """
    subject = _subject(pair)
    shuffled = rng.sample(list(others), len(others))
    for other in shuffled if subject else ():
        theirs = _subject(other)
        made = other.instruction.replace(theirs, subject) if theirs else ""
        if made and _words(made) != _words(pair.instruction) and subject not in other.instruction:
            return made, pair.response
    return None


def echo(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str]:
    """The instruction repeated in place of a response."""
    return pair.instruction, pair.instruction


def disordered(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str] | None:
    """The response's words in random order."""
    ordered = words(pair.response)
    shuffled = ordered.copy()
    rng.shuffle(shuffled)
    return (pair.instruction, " ".join(shuffled)) if shuffled != ordered else None


def broken_instruction(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str] | None:
    """An instruction of which the last third or more is missing, or its words' order."""
    parts = pair.instruction.split()
    broken = parts.copy()
    if rng.random() < 0.5:
        del broken[rng.randint(1, max(1, 2 * len(parts) // 3)) :]
    else:
        rng.shuffle(broken)
    return (" ".join(broken), pair.response) if broken != parts else None


def quoted_instruction(pair: Pair, others: Sequence[Pair], rng: random.Random) -> tuple[str, str] | None:
    """A sentence of the response in place of an instruction."""
    parts = sentences(pair.response)
    return (rng.choice(parts), pair.response) if len(parts) > 1 else None


FLAWS: dict[str, Flaw] = {
    OWN: Flaw("3", True, True, own),
    "cut_off": Flaw("2", True, None, cut_off),
    "other_ending": Flaw("2", True, None, other_ending),
    "near_instruction": Flaw("1", True, False, near_instruction),
    "other_instruction": Flaw("1", True, False, other_instruction),
    "other_request": Flaw("1", True, False, other_request),
    "echo": Flaw("1", True, False, echo),
    "disordered": Flaw("1", True, None, disordered),
    "broken_instruction": Flaw("1", False, None, broken_instruction),
    "quoted_instruction": Flaw("1", False, None, quoted_instruction),
}


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


@lru_cache(maxsize=10_000)
def _asked(instruction: str) -> frozenset[str]:
    """The words of an instruction, kept: each is compared with all others."""
    return frozenset(_words(instruction))


def _subject(pair: Pair) -> str:
    """The longest run of the instruction's words that all stand in the response, as the instruction writes it."""
    held, response = list[tuple[int, int]](), _words(pair.response)
    longest = ""
    for match in _WORD.finditer(pair.instruction):
        held = [*held, match.span()] if match[0].casefold() in response else []
        if held and held[-1][1] - held[0][0] > len(longest):
            longest = pair.instruction[held[0][0] : held[-1][1]]
    return longest
