"""Kill the demo with SIGKILL four times at three stages, let it finish, and compare with a demo that was never killed.

`python benchmarks/kill.py FOLDER` builds one language twice with the shipped model (FOLDER/whole, FOLDER/killed),
exits 1 where a byte differs or a finished batch of generation was made again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("xinstr")), "demo", "--languages"]
# Stage, and what must be there how often before the kill: generated batches, a rated batch, a checkpoint of the tuning.
MOMENTS = (
    ("candidate_pairs", "raw/*.parquet", 1),
    ("candidate_pairs", "raw/*.parquet", 4),
    ("refined_pairs", "signals/response/*.parquet", 1),
    ("tuned_model", "adapter-checkpoints/checkpoint-*/complete", 1),
)
COMPARED = (
    "raw_corpus", "seed_pairs", "reverse_model", "candidate_pairs", "evaluator", "refined_pairs", "diversified_set",
    "tuned_model",
)  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "XINSTR_HOME": str(home)}


def new_home(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy("languages.toml", folder)
    return folder


def kill_at(home: Path, language: str, stage: str, pattern: str, count: int) -> dict[str, int]:
    """Kill a demo once `count` files are there; return the batches of generation that were finished, with their times."""
    process = subprocess.Popen([*COMMAND, language], env=environment(home), stdout=subprocess.DEVNULL)
    unfinished = home / "data" / stage / f"language={language}" / "unfinished"
    while sum(not path.name.startswith(".") for path in unfinished.glob(f"*/{pattern}")) < count:
        if process.poll() is not None:
            raise SystemExit(f"the demo ended before {stage} had {count} {pattern}")
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    print(f"killed at {stage}", flush=True)
    return generated(home, language)


def generated(home: Path, language: str) -> dict[str, int]:
    """What generation has finished: batches while it runs, the partition after it."""
    folder = home / "data" / "candidate_pairs" / f"language={language}"
    found = [*folder.glob("unfinished/*/raw/[!.]*.parquet"), *folder.glob("*.parquet")]
    return {str(path): path.stat().st_mtime_ns for path in found}


def hashes(home: Path, language: str) -> dict[str, str]:
    """Content hash of every table and folder of the compared stages."""
    found: dict[str, str] = {}
    for asset in COMPARED:
        folder = home / "data" / asset / f"language={language}"
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        for kind in ("tables", "folders"):
            found |= {f"{asset}/{name}": entry["hash"] for name, entry in manifest[kind].items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="sw")
    arguments = parser.parse_args()
    whole, killed = new_home(arguments.folder / "whole"), new_home(arguments.folder / "killed")
    subprocess.run([*COMMAND, arguments.language], env=environment(whole), check=True, stdout=subprocess.DEVNULL)
    repeated: list[str] = []
    before: dict[str, int] = {}
    for stage, pattern, count in MOMENTS:
        finished = kill_at(killed, arguments.language, stage, pattern, count)
        repeated += [path for path in before.keys() & finished.keys() if before[path] != finished[path]]
        before = finished
    subprocess.run([*COMMAND, arguments.language], env=environment(killed), check=True, stdout=subprocess.DEVNULL)
    finished = generated(killed, arguments.language)
    repeated += [path for path in before if before[path] != finished.get(path)]  # the partition itself by now
    expected, found = hashes(whole, arguments.language), hashes(killed, arguments.language)
    different = [name for name, value in expected.items() if found.get(name) != value]
    print(
        f"{len(expected)} tables and folders compared; different: {different or 'none'}; made again: {repeated or 'none'}"
    )
    sys.exit(1 if different or repeated else 0)


if __name__ == "__main__":
    main()
