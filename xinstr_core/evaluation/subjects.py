"""Measuring one model: what it replies, in which language, and how likely it finds what it was never shown."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from xinstr_core.engines.base import SCORED_ROWS, Request, TokenScores
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import Load, RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.evaluation.gold import HeldOutDocument, judge_replies
from xinstr_core.evaluation.gold_pairs import GoldPair
from xinstr_core.evaluation.measures import Measures, by_case
from xinstr_core.evaluation.replies import (
    ENGLISH,
    EvaluationPrompt,
    answer,
    has_wrong_line,
    is_wrong_language,
    repetition,
)
from xinstr_core.identity import content_key
from xinstr_core.languages import Language
from xinstr_core.pocket.documents import write_instruction
from xinstr_core.progress import Progress, silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.metrics import (
    GOLD_BITS,
    GOLD_LIKELIHOOD,
    HELD_OUT_LIKELIHOOD,
    REPETITION,
    REPLY_INTENT,
    REPLY_LENGTH,
    REPLY_SUBJECT,
    UNFINISHED,
    WRONG_LANGUAGE,
    WRONG_LANGUAGE_LINE,
    Metric,
)
from xinstr_core.settings import EvaluationSettings


@dataclass(frozen=True)
class Subject:
    """A model that is measured: the base model (no adapter) or a tuned one, asked as it was taught to be."""

    name: str
    adapter: Path | None
    template: str


@dataclass(frozen=True)
class Examination:
    """What every model of a language is asked.

    `held_out` are pairs (pair_id, instruction, response) that no model has seen; `gold` are documents about subjects that
    no training text names, None for text from outside; `gold_pairs` are what people wrote, for any language.
    """

    language: Language
    settings: EvaluationSettings
    prompts: Sequence[EvaluationPrompt]
    held_out: pl.DataFrame
    gold: Sequence[HeldOutDocument] | None
    gold_pairs: Sequence[GoldPair] = ()

    def measure(
        self, subject: Subject, engines: Engines, log: RowLog, measures: Measures, progress: Progress
    ) -> pl.DataFrame:
        """Measure one model and return its replies, with its name and the language beside them."""
        engine = engines.tuned(subject.adapter)
        weights = content_key(engines.base.fingerprint, adapter_hash(subject.adapter) if subject.adapter else "")
        model = engines.identity("tuned", weights)
        template = prompt(subject.template)
        replies = answer(engine, model, self.prompts, template, self.language, self.settings, log, progress)
        self._judge(subject, replies, measures)
        reading = partial(progress, doing="reading held-out pairs")
        held_out = likelihoods(engine, self._held_out_requests(), reading)
        measures.add(HELD_OUT_LIKELIHOOD, subject.name, held_out, prompts=ENGLISH)
        reading = partial(progress, doing="reading gold responses")
        if self.gold_pairs:
            found = bits_per_byte(engine, self._gold_pair_requests(subject.template), reading)
            measures.add(GOLD_BITS, subject.name, found, prompts=ENGLISH)
        if self.gold is not None:
            of_gold = likelihoods(engine, self._gold_requests(self.gold, subject.template), reading)
            measures.add(GOLD_LIKELIHOOD, subject.name, of_gold, prompts=ENGLISH)
        return replies.with_columns(language=pl.lit(self.language.tag), model=pl.lit(subject.name))

    def _judge(self, subject: Subject, replies: pl.DataFrame, measures: Measures) -> None:
        """Language of the replies and, by gold, what they are about, for each language of prompts."""
        judged = None if self.gold is None else judge_replies(replies, self.prompts, self.language.tag)
        for asked_in in sorted({p.prompt_language for p in self.prompts}):
            ids = [p.prompt_id for p in self.prompts if p.prompt_language == asked_in]
            of_language = replies.filter(pl.col("prompt_id").is_in(ids))
            for metric, values in self._of_replies(of_language).items():
                measures.add(metric, subject.name, values, prompts=asked_in)
            if judged is not None:
                of_gold = judged.filter(pl.col("prompt_id").is_in(ids))
                for metric, column in ((REPLY_INTENT, "right_intent"), (REPLY_SUBJECT, "right_subject")):
                    measures.add(metric, subject.name, by_case(of_gold, column, "prompt_id"), prompts=asked_in)

    def _of_replies(self, replies: pl.DataFrame) -> dict[Metric, dict[str, float]]:
        """What every reply shows by itself, by metric and prompt."""
        texts = dict(replies.select("prompt_id", "reply").iter_rows())
        return {
            WRONG_LANGUAGE: {case: float(is_wrong_language(text, self.language)) for case, text in texts.items()},
            WRONG_LANGUAGE_LINE: {case: float(has_wrong_line(text, self.language)) for case, text in texts.items()},
            REPETITION: {case: repetition(text, self.language) for case, text in texts.items()},
            UNFINISHED: by_case(replies.select("prompt_id", ~pl.col("finished")), "finished", "prompt_id"),
            REPLY_LENGTH: {case: float(len(text)) for case, text in texts.items()},
        }

    def _held_out_requests(self) -> list[Request]:
        """Each held-out response under its own instruction."""
        web = prompt("response_web")
        return [
            Request(pair_id, web.render(instruction=instruction, language=self.language.name), response)
            for pair_id, instruction, response in self.held_out.select("pair_id", "instruction", "response").iter_rows()
        ]

    def _gold_pair_requests(self, template: str) -> list[Request]:
        asked = prompt(template)
        return [
            Request(pair.key, asked.render(instruction=pair.instruction, language=self.language.name), pair.response)
            for pair in self.gold_pairs
        ]

    def _gold_requests(self, documents: Sequence[HeldOutDocument], template: str) -> list[Request]:
        """Each gold document under a right English instruction.

        No flaw of a generated instruction or a web text is in it: what tells models apart more finely than their replies.
        """
        return [
            Request(
                document.key,
                prompt(template).render(
                    instruction=write_instruction(document.topic, ENGLISH, random.Random(document.key)),
                    language=self.language.name,
                ),
                document.text,
            )
            for document in documents
        ]


def likelihoods(engine: Load, requests: Sequence[Request], progress: Progress = silent) -> dict[str, float]:
    """Mean natural log-probability per token of every completion, by key; none of one that the model cannot read."""
    return {key: sum(scores.tokens) / len(scores.tokens) for key, scores in _scored(engine, requests, progress).items()}


def bits_per_byte(engine: Load, requests: Sequence[Request], progress: Progress = silent) -> dict[str, float]:
    """Bits that each completion costs a byte of its UTF-8 form, by key: tokenizers cut differently, bytes are the same.

    None of a completion that the model cannot read. The end of text is not counted.
    """
    bytes_of = {request.key: len(request.completion.encode()) for request in requests}
    found = _scored(engine, requests, progress).items()
    return {key: -sum(scores.tokens) / math.log(2) / bytes_of[key] for key, scores in found}


def _scored(engine: Load, requests: Sequence[Request], progress: Progress) -> dict[str, TokenScores]:
    found, done = dict[str, TokenScores](), 0
    for batch in length_sorted_batches(requests, SCORED_ROWS):
        progress(done, len(requests))
        done += len(batch)
        for _, scores in isolated(lambda part: engine().score(part), batch):
            if not isinstance(scores, Fault):
                found |= {score.key: score for score in scores}
    return found
