"""Gold pairs: an English instruction and the response that people wrote to it, which nothing was trained on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key, normalised
from xinstr_core.seed_layouts import exchanges


@dataclass(frozen=True)
class GoldPair:
    """What people asked and answered; `key` follows from the response."""

    key: str
    instruction: str
    response: str


def read_gold_pairs(path: Path, trained_on: Collection[str]) -> list[GoldPair]:
    """The pairs of a file in a layout of seeds (`seed_layouts`), each response once, by key.

    What a model was trained on is left out: `trained_on` are texts, whose case and spaces do not count. InputError names
    a record that gives no pair, and a file of which nothing is left.
    """
    known = {normalised(text) for text in trained_on}
    pairs: dict[str, GoldPair] = {}
    for found in exchanges(read_records(path)):
        if isinstance(found, Reject):
            raise InputError(
                f"{found.place}: {found.reason} {found.value}: each gold pair needs instruction and response, both text"
            )
        if (text := normalised(found.response)) not in known:
            key = content_key("gold", text)
            pairs.setdefault(key, GoldPair(key, found.asked(), found.response))
    if not pairs:
        raise InputError(f"{path}: every gold pair was trained on, so none can be measured: take them out of the seeds")
    return [pairs[key] for key in sorted(pairs)]
