"""Responses that models write to the seeds' instructions: fluent but weaker ones, and those of the untuned base model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import KEY, Load, RowLog, run_rows
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key
from xinstr_core.languages import Language
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.evaluator import WRITTEN
from xinstr_core.settings import EvaluatorSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

# As published for generation; 256 tokens are the length of a published response in most tokenizers.
DECODING = Decoding(maximum_new_tokens=256, temperature=0.7, top_p=0.9)
BATCH_ROWS = 32
RESPONSE_SCHEMA = pl.Schema({KEY: pl.String, "written": pl.String})

Written = Mapping[str, Mapping[str, str]]  # by construction and pair key
_DIGITS = slice(4, 8)  # of a key: others than those that split the seeds


def as_table(written: Written) -> pl.DataFrame:
    """Responses as the table WRITTEN, sorted; `from_table` gives them back."""
    rows = [(construction, key, text) for construction, of in written.items() for key, text in of.items()]
    return pl.DataFrame(sorted(rows), schema=WRITTEN.schema, orient="row")


def from_table(table: pl.DataFrame) -> Written:
    written: dict[str, dict[str, str]] = {}
    for construction, key, text in table.select(WRITTEN.schema.names()).iter_rows():
        written.setdefault(construction, {})[key] = text
    return written


def written_responses(
    engines: Engines,
    pairs: Sequence[Pair],
    settings: EvaluatorSettings,
    language: Language,
    folder: Path,
    progress: Progress,
) -> tuple[Written, dict[str, float]]:
    """(what the constructions that need a model need, by construction and pair key; seconds of each construction).

    Written for `settings.written_share` of the pairs, chosen by key; nothing where none is switched on. A weaker response
    comes from a model tuned on the other half of the seeds: it has not seen the pair that it answers.
    """
    written: dict[str, dict[str, str]] = {}
    seconds: dict[str, float] = {}
    log = RowLog.open(folder / "written", RESPONSE_SCHEMA)
    asked = {pair.key for pair in pairs if int(pair.key[_DIGITS], 16) < settings.written_share * 16**4}
    if "base_response" in settings.constructions:
        started = time.monotonic()
        written["base_response"], _ = answers(
            engines.writer(),
            engines.identity("writer", engines.base.fingerprint),
            [pair for pair in pairs if pair.key in asked],
            language,
            log,
            progress,
        )
        seconds["base_response"] = time.monotonic() - started
    if "weaker_response" in settings.constructions:
        started = time.monotonic()
        ordered = sorted(pairs, key=lambda pair: pair.key)
        written["weaker_response"] = {}
        for number, half in enumerate((ordered[::2], ordered[1::2])):
            others = ordered[1 - number :: 2]
            examples = [Example(pair.key, _prompt(pair, language), pair.response) for pair in others]
            adapter = train_adapter(engines, examples, settings, folder / f"weaker-{number}", progress=progress).folder
            found, _ = answers(
                engines.writer(adapter),
                engines.identity("writer", adapter_hash(adapter)),
                [pair for pair in half if pair.key in asked],
                language,
                log,
                progress,
            )
            written["weaker_response"] |= found
        seconds["weaker_response"] = time.monotonic() - started
    return written, seconds


def answers(
    load: Load, model: str, pairs: Sequence[Pair], language: Language, log: RowLog, progress: Progress
) -> tuple[dict[str, str], pl.DataFrame]:
    """(what a model writes to the pairs' instructions, by pair key, where it writes anything; the rows of it).

    `model` is what identifies it; rows are of RESPONSE_SCHEMA, as `log` keeps them.
    """
    requests = {
        pair.key: Request(content_key("written", model, _prompt(pair, language)), _prompt(pair, language))
        for pair in pairs
    }

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        found = engine.generate(batch, DECODING)
        return frame(
            [{KEY: completion.key, "written": completion.text.strip()} for completion in found], RESPONSE_SCHEMA
        )

    told = partial(progress, doing="writing responses")
    rows = run_rows(load, list(requests.values()), work, log, batch_rows=BATCH_ROWS, progress=told)
    texts = dict(rows.done.iter_rows())
    return {key: texts[request.key] for key, request in requests.items() if texts.get(request.key)}, rows.done


def _prompt(pair: Pair, language: Language) -> str:
    return prompt("response_seed").render(instruction=pair.instruction, language=language.name)
