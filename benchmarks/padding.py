"""What padding to steps of tokens saves and costs: `python benchmarks/padding.py`.

Trains the same LoRA on the pocket's Swahili seeds in fresh processes, rows padded to the longest of their batch and to
LENGTH_STEP, in turn; prints peak memory and seconds of each, and the medians of their ratios.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from xinstr_core.engines import encoding
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.pocket.world import write_world
from xinstr_core.presets import load_settings
from xinstr_core.prompts.render import prompt
from xinstr_core.seeds import SeedPair, read_seeds
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

EPOCHS = 3


def train(step: int) -> None:
    """Train in this process with the given step, and print peak MiB and seconds."""
    encoding.LENGTH_STEP = step
    preset = load_settings("pocket")
    answer = prompt("response_seed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_world(folder, "sw")
        seeds = [seed for seed in read_seeds(folder / "seeds" / "sw.jsonl", "sw") if isinstance(seed, SeedPair)]
        examples = [
            Example(seed.pair_id, answer.render(instruction=seed.instruction, language="Swahili"), seed.response)
            for seed in seeds
        ]
        settings = preset.tuning.model_copy(update={"epochs": EPOCHS})
        started = time.monotonic()
        train_adapter(Engines(preset, resolve_model(preset.base_model)), examples, settings, folder / "adapter")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, round(time.monotonic() - started, 1))


def measured(step: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--step", str(step)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    memory, seconds = done.stdout.splitlines()[-1].split()
    return float(memory), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--step", type=int, help="train once with this step")
    arguments = parser.parse_args()
    if arguments.step:
        train(arguments.step)
        return
    memories, times = [], []
    for _ in range(arguments.pairs):
        (memory, seconds), (padded_memory, padded_seconds) = measured(1), measured(encoding.LENGTH_STEP)
        print(
            f"longest of the batch: {memory:.0f} MiB, {seconds} s; steps: {padded_memory:.0f} MiB, {padded_seconds} s"
        )
        memories.append(padded_memory / memory)
        times.append(padded_seconds / seconds)
    print(f"median ratios: memory {statistics.median(memories):.2f}, time {statistics.median(times):.2f}")


if __name__ == "__main__":
    main()
