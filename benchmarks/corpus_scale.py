"""Time and memory of the corpus stage over its size: `python benchmarks/corpus_scale.py --documents 10000,100000,1000000`.

Documents as in corpus_vs_datatrove.py, Swahili. Each size runs in a process of its own; memory is the largest sum of
resident memory over that process and its workers, sampled five times a second. The exponent is the slope of log time over
log documents, 1 for linear; the start of the workers is part of the time.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from corpus_vs_datatrove import BUILD, run_ours, write_corpus

LANGUAGE = "sw"


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children hold in memory."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measured(path: Path) -> tuple[float, int]:
    """(seconds, peak bytes) of one run of the stage."""
    started = time.monotonic()
    run = subprocess.Popen([sys.executable, __file__, "--run", str(path)])
    peak = 0
    while run.poll() is None:
        peak = max(peak, resident(psutil.Process(run.pid)))
        time.sleep(0.2)
    if run.returncode:
        raise SystemExit(run.returncode)
    return time.monotonic() - started, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", default="10000,100000,1000000")
    parser.add_argument("--run", help="run the stage once over this file")
    arguments = parser.parse_args()
    if arguments.run:
        run_ours(LANGUAGE, Path(arguments.run))
        return
    points = []
    for documents in map(int, arguments.documents.split(",")):
        path = write_corpus(LANGUAGE, documents, BUILD / "corpus")
        seconds, peak = measured(path)
        points.append((documents, seconds))
        size = path.stat().st_size
        print(
            f"| {documents} | {size / 1e6:.0f} | {seconds:.1f} | {documents / seconds:.0f} | {peak / 2**20:.0f} |",
            flush=True,
        )
    if len(points) > 1:
        logs = np.array([(math.log(documents), math.log(seconds)) for documents, seconds in points])
        print(f"exponent {np.polyfit(logs[:, 0], logs[:, 1], 1)[0]:.3f}")


if __name__ == "__main__":
    main()
