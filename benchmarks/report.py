"""Time and memory of the reports of ten languages: `python benchmarks/report.py HOME` writes benchmarks/report.md.

HOME is one where languages are built to their report (`make demo`). In a process of its own, its languages are rendered in
turn until there are so many pages (`--pages`), and the page across all of them at last, as `xinstr report` does: imports,
and the script that draws charts, are in the time. Nothing is written into HOME.
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
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from real import table

from xinstr_core.files import write_text


def render(home: Path, pages: int) -> dict[str, float]:
    """Render in this process: seconds on the wall and of the processor, peak in MiB, and the largest page in bytes."""
    from xinstr_core.reporting.render import render_report, reported, write_pages
    from xinstr_core.workspace import Workspace

    workspace = Workspace(home)
    tags = islice(cycle(reported(workspace.store)), pages)
    rendered = [(tag, render_report(workspace, tag)) for tag in tags]
    with tempfile.TemporaryDirectory() as folder:
        sizes = [path.stat().st_size for path in write_pages(workspace, dict(rendered), Path(folder))]
    peak = int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) // 1024
    return {"processor": time.process_time(), "peak": peak, "largest": max(sizes)}


def measured(home: Path, pages: int) -> dict[str, Any]:
    started = time.monotonic()
    command = [sys.executable, __file__, str(home), "--pages", str(pages), "--here"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    return {"wall": time.monotonic() - started, **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(render(given.home, given.pages)))
        return
    found = [measured(given.home, given.pages) for _ in range(given.runs)]
    middle = {name: statistics.median(one[name] for one in found) for name in found[0]}
    head = ["pages", "s", "s of a processor", "peak MiB", "largest page, MB"]
    row = [given.pages, *(f"{middle[name]:.1f}" for name in ("wall", "processor")), f"{middle['peak']:.0f}"]
    lines = ["# Reports of ten languages", "", *(__doc__ or "").splitlines()[2:], ""]
    lines += [
        f"Medians of {given.runs} runs, one thread.",
        "",
        *table([[*row, f"{middle['largest'] / 1e6:.2f}"]], head),
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    main()
