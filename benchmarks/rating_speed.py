"""Rating by probabilities against generating a rating and parsing it, with the same model on the same pairs.

    python benchmarks/rating_speed.py [--pairs 256] [--repeats 5] [--threads 2]

The label scorer reads the probabilities of the three levels after a prompt that asks for one, in one forward pass. The
generator writes an answer to the same prompt, greedily, and the first digit of it counts. It writes a given number of
tokens, as prompted raters do who give a reason and then a score (Humpback's prompt asks for that): 1 is a rater that
was taught to write the level alone. Both run batch by batch on pairs of the pocket world. Prints the median of paired
ratios, and how many answers held no level.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.pocket.world import write_world
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.shared import LEVELS
from xinstr_core.seeds import SeedPair, read_seeds

BATCH_ROWS = 32
REASONING_TOKENS = (1, 64, 256, 512)


def pairs(count: int) -> list[Request]:
    """Rating prompts for `count` seed pairs of the pocket world, Swahili first."""
    found: list[Request] = []
    with tempfile.TemporaryDirectory() as folder:
        for language in ("sw", "fi", "ur", "hi", "id", "ta", "th", "tr", "vi", "bn"):
            write_world(Path(folder), language)
            for seed in read_seeds(Path(folder) / "seeds" / f"{language}.jsonl", language):
                if isinstance(seed, SeedPair):
                    text = prompt("rating").render(instruction=seed.instruction, text=seed.response)
                    found.append(Request(seed.pair_id, text))
    return found[:count]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--base-model", default="pocket")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    engine = TransformersEngine(resolve_model(arguments.base_model))
    batches = length_sorted_batches(pairs(arguments.pairs), BATCH_ROWS)
    engine.score_labels(batches[0], LEVELS)  # the first pass of a process builds its kernels

    for tokens in REASONING_TOKENS:
        ratios, rates, lost = [], [], 0
        for _ in range(arguments.repeats):
            scored, seconds = timed_scores(engine, batches)
            parsed, asked, generating = timed_ratings(engine, batches, tokens)
            ratios.append(generating / seconds)
            rates.append(scored / seconds)
            lost = asked - parsed
        print(
            f"{tokens} tokens to rate in: label probabilities {statistics.median(rates):.1f} rows/s, "
            f"{statistics.median(ratios):.1f} times generating ({min(ratios):.1f} to {max(ratios):.1f}, "
            f"{arguments.repeats} pairs); rows without a rating: 0 against {lost} of {arguments.pairs}"
        )


def timed_scores(engine: TransformersEngine, batches: list[list[Request]]) -> tuple[int, float]:
    """(rows rated, seconds)."""
    started = time.perf_counter()
    rated = [scores for batch in batches for scores in engine.score_labels(batch, LEVELS)]
    return len(rated), time.perf_counter() - started


def timed_ratings(engine: TransformersEngine, batches: list[list[Request]], tokens: int) -> tuple[int, int, float]:
    """(rows with a rating, rows asked, seconds)."""
    started = time.perf_counter()
    engine.model.generation_config.min_new_tokens = tokens  # the pocket model would not reason, but stop
    answers = [answer.text for batch in batches for answer in engine.generate(batch, Decoding(tokens))]
    parsed = [match for answer in answers if (match := re.search(r"[1-3]", answer))]
    return len(parsed), len(answers), time.perf_counter() - started


if __name__ == "__main__":
    main()
