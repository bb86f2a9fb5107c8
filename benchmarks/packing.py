"""What packing is worth to a training: `python benchmarks/packing.py` writes benchmarks/packing.md.

Trains the same LoRA on the pocket's seeds of a language, rows apart (grouped by length, padded) and packed (no row attends
to another), every time in a fresh process with one thread and in turn. Counts the processor's time from the end of the
first step, so that other work on the machine tells little. `--base-model FOLDER` takes another model, `--languages`
others.
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

from real import table

from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.files import write_text
from xinstr_core.languages import get_language
from xinstr_core.pocket.world import write_world
from xinstr_core.presets import load_settings
from xinstr_core.prompts.render import prompt
from xinstr_core.seeds import SeedPair, read_seeds
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

REGISTRY = Path(__file__).resolve().parents[1] / "languages.toml"


def train(tag: str, packing: bool, base_model: str, batch_rows: int) -> dict[str, Any]:
    """Train an epoch: the losses, seconds of the processor a step after the first one, and the share that is padding."""
    preset, answer, language = load_settings("pocket"), prompt("response_seed"), get_language(REGISTRY, tag)
    ends: list[float] = []

    def clock(done: int, total: int, **_: Any) -> None:
        if done:  # what is told before the first step is no end of one
            ends.append(time.process_time())

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_world(folder, tag)
        seeds = [one for one in read_seeds(folder / "seeds" / f"{tag}.jsonl", tag) if isinstance(one, SeedPair)]
        examples = [
            Example(seed.pair_id, answer.render(instruction=seed.instruction, language=language.name), seed.response)
            for seed in seeds
        ]
        settings = preset.tuning.model_copy(update={"epochs": 3, "batch_rows": batch_rows, "packing": packing})
        engines = Engines(preset, resolve_model(base_model))
        trained = train_adapter(engines, examples, settings, folder / "adapter", progress=clock)
    seconds = (ends[-1] - ends[0]) / (len(ends) - 1)
    return {"losses": trained.losses, "seconds": seconds, "padding": engines.trainings["adapter"].padding_share}


def measured(packing: bool, options: list[str]) -> dict[str, Any]:
    command = [sys.executable, __file__, "--packing", str(int(packing)), *options]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(tag: str, pairs: int, options: list[str]) -> list[Any]:
    ratios, apart, paddings = [], 0.0, (0.0, 0.0)
    for pair in range(pairs):
        order = (False, True) if pair % 2 == 0 else (True, False)
        found = {packing: measured(packing, [*options, "--languages", tag]) for packing in order}
        ratios.append(found[False]["seconds"] / found[True]["seconds"])
        losses = zip(found[False]["losses"], found[True]["losses"], strict=True)
        apart = max(apart, *(abs(a - b) for (_, a), (_, b) in losses))
        paddings = found[False]["padding"], found[True]["padding"]
    return [
        tag,
        *(f"{share:.3f}" for share in paddings),
        f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        f"{apart:.5f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--base-model", default="pocket")
    parser.add_argument("--batch-rows", type=int, default=16)
    parser.add_argument("--languages", default="sw,th")
    parser.add_argument("--packing", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.packing is not None:
        print(json.dumps(train(given.languages, bool(given.packing), given.base_model, given.batch_rows)))
        return
    options = ["--base-model", given.base_model, "--batch-rows", str(given.batch_rows)]
    rows = [compared(tag, given.pairs, options) for tag in given.languages.split(",")]
    head = ["language", "padding, rows apart", "packed", "speed of packed, of rows apart", "losses at most apart"]
    lines = ["# Packing", "", *(__doc__ or "").splitlines()[2:], ""]
    lines += [f"Base model {Path(given.base_model).name}, {given.batch_rows} rows a step, {given.pairs} pairs.", ""]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*lines, *table(rows, head)]))


if __name__ == "__main__":
    main()
