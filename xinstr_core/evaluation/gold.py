"""Comparison with the pocket world's gold: the only reader of the gold files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.evaluation.replies import EvaluationPrompt
from xinstr_core.pocket.documents import Topic
from xinstr_core.pocket.oracle import read_document, read_instruction

# Copies of good documents are good texts: whichever copy came first was kept.
_GOOD_KINDS = frozenset({"clean", "exact_duplicate", "near_duplicate"})
JUDGED_SCHEMA = {
    "pair_id": pl.String,
    "kind": pl.String,
    "intent": pl.String,
    "right_intent": pl.Boolean,
    "right_subject": pl.Boolean,
    "good": pl.Boolean,
}


@dataclass(frozen=True)
class HeldOutDocument:
    """A document about a subject that no training text names."""

    key: str
    text: str
    topic: Topic


def judge_pairs(pairs: pl.DataFrame, gold: Path, language: str) -> pl.DataFrame:
    """For pairs (pair_id, doc_id, instruction): the document's kind and intent, and whether the instruction is right.

    A pair is good when its document is and its instruction asks for that document's intent and subject.
    """
    truth = {row["doc_id"]: row for row in _read(gold)}
    rows = []
    for pair_id, doc_id, instruction in pairs.select("pair_id", "doc_id", "instruction").iter_rows():
        known = truth[doc_id]
        intent, subject = judge_instruction(instruction, Topic(language, known["intent"], known["subject"]))
        good = subject and known["kind"] in _GOOD_KINDS
        rows.append((pair_id, known["kind"], known["intent"], intent, subject, good))
    return pl.DataFrame(rows, schema=JUDGED_SCHEMA, orient="row")


def judge_instruction(instruction: str, topic: Topic) -> tuple[bool, bool]:
    """(right intent, right intent and subject)."""
    read = read_instruction(instruction, topic.language)
    return read is not None and read.intent == topic.intent, read == topic


def judge_replies(replies: pl.DataFrame, prompts: Sequence[EvaluationPrompt], language: str) -> pl.DataFrame:
    """For each reply whether it is, by most of its sentences, about what the prompt asked for, in the language."""
    asked = {p.prompt_id: read_instruction(p.instruction, language, p.prompt_language) for p in prompts}
    rows = []
    for prompt_id, reply in replies.select("prompt_id", "reply").iter_rows():
        reading, topic = read_document(reply, language), asked[prompt_id]
        readable = reading is not None and reading.share > 0.5 and reading.topic.language == language
        intent = readable and topic is not None and reading is not None and reading.topic.intent == topic.intent
        subject = readable and reading is not None and reading.topic == topic
        rows.append((prompt_id, intent, subject))
    return pl.DataFrame(
        rows, schema={"prompt_id": pl.String, "right_intent": pl.Boolean, "right_subject": pl.Boolean}, orient="row"
    )


def held_out_documents(gold: Path, language: str) -> list[HeldOutDocument]:
    return [
        HeldOutDocument(
            f"{language}-held-out-{number:03d}", row["text"], Topic(language, row["intent"], row["subject"])
        )
        for number, row in enumerate(_read(gold))
    ]


def _read(path: Path) -> Iterable[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)
