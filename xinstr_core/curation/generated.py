"""What a model really writes of texts that it has not seen, and how good that is: the mistakes that a rater will meet.

They look like nothing that constructions make: fluent questions about something else than the text ("What is a guitar?"),
or about its subject and not answered by it. The evaluator's adapter has learned to write instructions from other seeds,
so it writes some for the seeds of heads and of validation, which are chosen as candidates are; how near each comes in
meaning to what people asked of the same text says how good it is. No signal of a pair knows that, so nothing here proves
itself (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.gains import measure_gains, statuses_by_gain
from xinstr_core.curation.reverse import Tried, try_instructions
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import normalised
from xinstr_core.progress import Progress
from xinstr_core.schemas.candidate_pairs import ACCEPTED
from xinstr_core.schemas.evaluator import GENERATED, GENERATED_GAINS, GENERATED_RAW
from xinstr_core.settings import GenerationSettings

# Cosine of sentence vectors from which on an instruction asks the same, and below which it asks something else. 139 that
# Gemma 3 270M wrote of Finnish seeds were read beside the seeds' own (all-MiniLM-L6-v2): from 0.7 on five in six are
# answered by the text and the others are about its subject, below 0.45 nearly none is answered.
SAME, OTHER = 0.7, 0.45
_DRAWN = 100_000  # of sampling: another draw than the candidates'


@dataclass(frozen=True)
class Judged:
    """An instruction that was written of a seed's text, and its level by what a person asked."""

    instruction: str
    level: str


Generated = Mapping[str, Sequence[Judged]]  # by seed pair


@dataclass(frozen=True)
class Logs:
    """Where what was written is kept, and what was read of it: rows of RAW and of GAINS."""

    raw: RowLog
    gains: RowLog


def generated_instructions(
    engines: Engines,
    adapter: Path,
    pairs: Sequence[Pair],
    settings: GenerationSettings,
    logs: Logs,
    progress: Progress,
) -> dict[str, pl.DataFrame]:
    """Instructions of every different text of the pairs, written and chosen as candidates are: GENERATED, and what it cost.

    That is GENERATED_RAW and GENERATED_GAINS. The rows of a text have the key of its first pair. `adapter` has not seen
    the pairs. What the `logs` hold is neither written nor read again.
    """
    drawn = settings.model_copy(update={"seed": settings.seed + _DRAWN})
    model, load = f"{engines.base.fingerprint} {adapter_hash(adapter)}", engines.reverse(adapter)
    asked = _asked_by_people(pairs)
    texts = {key: of_text[0].response for key, of_text in asked.items()}
    tried, raw = try_instructions(load, model, texts, drawn, logs.raw, progress)
    usable = list({(one.text, one.instruction): one for one in reversed(tried) if one.status == ACCEPTED}.values())
    gained = measure_gains(
        load,
        model,
        [(one.key, texts[one.text], one.instruction) for one in usable if settings.chooses_by_gain],
        logs.gains,
        progress,
    )
    if settings.chooses_by_gain:
        statuses = statuses_by_gain(gained.values, {one.key: one.text for one in usable}, settings)
        usable = [one for one in usable if statuses.get(one.key) == ACCEPTED]
    alike = _nearest_to_people(engines, usable, asked)
    rows = [
        {
            "pair_id": one.text,
            "sample": one.sample,
            "instruction": one.instruction,
            "own": own,
            "similarity": round(similarity, 4),
            "level": _level(similarity),
        }
        for one, (own, similarity) in zip(usable, alike, strict=True)
    ]
    table = GENERATED.frame(rows).sort("pair_id", "sample")
    return {GENERATED.name: table, GENERATED_RAW.name: raw, GENERATED_GAINS.name: gained.rows}


def _asked_by_people(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs of each different response, by the least of their keys: people ask one text several things."""
    of_response: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair.key):
        of_response.setdefault(normalised(pair.response), []).append(pair)
    return {of_text[0].key: of_text for of_text in of_response.values()}


def _nearest_to_people(
    engines: Engines, written: Sequence[Tried], asked: Mapping[str, Sequence[Pair]]
) -> list[tuple[str, float]]:
    """For each instruction that of a person of the same text which comes nearest in meaning, and the cosine of both."""
    if not written:
        return []
    encode = engines.encoder()()
    people = list(dict.fromkeys(pair.instruction for one in written for pair in asked[one.text]))
    vectors = dict(zip(people, encode(people), strict=True))
    nearest = []
    for one, vector in zip(written, encode([one.instruction for one in written]), strict=True):
        alike = {pair.instruction: float(vectors[pair.instruction] @ vector) for pair in asked[one.text]}
        own = max(alike, key=lambda instruction: alike[instruction])
        nearest.append((own, alike[own]))
    return nearest


def by_pair(table: pl.DataFrame) -> Generated:
    """The rows of GENERATED, by seed pair."""
    found: dict[str, list[Judged]] = {}
    for pair_id, instruction, level in table.select("pair_id", "instruction", "level").iter_rows():
        found.setdefault(pair_id, []).append(Judged(instruction, level))
    return found


def _level(similarity: float) -> str:
    return "3" if similarity >= SAME else "1" if similarity < OTHER else "2"
