"""What a second process is worth to a training: `python benchmarks/training_processes.py --pairs 5`.

Trains the same LoRA on the pocket's Swahili seeds, by one process and by two with one thread each, every time in fresh
processes and in turn. Counts wall-clock time from the end of the first step, so it wants a machine with two processors that
have nothing else to do. Prints steps a second of both, the median ratio, and how far apart the losses are.
`--base-model FOLDER` takes another model, and `--batch-rows` more rows a step, which say more than the pocket model.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.pocket.world import write_world
from xinstr_core.presets import load_settings
from xinstr_core.prompts.render import prompt
from xinstr_core.seeds import SeedPair, read_seeds
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example


def train(processes: int, base_model: str, batch_rows: int, rows: int) -> dict[str, Any]:
    """Train once: the losses, and steps a second after the first one."""
    preset = load_settings("pocket")
    answer = prompt("response_seed")
    ends: list[tuple[int, float]] = []

    def clock(done: int, total: int, **_: Any) -> None:
        if done:  # what is told before the first step is no end of one
            ends.append((done, time.monotonic()))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_world(folder, "sw")
        seeds = [seed for seed in read_seeds(folder / "seeds" / "sw.jsonl", "sw") if isinstance(seed, SeedPair)]
        examples = [
            Example(seed.pair_id, answer.render(instruction=seed.instruction, language="Swahili"), seed.response)
            for seed in seeds[:rows]
        ]
        settings = preset.tuning.model_copy(update={"epochs": 1, "batch_rows": batch_rows, "processes": processes})
        engines = Engines(preset, resolve_model(base_model))
        trained = train_adapter(engines, examples, settings, folder / "adapter", progress=clock)
    (first, began), (last, ended) = ends[0], ends[-1]
    return {"losses": trained.losses, "speed": (last - first) / (ended - began)}


def measured(processes: int, options: list[str]) -> dict[str, Any]:
    command = [sys.executable, __file__, "--processes", str(processes), *options]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--base-model", default="pocket")
    parser.add_argument("--batch-rows", type=int, default=16)
    parser.add_argument("--rows", type=int, default=180)
    parser.add_argument("--processes", type=int, help="train once with so many, and print what was found")
    given = parser.parse_args()
    if given.processes:
        print(json.dumps(train(given.processes, given.base_model, given.batch_rows, given.rows)))
        return
    options = ["--base-model", given.base_model, "--batch-rows", str(given.batch_rows), "--rows", str(given.rows)]
    ratios = []
    for pair in range(given.pairs):
        found = {count: measured(count, options) for count in ((1, 2) if pair % 2 == 0 else (2, 1))}
        ratios.append(found[2]["speed"] / found[1]["speed"])
        apart = max(abs(a - b) for (_, a), (_, b) in zip(found[1]["losses"], found[2]["losses"], strict=True))
        print(
            f"steps a second: one process {found[1]['speed']:.2f}, two {found[2]['speed']:.2f}, ratio {ratios[-1]:.2f}; "
            f"losses at most {apart:.5f} apart"
        )
    print(f"median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {given.pairs} pairs")


if __name__ == "__main__":
    main()
