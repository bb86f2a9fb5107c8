"""Which pairs are held out: of training, and of those that are left the ones of which heads learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.rating_set import Material
from xinstr_core.identity import normalised

HEAD_DIGITS = slice(16, 20)  # of keys, to split once more what `split_pairs` has split by its own


def split_pairs(pairs: Sequence[Pair], share: float, digits: slice = slice(8, 16)) -> tuple[list[Pair], list[Pair]]:
    """(the others, a `share` of the pairs) by key: a pair stays on its side whatever other texts are added.

    Pairs of one response go together, by the least of their keys: else what was learned from one would prove the other. By
    other `digits` than those that sort keys: seeds are chosen by the lowest keys, and would be taken too often.
    """
    least: dict[str, str] = {}
    for pair in pairs:
        form = normalised(pair.response)
        least[form] = min(pair.key, least.get(form, pair.key))
    sides = {form: int(key[digits], 16) / 16 ** len(key[digits]) < share for form, key in least.items()}
    taken = {pair.key for pair in pairs if sides[normalised(pair.response)]}
    return [pair for pair in pairs if pair.key not in taken], [pair for pair in pairs if pair.key in taken]


def split_material(material: Material, share: float, digits: slice = slice(8, 16)) -> tuple[Material, Material]:
    """The material of either side of `split_pairs`: an English pair is on one of them, too."""
    others, taken = split_pairs(material.english, share, digits)
    return replace(material, english=others), replace(material, english=taken)
