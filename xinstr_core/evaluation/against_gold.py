"""What gold says of the stages before: of the pairs that curation kept, of what selection covers, of the reverse model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.resume import Load
from xinstr_core.evaluation.gold import HeldOutDocument, judge_instruction, judge_pairs
from xinstr_core.evaluation.measures import Measures, by_case
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.metrics import (
    GOOD_PAIRS,
    INSTRUCTION_INTENT,
    INSTRUCTION_SUBJECT,
    INTENTS_COVERED,
    PRECISION,
    RECALL,
)
from xinstr_core.settings import GenerationSettings


def measure_pairs(pairs: pl.DataFrame, selected: pl.DataFrame, gold: Path, language: str, measures: Measures) -> None:
    """What curation did to all rated `pairs`: share of good ones before and after, and how many good ones it kept.

    And which intents the `selected` ones (pair_id) cover, beside as many kept ones at random.
    """
    judged = pairs.join(judge_pairs(pairs, gold, language), on="pair_id", how="inner")
    measures.add(GOOD_PAIRS, "accepted candidates", by_case(judged, "good", "pair_id"))
    measures.add(PRECISION, "kept pairs", by_case(judged.filter("kept"), "good", "pair_id"))
    measures.add(RECALL, "kept pairs", by_case(judged.filter("good"), "kept", "pair_id"))
    kept = pairs.filter("kept").sort("pair_id")  # keys are hashes: the first ones are a random choice
    for name, chosen in (("selected pairs", selected), ("random pairs, as many", kept.head(len(selected)))):
        topics = judged.join(chosen.select("pair_id"), on="pair_id").filter("good")["intent"]
        covered = {intent: float(intent in set(topics)) for intent in judged["intent"].unique().sort()}
        measures.add(INTENTS_COVERED, name, covered)


def measure_reverse_model(
    load: Load,
    documents: Sequence[HeldOutDocument],
    settings: GenerationSettings,
    measures: Measures,
    progress: Progress = silent,
) -> None:
    """The reverse model on documents about subjects that no training text names: greedily, with the guidance that candidates are written with."""
    by_key = {document.key: document for document in documents}
    reverse = prompt("reverse")
    without = reverse.render(text="")
    requests = [Request(key, reverse.render(text=one.text), against=without) for key, one in by_key.items()]
    decoding = Decoding(settings.maximum_new_tokens, guidance=settings.guidance)
    intents, subjects = dict[str, float](), dict[str, float]()
    for batch in length_sorted_batches(requests, settings.batch_rows):
        progress(len(intents), len(requests), doing="writing instructions of gold documents")
        for completion in load().generate(batch, decoding):
            intent, subject = judge_instruction(completion.text.strip(), by_key[completion.key].topic)
            intents[completion.key], subjects[completion.key] = float(intent), float(subject)
    measures.add(INSTRUCTION_INTENT, "reverse model", intents)
    measures.add(INSTRUCTION_SUBJECT, "reverse model", subjects)
