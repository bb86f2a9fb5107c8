"""The rating set: seed pairs and what can be wrong with a pair, on three levels.

Level 3 (best) is a seed pair as it stands, level 2 is reasonable with a flaw, level 1 is wrong. What makes which level
stands in `constructions.FLAWS`; some flaws are not made from the pair but brought along: see `Material`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xinstr_core.curation.constructions import FLAWS, OWN, Pair
from xinstr_core.curation.generated import Generated, Judged
from xinstr_core.identity import content_key
from xinstr_core.settings import Construction

GENERATED = "generated"
# Level, and nothing about either score: a response may be weak in many ways.
_BROUGHT = {"weaker_response": "2", "base_response": "1"}


@dataclass(frozen=True)
class RatedPair(Pair):
    """A pair with its level, what made it so, and what that says of instruction and fit (None: nothing).

    `seed` is the key of the seed pair that it was made of.
    """

    seed: str
    level: str
    construction: str
    instruction_good: bool | None
    fits: bool | None


@dataclass(frozen=True)
class Material:
    """What no seed pair can be turned into: responses of models, by construction and pair key, instructions of models by
    pair key, and English pairs."""

    responses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    english: Sequence[Pair] = ()
    instructions: Generated = field(default_factory=dict)


def build_rating_set(
    pairs: Sequence[Pair], constructions: Sequence[Construction], material: Material | None = None, seed: int = 0
) -> list[RatedPair]:
    """Every pair as it stands and with each flaw, no two rows alike. Needs two pairs or more: flaws borrow from others.

    A pair's rows depend on its key, the others and `seed` alone. English pairs become rows in the wrong language. What
    comes out as one of the pairs is no flaw: several may share an instruction or a response.
    """
    material = material or Material()
    right = {(pair.instruction, pair.response) for pair in pairs}
    rated: dict[tuple[str, str], RatedPair] = {}
    for pair in pairs:
        others = [o for o in pairs if o.instruction != pair.instruction and o.response != pair.response]
        for construction in (OWN, *constructions) if others else ():
            row = _rated(pair, others, construction, material, seed)
            if row is not None and (construction == OWN or (row.instruction, row.response) not in right):
                rated.setdefault((row.instruction, row.response), row)
        for number, judged in enumerate(material.instructions.get(pair.key, ())):
            if (judged.instruction, pair.response) not in right:
                row = _generated(pair, judged, number)
                rated.setdefault((row.instruction, row.response), row)
    if "wrong_language" in constructions:
        for pair in material.english:
            row = _row(pair.key, pair.instruction, pair.response, "1", "wrong_language", True, None)
            rated.setdefault((row.instruction, row.response), row)
    return list(rated.values())


def shuffled_pairs(pairs: Sequence[Pair]) -> list[RatedPair]:
    """Every response under the instruction of another pair, half the list away: what fits least, for validation."""
    ordered = sorted(pairs, key=lambda pair: pair.key)
    right = {(pair.instruction, pair.response) for pair in pairs}
    half = len(ordered) // 2
    return [
        _row(pair.key, other.instruction, pair.response, "1", "shuffled", True, False)
        for pair, other in zip(ordered, ordered[half:] + ordered[:half], strict=True)
        if (other.instruction, pair.response) not in right
    ]


def _rated(pair: Pair, others: Sequence[Pair], construction: str, material: Material, seed: int) -> RatedPair | None:
    """The pair with one flaw, or None where it cannot have it."""
    if flaw := FLAWS.get(construction):
        made = flaw.spoil(pair, others, random.Random(f"rating set {seed} {construction} {pair.key}"))
        return _row(pair.key, *made, flaw.level, construction, flaw.instruction_good, flaw.fits) if made else None
    written = material.responses.get(construction, {}).get(pair.key)
    return (
        _row(pair.key, pair.instruction, written, _BROUGHT[construction], construction, True, None) if written else None
    )


def _generated(pair: Pair, judged: Judged, number: int) -> RatedPair:
    fits = {"3": True, "1": False}.get(judged.level)
    key = content_key("rated", pair.key, GENERATED, str(number))
    return RatedPair(key, judged.instruction, pair.response, pair.key, judged.level, GENERATED, None, fits)


def _row(
    key: str,
    instruction: str,
    response: str,
    level: str,
    construction: str,
    instruction_good: bool | None,
    fits: bool | None,
) -> RatedPair:
    return RatedPair(
        content_key("rated", key, construction), instruction, response, key, level, construction, instruction_good, fits
    )
