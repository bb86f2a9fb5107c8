"""What a model answers, and whether it answers in the language."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.corpus.characters import count_characters
from xinstr_core.corpus.identification import identify, knows
from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.engines.base import Decoding, Request, length_sorted_batches
from xinstr_core.engines.resume import run_batches
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.languages import Language
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import Prompt
from xinstr_core.schemas import frame
from xinstr_core.settings import EvaluationSettings
from xinstr_core.store import ShardLog

ENGLISH = "en"
REPLY_SCHEMA = pl.Schema({"prompt_id": pl.String, "reply": pl.String, "tokens": pl.Int64, "finished": pl.Boolean})
OUT_OF_REACH_SCRIPT_SHARE = 0.5  # under half of the letters in the script: no reader would call it the language


@dataclass(frozen=True)
class EvaluationPrompt:
    """A prompt and the language it is written in."""

    prompt_id: str
    instruction: str
    prompt_language: str


def read_prompts(path: Path) -> list[EvaluationPrompt]:
    """Prompts from JSONL records with id, instruction and prompt_language. InputError names a record without them."""
    prompts = []
    for record in read_records(path):
        if isinstance(record, Reject):
            raise InputError(f"{record.place}: {record.reason}: evaluation prompts must all be readable")
        values = [record.values.get(name) for name in ("id", "instruction", "prompt_language")]
        if not all(isinstance(value, str) and value for value in values):
            raise InputError(
                f"{record.place}: an evaluation prompt needs id, instruction and prompt_language; got {json.dumps(record.values)[:120]}"
            )
        prompts.append(EvaluationPrompt(*map(str, values)))
    return prompts


def answer(
    engine: Callable[[], TransformersEngine],
    prompts: Sequence[EvaluationPrompt],
    template: Prompt,
    language: Language,
    settings: EvaluationSettings,
    shards: ShardLog,
    progress: Progress,
) -> pl.DataFrame:
    """Greedy replies of one model to all prompts, one row a prompt."""
    requests = [
        Request(p.prompt_id, template.render(instruction=p.instruction, language=language.name)) for p in prompts
    ]
    decoding = Decoding(settings.maximum_new_tokens)

    def reply(loaded: TransformersEngine, batch: list[Request]) -> pl.DataFrame:
        rows = [(c.key, c.text.strip(), c.completion_tokens, c.finished) for c in loaded.generate(batch, decoding)]
        return frame([dict(zip(REPLY_SCHEMA.names(), row, strict=True)) for row in rows], REPLY_SCHEMA)

    frames = run_batches(engine, length_sorted_batches(requests, settings.batch_rows), shards, reply, progress)
    return pl.concat([REPLY_SCHEMA.to_frame(), *frames]).sort("prompt_id")


def is_wrong_language(reply: str, language: Language) -> bool:
    """Whether a reply is empty, in another script, or more probably in another language.

    For languages that the identifier does not know, the script decides alone.
    """
    if count_characters(reply, language.script).script_share < OUT_OF_REACH_SCRIPT_SHARE:
        return True
    return knows(language.tag) and identify(reply).best != language.tag.split("-")[0]
