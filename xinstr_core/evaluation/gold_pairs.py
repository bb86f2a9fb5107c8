"""Gold pairs: an English instruction and the response that people wrote to it, which nothing was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from xinstr_core.corpus.identification import UNKNOWN
from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key, normalised
from xinstr_core.languages import Language
from xinstr_core.seed_layouts import exchanges
from xinstr_core.seeds import response_language

_OF_THE_LANGUAGE = 0.5  # of the responses; single short ones are taken for other languages


@dataclass(frozen=True)
class GoldPair:
    """What people asked and answered; `key` follows from the response."""

    key: str
    instruction: str
    response: str


def read_gold_pairs(path: Path, language: Language, trained_on: Collection[str] = ()) -> list[GoldPair]:
    """The pairs of a file in a layout of seeds (`seed_layouts`), each response once, by key.

    What a model was trained on is left out: `trained_on` are texts, whose case and spaces do not count. InputError names
    a record that gives no pair, a file of another language, and one of which nothing is left.
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
    _check_language(path, language, [pair.response for pair in pairs.values()])
    if not pairs:
        raise InputError(f"{path}: every gold pair was trained on, so none can be measured: take them out of the seeds")
    return [pairs[key] for key in sorted(pairs)]


def _check_language(path: Path, language: Language, responses: Collection[str]) -> None:
    found = Counter(response_language(text, language.tag) for text in responses)
    own = found[language.tag] + found[UNKNOWN]
    if own < _OF_THE_LANGUAGE * found.total():
        other, count = found.most_common(1)[0]
        raise InputError(
            f"{path}: {count} of {found.total()} responses are in {other}: gold pairs need an English instruction and a "
            f"response in {language.name}"
        )
