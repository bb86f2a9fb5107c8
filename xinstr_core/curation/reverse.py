"""What a reverse model writes of texts: raw answers by key, and instructions with what is to be said against them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

import polars as pl

from xinstr_core.curation.instructions import instruction_status
from xinstr_core.engines.base import Completion, Decoding, Engine, Request
from xinstr_core.engines.resume import KEY, Load, RowLog, Rows, run_windows
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import Rendered, prompt
from xinstr_core.schemas.candidate_pairs import RAW
from xinstr_core.settings import GenerationSettings

Given = TypeVar("Given")


def decoding_of(settings: GenerationSettings) -> Decoding:
    """How instructions are decoded."""
    return Decoding(settings.maximum_new_tokens, settings.temperature, settings.top_p, settings.seed, settings.guidance)


def written_by(settings: GenerationSettings) -> dict[str, object]:
    """What decides how one instruction is written and what passes for one: for fingerprints of those that write few."""
    return {**decoding_of(settings).identity(), "maximum_characters": settings.maximum_instruction_characters}


def reverse_prompt(text: str) -> Rendered:
    """What a reverse model is asked of a text."""
    return prompt("reverse").render(text=text)


def reverse_request(key: str, asked: Rendered, opening: str = "") -> Request:
    """What asks for an instruction by the prompt of its text; guidance leads away from what is asked without any."""
    return Request(key, asked, opening, _without_text())


@cache
def _without_text() -> Rendered:
    return reverse_prompt("")


def write_raw_windows(
    load: Load,
    windows: Iterable[Given],
    asked: Callable[[Given], Sequence[Request]],
    settings: GenerationSettings,
    log: RowLog,
    progress: Progress,
    windows_in_all: int = 1,
) -> Generator[tuple[Given, Rows]]:
    """Raw answers (RAW) by window, on disk before anything parses them: a better parser never costs a second generation."""

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return RAW.frame([_raw_row(completion) for completion in engine.generate(batch, decoding_of(settings))])

    return run_windows(
        load,
        windows,
        asked,
        work,
        log,
        batch_rows=settings.batch_rows,
        progress=partial(progress, doing="writing instructions"),
        maximum_failed_share=settings.maximum_failed_share,
        windows_in_all=windows_in_all,
    )


@dataclass(frozen=True)
class Tried:
    """An instruction that a model wrote of the text with that key; `status` is ACCEPTED, or what is to be said against it."""

    key: str
    text: str
    sample: int
    instruction: str
    status: str


def try_instructions(
    load: Load,
    model: str,
    texts: Mapping[str, str],
    settings: GenerationSettings,
    log: RowLog,
    progress: Progress,
) -> tuple[list[Tried], pl.DataFrame]:
    """(instructions of every text, failed ones too, sorted by text and sample; the raw answers). `model` identifies it.

    Free ones as many as the settings have candidates, then one from each of their openings.
    """
    decoding = str(decoding_of(settings))
    asked: dict[str, list[tuple[str, int, str]]] = {}  # equal texts share a row
    requests = []
    for name, text in texts.items():
        rendered = reverse_prompt(text)
        for sample, opening in enumerate([*[""] * settings.candidates, *settings.openings]):
            key = content_key("tried", model, decoding, rendered, *([opening] if opening else []), str(sample))
            asked.setdefault(key, []).append((name, sample, opening))
            requests.append(reverse_request(key, rendered, opening))
    [(_, raw)] = write_raw_windows(load, [requests], lambda given: given, settings, log, progress)
    tried = [Tried(key, name, sample, "", "failed") for key in raw.failed for name, sample, _ in asked[key]]
    for row in raw.done.iter_rows(named=True):
        for name, sample, opening in asked[row[KEY]]:
            found = instruction_status(
                row["raw_output"],
                texts[name],
                finished=row["finished"],
                maximum_characters=settings.maximum_instruction_characters,
                opening=opening,
            )
            tried.append(Tried(row[KEY], name, sample, *found))
    return sorted(tried, key=lambda one: (one.text, one.sample)), raw.done


def _raw_row(completion: Completion) -> dict[str, object]:
    return {
        KEY: completion.key,
        "raw_output": completion.text,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "finished": completion.finished,
    }
