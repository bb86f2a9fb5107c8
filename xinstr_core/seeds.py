"""Seed pairs: (English instruction, response), checked, with each response's language found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xinstr_core.corpus.identification import identify, knows
from xinstr_core.corpus.readers import Record, Reject, read_records
from xinstr_core.identity import content_key, normalised
from xinstr_core.text import is_storable

EXCERPT_CHARACTERS = 200


@dataclass(frozen=True)
class SeedPair:
    """`native` tells seeds in the target language from English ones, everywhere downstream."""

    pair_id: str
    instruction: str
    response: str
    source: str
    licence: str
    native: bool


def read_seeds(path: Path, language: str) -> Iterator[SeedPair | Reject]:
    """Seed pairs of a file, each once. Rejects carry a reason: no instruction, no response, duplicate, wrong language."""
    seen: set[str] = set()
    for record in read_records(path):
        if isinstance(record, Reject):
            yield record
            continue
        if not all(is_storable(_text(record, field)) for field in ("instruction", "response", "source", "licence")):
            yield Reject(record.place, "not_text", "", "NUL or lone surrogate")
            continue
        instruction, response = _text(record, "instruction"), _text(record, "response")
        if not instruction or not response:
            missing = "instruction" if not instruction else "response"
            yield Reject(record.place, f"no_{missing}", str(record.values)[:EXCERPT_CHARACTERS])
            continue
        key = content_key("seed", language, normalised(instruction), normalised(response))
        if key in seen:
            yield Reject(record.place, "duplicate", instruction[:EXCERPT_CHARACTERS], key)
            continue
        seen.add(key)
        identified = identify(response)
        native = identified.of(language) >= 0.5 if knows(language) else identified.label != "en"
        if not native and identified.label != "en":
            yield Reject(
                record.place, "wrong_language", response[:EXCERPT_CHARACTERS], identified.label, f"{language} or en"
            )
            continue
        yield SeedPair(
            key, instruction, response, _text(record, "source"), _text(record, "licence") or "unknown", native
        )


def _text(record: Record, field: str) -> str:
    value = record.values.get(field)
    return value.strip() if isinstance(value, str) else ""
