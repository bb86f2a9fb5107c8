"""Reading with two threads on a machine that is busy or not: `python benchmarks/busy_machine.py`.

Gemma 3 270M (`make real-models`), bfloat16, scores eight short Finnish seed pairs, three times in a process of its own, for
each way in which threads may wait for each other and each number of other processes that keep a processor busy. Prints
median seconds of the clock, of five processes by turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from real_models import GEMMA, MODELS
from real_text import DATA

# Ours is what a process has that is told nothing; the library ignores a value that it does not know, and so do we then.
WAYS = {
    "libgomp's own default": {"GOMP_SPINCOUNT": "", "OMP_WAIT_POLICY": "undefined"},
    "1,000 rounds, ours": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
}
SEEDS = DATA / "seeds" / "fi.jsonl"
ROUNDS, READINGS = 5, 3


def read() -> None:
    """Print the median seconds of a reading, in this process."""
    from xinstr_core.engines.base import Request
    from xinstr_core.engines.models import resolve_model
    from xinstr_core.engines.transformers_engine import TransformersEngine
    from xinstr_core.prompts.render import prompt

    with SEEDS.open(encoding="utf-8") as stream:
        short = [seed for line in stream if len((seed := json.loads(line))["response"]) <= 250][:8]
    reverse = prompt("reverse")
    asked = [Request(seed["id"], reverse.render(text=seed["response"]), seed["instruction"]) for seed in short]
    engine = TransformersEngine(resolve_model(str(MODELS / GEMMA.name), "bfloat16"))
    list(engine.score(asked))
    seconds = []
    for _ in range(READINGS):
        started = time.perf_counter()
        list(engine.score(asked))
        seconds.append(time.perf_counter() - started)
    print(statistics.median(seconds))


@contextmanager
def busy(processors: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(processors):
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(other.wait)
            stack.callback(other.kill)
        yield


def measure(way: dict[str, str]) -> float:
    environment = {**os.environ, "OMP_NUM_THREADS": "2", **way}
    done = subprocess.run(
        [sys.executable, __file__, "--read"], env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout.strip().rsplit("\n", 1)[-1])


def main() -> None:
    if "--read" in sys.argv:
        read()
        return
    for others in (0, 1, 2):
        found: dict[str, list[float]] = {name: [] for name in WAYS}
        with busy(others):
            for _ in range(ROUNDS):
                for name, way in WAYS.items():
                    found[name].append(measure(way))
        for name, seconds in found.items():
            print(
                f"{others} others, {name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
            )


if __name__ == "__main__":
    main()
