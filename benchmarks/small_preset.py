"""How a base under a billion parameters is best trained: `python benchmarks/small_preset.py` writes benchmarks/small_preset.md.

Gemma 3 270M (`make real-models`) learns to write the instruction of a text from real Finnish seed pairs, once for each
choice of learning rate, rank, rows a step and epochs. What counts is the mean log-probability of the instructions of
pairs that it has not seen, given their texts, and what these gain from the text. A finished training is kept in
data/benchmarks/small_preset, so the command can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from real_models import GEMMA, MODELS
from real_text import DATA

from xinstr_core.engines.base import SCORED_ROWS, Request
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.precision import choose_precision
from xinstr_core.engines.roles import Engines
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example
from xinstr_core.workspace import home_folder

SEEDS = DATA / "seeds" / "fi.jsonl"
LONGEST = 450  # characters of a response: a training then takes minutes


@dataclass(frozen=True)
class Choice:
    """Settings that are tried; those of the first are changed one at a time."""

    learning_rate: float = 3e-4
    rank: int = 16
    batch_rows: int = 8
    epochs: float = 2

    @property
    def settings(self) -> TrainingSettings:
        return TrainingSettings(
            learning_rate=self.learning_rate,
            rank=self.rank,
            batch_rows=self.batch_rows,
            epochs=self.epochs,
            maximum_tokens=1024,
        )

    @property
    def name(self) -> str:
        return f"lr{self.learning_rate:g}-rank{self.rank}-rows{self.batch_rows}-epochs{self.epochs:g}"


CHOICES = (
    Choice(),
    Choice(learning_rate=1e-4),
    Choice(learning_rate=1e-3),
    Choice(learning_rate=2e-3),
    Choice(rank=4),
    Choice(rank=64),
    Choice(batch_rows=32),
    Choice(batch_rows=4),
    Choice(epochs=1),
    Choice(epochs=4),
)


def read_seeds(trained: int, held_out: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    with SEEDS.open(encoding="utf-8") as stream:
        short = [seed for line in stream if len((seed := json.loads(line))["response"]) <= LONGEST]
    return short[held_out : held_out + trained], short[:held_out]


def likelihood(engines: Engines, adapter: Path, seeds: list[dict[str, str]]) -> tuple[float, float]:
    """(mean log-probability a token of the instructions given their texts, and by how much the texts raise it), in nats."""
    reverse, read = prompt("reverse"), engines.rater(adapter)
    means = []
    for texts in ([seed["response"] for seed in seeds], [""] * len(seeds)):
        requests = [
            Request(seed["id"], reverse.render(text=text), seed["instruction"])
            for seed, text in zip(seeds, texts, strict=True)
        ]
        scores = [one for batch in length_sorted_batches(requests, SCORED_ROWS) for one in read().score(batch)]
        means.append(statistics.mean(statistics.mean((*one.tokens, one.end)) for one in scores))
    return means[0], means[0] - means[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=int, default=120, help="seed pairs that are learned from")
    parser.add_argument("--held-out", type=int, default=60, help="seed pairs that are scored")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    learned, scored = read_seeds(arguments.trained, arguments.held_out)
    engines = Engines(Settings(), resolve_model(str(MODELS / GEMMA.name), choose_precision("auto").name))
    reverse = prompt("reverse")
    examples = [Example(seed["id"], reverse.render(text=seed["response"]), seed["instruction"]) for seed in learned]
    folder = home_folder() / "data" / "benchmarks" / "small_preset"
    lines = [
        "# Training a base under a billion parameters",
        "",
        f"`python benchmarks/small_preset.py --trained {arguments.trained} --held-out {arguments.held_out}`: Gemma 3 270M in {engines.base.precision}, Finnish seed pairs of at most {LONGEST} characters. "
        "Mean log-probability a token of instructions that were not seen, and what they gain from their text (nats).",
        "",
        "| learning rate | rank | rows a step | epochs | log-probability | gain | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for choice in CHOICES:
        started = time.monotonic()
        trained = train_adapter(engines, examples, choice.settings, folder / f"{arguments.trained}-{choice.name}")
        seconds = time.monotonic() - started
        given, gain = likelihood(engines, trained.folder, scored)
        cells = (choice.learning_rate, choice.rank, choice.batch_rows, choice.epochs)
        row = f"| {' | '.join(f'{cell:g}' for cell in cells)} | {given:.3f} | {gain:.3f} | {seconds:.0f} |"
        lines.append(row)
        print(row, flush=True)
    arguments.output.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
