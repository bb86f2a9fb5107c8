"""Languages in turn with all threads against languages at once with a share each: `python benchmarks/languages_at_once.py`.

Builds Swahili and Finnish up to their reverse models in fresh homes, both ways in turn, and prints each pair of times, their
ratio, and the median ratio. The contents must be equal where no thread count enters them (the corpus and the seeds).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
UNTRAINED = ("raw_corpus", "seed_pairs")


def build(jobs: int) -> tuple[float, dict[str, str]]:
    """(seconds, versions of the untrained assets) of a build in a fresh home."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shutil.copy(PROJECT / "languages.toml", home)
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        command = ["xinstr_dagster.cli", "build", "sw", "fi", "--to", "reverse_model", "--jobs", str(jobs)]
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", *command],
            env={**environment, "XINSTR_HOME": name},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - started
        manifests = [path for asset in UNTRAINED for path in (home / "data" / asset).glob("language=*/manifest.json")]
        return seconds, {str(p.relative_to(home)): json.loads(p.read_text("utf-8"))["version"] for p in manifests}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    ratios = []
    for number in range(parser.parse_args().pairs):
        (in_turn, before), (at_once, after) = build(1), build(2)
        if not before or before != after:
            raise SystemExit("the two builds differ")
        ratios.append(in_turn / at_once)
        print(
            f"pair {number + 1}: in turn {in_turn:.1f} s, at once {at_once:.1f} s, ratio {ratios[-1]:.2f}", flush=True
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
