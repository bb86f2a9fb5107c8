"""Preference triples: an instruction, the natural response of its pair, and a worse response of a named kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import regex

from xinstr_core.curation.constructions import Pair, cut_off
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key
from xinstr_core.settings import PreferenceKind
from xinstr_core.text import LONGEST_WORD, is_storable

_MEASURING_SHARE = 0.1  # of the pairs, chosen by key: 2,000 triples leave 200, which tell a share to +-0.07
_SPACE, _LETTER = regex.compile(r"\s"), regex.compile(r"\X")
_COSTLY: PreferenceKind = "untuned"
_MENDING: dict[PreferenceKind, str] = {
    "other_text": "it needs pairs of different instructions",
    "wrong_language": "give some seed pairs in English, too",
    "language_switch": "give some seed pairs in English, too",
    "cut_off": "every response is too short",
    "weaker": 'add "weaker_response" to evaluator.constructions, and set tuning.include_seeds',
    "untuned": "the base model writes nothing, or what the pairs have",
}


@dataclass(frozen=True)
class TaughtPair(Pair):
    """A pair that a model is tuned on; `source_tag` decides its prompt."""

    source_tag: str


@dataclass(frozen=True)
class Worse:
    """What is held against a response, and the key of the pair that it is made of."""

    key: str
    text: str


@dataclass(frozen=True)
class Triple:
    """A response of a pair and a worse one to the same instruction. `held_out` ones, all of their pairs, only measure."""

    key: str
    pair: TaughtPair
    kind: PreferenceKind
    worse: Worse
    held_out: bool


# The worse responses to some pairs, by the key of each for which there is one.
Make = Callable[[Sequence[TaughtPair]], Mapping[str, Worse]]


def choose_triples(pairs: Sequence[TaughtPair], makers: Mapping[PreferenceKind, Make], wanted: int) -> list[Triple]:
    """`wanted` triples, or all that there are, by key: of each kind as many, where a kind has fewer more of the others.

    A pair has at most one of a kind; both sides hold text and differ. What is made is no more than what is taken, but for what
    turned out to be no worse response. InputError for a kind of which there is none.
    """
    taken: dict[PreferenceKind, list[Triple]] = {kind: [] for kind in makers}
    rest: dict[PreferenceKind, Sequence[TaughtPair]] = {
        kind: sorted(pairs, key=lambda pair: content_key("preference", kind, pair.key)) for kind in makers
    }
    while (missing := wanted - sum(map(len, taken.values()))) and (going := [kind for kind in makers if rest[kind]]):
        shares = {kind: missing // len(going) + (number < missing % len(going)) for number, kind in enumerate(going)}
        # What a model has to write comes last: another kind that no pair has is told before that is paid for.
        for kind in sorted(going, key=lambda kind: kind == _COSTLY):
            found, rest[kind] = _first_triples(rest[kind], kind, makers[kind], shares[kind])
            taken[kind] += found
            if not taken[kind] and not rest[kind]:
                raise InputError(
                    f"tuning.preferences names {kind}, and no pair has such a response: {_MENDING[kind]}, or take it out"
                )
    return sorted((triple for found in taken.values() for triple in found), key=lambda triple: triple.key)


def _first_triples(
    pairs: Sequence[TaughtPair], kind: PreferenceKind, make: Make, wanted: int
) -> tuple[list[Triple], Sequence[TaughtPair]]:
    """(so many triples of the first pairs that have one, the pairs behind these)."""
    found: list[Triple] = []
    while pairs and len(found) < wanted:
        asked, pairs = pairs[: wanted - len(found)], pairs[wanted - len(found) :]
        made = make(asked)
        for pair in asked:
            if (worse := made.get(pair.key)) and _differ(pair.response, worse.text):
                key = content_key("preference", pair.key, kind, worse.key, worse.text)
                found.append(Triple(key, pair, kind, worse, _only_measures(pair)))
    return found, pairs


def _differ(chosen: str, rejected: str) -> bool:
    """Whether both are texts, and not the same but for space around it; a model may write what is none."""
    return (
        is_storable(chosen + rejected)
        and bool(chosen.strip() and rejected.strip())
        and chosen.strip() != rejected.strip()
    )


def _only_measures(pair: Pair) -> bool:
    return int(content_key("preference measures", pair.key)[:8], 16) < _MEASURING_SHARE * 16**8


def other_text(taught: Sequence[TaughtPair]) -> Make:
    """The response of another of the `taught` pairs, one of another instruction."""

    def make(pairs: Sequence[TaughtPair]) -> dict[str, Worse]:
        return _of_others(pairs, taught, "other_text")

    return make


def wrong_language(translations: Mapping[str, str], foreign: Sequence[Pair]) -> Make:
    """The same response in another language, by key, where there is one; else that of one of the `foreign` pairs."""

    def make(pairs: Sequence[TaughtPair]) -> dict[str, Worse]:
        own = {pair.key: Worse(pair.key, translations[pair.key]) for pair in pairs if pair.key in translations}
        return _of_others(pairs, foreign, "wrong_language") | own

    return make


def language_switch(foreign: Sequence[Pair]) -> Make:
    """The beginning of the response itself, and from a word in its first half on the text of one of the `foreign` pairs."""

    def make(pairs: Sequence[TaughtPair]) -> dict[str, Worse]:
        others = _of_others(pairs, foreign, "language_switch")
        return {
            pair.key: Worse(others[pair.key].key, _switched(pair, others[pair.key].text))
            for pair in pairs
            if pair.key in others
        }

    return make


def _switched(pair: Pair, other: str) -> str:
    share = random.Random(f"preference language_switch {pair.key}").uniform(0, 0.5)
    begun = pair.response[: _word_end(pair.response, share)].rstrip()
    return f"{begun} {other[_word_end(other, share) :].lstrip()}"


def _word_end(text: str, share: float) -> int:
    """Where the word ends in which that share of the text does; in scripts without spaces between words, the letter."""
    place = round(share * len(text))
    space, letter = _SPACE.search(text, place), _LETTER.match(text, place)
    if space and space.start() - place < LONGEST_WORD:
        return int(space.start())
    return int(letter.end()) if letter else len(text)


def cut(pairs: Sequence[TaughtPair]) -> dict[str, Worse]:
    """The response itself, cut inside a sentence."""
    made = {pair.key: cut_off(pair, (), random.Random(f"preference cut_off {pair.key}")) for pair in pairs}
    return {key: Worse(key, spoiled[1]) for key, spoiled in made.items() if spoiled}


def written(responses: Callable[[Sequence[TaughtPair]], Mapping[str, str]]) -> Make:
    """What a model wrote to the same instruction, by the pair's key."""

    def make(pairs: Sequence[TaughtPair]) -> dict[str, Worse]:
        found = responses(pairs)
        return {pair.key: Worse(pair.key, found[pair.key]) for pair in pairs if pair.key in found}

    return make


def _of_others(pairs: Sequence[TaughtPair], others: Sequence[Pair], kind: PreferenceKind) -> dict[str, Worse]:
    """The first of the others, from a place by the pair's key on, that has another instruction and response."""
    ordered, found = sorted(others, key=lambda other: other.key), dict[str, Worse]()
    for pair in pairs:
        start = random.Random(f"preference {kind} {pair.key}").randrange(len(ordered)) if ordered else 0
        for step in range(len(ordered)):
            other = ordered[(start + step) % len(ordered)]
            if other.instruction != pair.instruction and _differ(pair.response, other.response):
                found[pair.key] = Worse(other.key, other.response)
                break
    return found
