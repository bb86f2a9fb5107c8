"""Time, memory and disk of the corpus stage over its size: `python benchmarks/corpus_scale.py --documents 10000,100000,1000000`.

Documents as in corpus_vs_datatrove.py (5 GB are 1.65 million Thai ones: `--language th --documents 1650000`). Making them
runs datatrove over their originals for every size, and installs it into build/datatrove on the first call. Each size runs
in a process of its own; memory is the largest sum of resident memory over that process and its workers, disk the largest
sum of the workspace's files, both sampled five times a second. The exponent is the slope of log time over log documents, 1
for linear; the start of the workers is part of the time. Several sizes are drawn to corpus_scale.svg.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import altair as alt
import numpy as np
import polars as pl
import psutil
import vl_convert
from corpus_vs_datatrove import BUILD, run_ours, write_corpus

PLOT = Path(__file__).with_suffix(".svg")
WORKSPACE = BUILD / "ours"  # of run_ours


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children hold in memory."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def stored(folder: Path) -> int:
    """Bytes of the files in a folder, which come and go meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


def measured(language: str, path: Path) -> tuple[float, int, int]:
    """(seconds, peak bytes of memory, of disk) of one run of the stage."""
    shutil.rmtree(WORKSPACE, ignore_errors=True)  # an earlier run's tables are not this one's
    started = time.monotonic()
    run = subprocess.Popen([sys.executable, __file__, "--language", language, "--run", str(path)])
    memory = disk = 0
    while run.poll() is None:
        memory, disk = max(memory, resident(psutil.Process(run.pid))), max(disk, stored(WORKSPACE))
        time.sleep(0.2)
    if run.returncode:
        raise SystemExit(run.returncode)
    return time.monotonic() - started, memory, disk


def draw(points: list[tuple[int, float]], exponent: float) -> None:
    rows = pl.DataFrame(points, schema={"documents": pl.Int64, "seconds": pl.Float64}, orient="row")
    axes = {name: alt.Scale(type="log", nice=False) for name in ("documents", "seconds")}
    chart = alt.Chart(rows, title=f"time of the corpus stage, exponent {exponent:.2f}", width=420, height=280)
    line = chart.mark_line(point=True).encode(
        x=alt.X("documents:Q", scale=axes["documents"]), y=alt.Y("seconds:Q", scale=axes["seconds"])
    )
    PLOT.write_text(vl_convert.vegalite_to_svg(line.to_json()), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", default="10000,100000,1000000")
    parser.add_argument("--language", default="sw")
    parser.add_argument("--run", help="run the stage once over this file")
    arguments = parser.parse_args()
    if arguments.run:
        run_ours(arguments.language, Path(arguments.run))
        return
    points = []
    for documents in map(int, arguments.documents.split(",")):
        path = write_corpus(arguments.language, documents, BUILD / "corpus")
        seconds, memory, disk = measured(arguments.language, path)
        points.append((documents, seconds))
        print(
            f"| {documents} | {path.stat().st_size / 1e6:.0f} | {seconds:.1f} | {documents / seconds:.0f} "
            f"| {memory / 2**20:.0f} | {disk / documents / 1000:.2f} |",
            flush=True,
        )
    if len(points) > 1:
        exponent = float(
            np.polyfit(np.log([count for count, _ in points]), np.log([seconds for _, seconds in points]), 1)[0]
        )
        print(f"exponent {exponent:.3f}")
        draw(points, exponent)


if __name__ == "__main__":
    main()
