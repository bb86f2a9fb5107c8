"""What a text adds to the likelihood of an instruction, and which of its instructions go on for it.

A reverse model's fluent mistakes are likely after every text; an instruction that this text answers is likelier after it
than without. Of what costs little, that tells most about which are worth rating (docs/decisions/0013, 0016).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import polars as pl

from xinstr_core.curation.token_scores import gain_signals
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import KEY, Load, RowLog, run_windows
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import ACCEPTED, GAINS, LITTLE_GAIN, LOWER_GAIN
from xinstr_core.settings import GenerationSettings

Given = TypeVar("Given")
TEXT_ROWS = 32  # instructions read between two shards: those of a text go together, and read it once


@dataclass(frozen=True)
class Gains:
    """The gain of every instruction by its key, why others could not be read, and the rows of GAINS behind it."""

    values: dict[str, float]
    failed: dict[str, str]
    rows: pl.DataFrame


def measure_gains(
    load: Load,
    model: str,
    windows: Iterable[Given],
    asked: Callable[[Given], Iterable[tuple[str, str, str]]],
    log: RowLog,
    progress: Progress,
    *,
    maximum_failed_share: float,
    windows_in_all: int = 1,
) -> Generator[tuple[Given, Gains]]:
    """Every window, in order, with the gain of every (key, text, instruction) that is `asked` for it.

    `model` identifies the model; what the `log` holds is not read again. Raises StageError where more than
    `maximum_failed_share` of them cannot be read.
    """
    reverse = prompt("reverse")

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        empty = reverse.render(text="")
        scores = engine.score([*batch, *(Request(f"alone {one.key}", empty, one.completion) for one in batch)])
        by_key = {score.key: score for score in scores}
        return GAINS.frame(
            [{KEY: one.key, "gain": gain_signals(by_key[one.key], by_key[f"alone {one.key}"], ())[0]} for one in batch]
        )

    def with_requests() -> Iterator[tuple[Given, dict[str, Request]]]:
        for given in windows:
            yield (
                given,
                {
                    key: Request(content_key("gain", model, text, instruction), reverse.render(text=text), instruction)
                    for key, text, instruction in asked(given)
                },
            )

    for (given, requests), rows in run_windows(
        load,
        with_requests(),
        lambda window: [*window[1].values()],
        work,
        log,
        batch_rows=TEXT_ROWS,
        progress=partial(progress, doing="measuring gains"),
        maximum_failed_share=maximum_failed_share,
        windows_in_all=windows_in_all,
    ):
        found = dict(rows.done.iter_rows())
        values = {key: found[request.key] for key, request in requests.items() if request.key in found}
        failed = {key: rows.failed[request.key] for key, request in requests.items() if request.key in rows.failed}
        yield given, Gains(values, failed, rows.done)


def statuses_by_gain(
    gained: Mapping[str, float], text_of: Mapping[str, str], settings: GenerationSettings
) -> dict[str, str]:
    """ACCEPTED, or why it does not go on, for each instruction whose gain is known; `text_of` names its text.

    Of every text the `chosen_candidates` that gain most go on, and none that gains less than `minimum_gain`.
    """
    found: dict[str, str] = {}
    taken: dict[str, int] = {}
    for key in sorted(gained, key=lambda key: (-gained[key], key)):
        place = taken.get(text_of[key], 0)
        if settings.minimum_gain and gained[key] < settings.minimum_gain:
            found[key] = LITTLE_GAIN
        elif settings.chosen_candidates and place >= settings.chosen_candidates:
            found[key] = LOWER_GAIN
        else:
            found[key] = ACCEPTED
            taken[text_of[key]] = place + 1
    return found
