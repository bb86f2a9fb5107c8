"""What a model answers, and whether it answers in the language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from xinstr_core.corpus.characters import count_characters
from xinstr_core.corpus.identification import Identifier
from xinstr_core.corpus.quality import measure
from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.resume import KEY, Load, RowLog, run_rows
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key
from xinstr_core.languages import Language
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import Prompt
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.eval_report import REPLY_COLUMNS
from xinstr_core.schemas.metrics import IDENTIFIED_CHARACTERS
from xinstr_core.seed_fields import UnusableRecord, material_of
from xinstr_core.settings import EvaluationSettings

ENGLISH = "en"
REPLY_SCHEMA = pl.Schema({column.name: column.dtype for column in REPLY_COLUMNS})
OUT_OF_REACH_SCRIPT_SHARE = 0.5  # under half of the letters in the script: no reader would call it the language


@dataclass(frozen=True)
class EvaluationPrompt:
    """A prompt and the language it is written in."""

    prompt_id: str
    instruction: str
    prompt_language: str


def read_prompts(path: Path) -> list[EvaluationPrompt]:
    """Prompts from records with id, instruction and prompt_language, and what they are about. InputError names a record without them."""
    prompts = []
    for record in read_records(path):
        if isinstance(record, Reject):
            raise InputError(f"{record.place}: {record.reason}: evaluation prompts must all be readable")
        values = [record.values.get(name) for name in ("id", "instruction", "prompt_language")]
        if not all(isinstance(value, str) and value for value in values):
            raise InputError(
                f"{record.place}: an evaluation prompt needs id, instruction and prompt_language; got {json.dumps(record.values)[:120]}"
            )
        try:
            material = material_of(record.values).values()
        except UnusableRecord as error:
            raise InputError(f"{record.place}: {' '.join(error.args)}: what a prompt is about must be text") from None
        key, instruction, language = map(str, values)
        prompts.append(EvaluationPrompt(key, "\n\n".join((instruction, *material)), language))
    return prompts


def answer(
    load: Load,
    model: str,
    prompts: Sequence[EvaluationPrompt],
    template: Prompt,
    language: Language,
    settings: EvaluationSettings,
    log: RowLog,
    progress: Progress,
) -> pl.DataFrame:
    """Replies of one model to all prompts, the likeliest under the settings' penalty, by prompt: REPLY_SCHEMA and `prompt_id`.

    `model` is what identifies it. A prompt on which it fails has an empty reply, which counts as a wrong one.
    """
    decoding = Decoding(settings.maximum_new_tokens, repetition_penalty=settings.repetition_penalty)
    named = json.dumps(decoding.identity())
    asked = {}
    for one in prompts:
        text = template.render(instruction=one.instruction, language=language.name)
        asked[one.prompt_id] = Request(content_key("reply", model, named, text), text)

    def reply(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        rows = [(c.key, c.text.strip(), c.completion_tokens, c.finished) for c in engine.generate(batch, decoding)]
        return frame([dict(zip(REPLY_SCHEMA.names(), row, strict=True)) for row in rows], REPLY_SCHEMA)

    told = partial(progress, doing="writing replies")
    rows = run_rows(load, list(asked.values()), reply, log, batch_rows=settings.batch_rows, progress=told)
    keys = pl.DataFrame(
        {"prompt_id": list(asked), KEY: [request.key for request in asked.values()]},
        schema={"prompt_id": pl.String, KEY: pl.String},
    )
    empty = pl.col("reply").fill_null(""), pl.col("tokens").fill_null(0), pl.col("finished").fill_null(False)
    return keys.join(rows.done, on=KEY, how="left").with_columns(empty).sort("prompt_id")


def has_wrong_line(reply: str, language: Language) -> bool:
    """Whether a line of IDENTIFIED_CHARACTERS or more is not in the language: what a reply as a whole can hide."""
    lines = (line.strip() for line in reply.splitlines())
    return any(is_wrong_language(line, language) for line in lines if len(line) >= IDENTIFIED_CHARACTERS)


def repetition(reply: str, language: Language) -> float:
    """Share of a reply's runs of words that it had before; 0 for an empty one."""
    return measure(reply, language.script).repeated_phrase_share if reply.strip() else 0.0


def is_wrong_language(reply: str, language: Language) -> bool:
    """Whether a reply is empty, in another script, or more probably in another language.

    For languages that the identifier does not know, the script decides alone.
    """
    if count_characters(reply, language.script).script_share < OUT_OF_REACH_SCRIPT_SHARE:
        return True
    identifier = Identifier(language.tag, language.identified_as)
    return identifier.knows and not identifier.takes(identifier.identify(reply).best)
