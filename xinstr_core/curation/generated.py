"""What a model really writes of texts that it has not seen, and how good that is: the mistakes that a rater will meet.

They look like nothing that constructions make: fluent questions about something else than the text ("What is a guitar?"),
or about its subject and not answered by it. The evaluator's adapter has learned to write instructions from other seeds,
so it writes some for the seeds of heads and of validation; how near each comes in meaning to what people asked of the
same text says how good it is. No signal of a pair knows that, so nothing here proves itself (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.reverse import Tried, try_instructions
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import normalised
from xinstr_core.progress import Progress
from xinstr_core.schemas.candidate_pairs import ACCEPTED
from xinstr_core.schemas.evaluator import GENERATED
from xinstr_core.settings import GenerationSettings

# Of a text, at random: what is chosen by its gain teaches a head nothing of gains (docs/decisions/0016).
SAMPLES = 3
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


def generated_instructions(
    engines: Engines,
    adapter: Path,
    pairs: Sequence[Pair],
    settings: GenerationSettings,
    log: RowLog,
    progress: Progress,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """SAMPLES instructions of every different text of the pairs: (those that are some, as GENERATED; the raw answers).

    The rows of a text have the key of its first pair. `adapter` has not seen the pairs. What the `log` holds is not
    written again.
    """
    drawn = settings.model_copy(update={"seed": settings.seed + _DRAWN, "candidates": SAMPLES, "openings": ()})
    model = engines.identity("reverse", f"{engines.base.fingerprint} {adapter_hash(adapter)}")
    asked = _asked_by_people(pairs)
    texts = {key: of_text[0].response for key, of_text in asked.items()}
    tried, raw = try_instructions(engines.reverse(adapter), model, texts, drawn, log, progress)
    accepted = [one for one in tried if one.status == ACCEPTED]
    rows = [
        {
            "pair_id": one.text,
            "sample": one.sample,
            "instruction": one.instruction,
            "own": own,
            "similarity": round(similarity, 4),
            "level": _level(similarity),
        }
        for one, (own, similarity) in zip(accepted, _nearest_to_people(engines, accepted, asked), strict=True)
    ]
    table = GENERATED.frame(rows).unique(["pair_id", "instruction"], keep="first", maintain_order=True)
    return table.sort("pair_id", "sample"), raw


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
