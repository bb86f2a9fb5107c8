"""What averaging changes in replies: `make demo`, then `python benchmarks/averaging_replies.py` writes averaging_replies.md.

Takes the home's pocket builds of the named languages twice to a tuned model and a report, with the mean of its weights at ten
points of the training and with its last weights, and sets both reports' scores side by side, case by case. Both builds stay
in data/benchmarks/averaging_replies, so the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from real import table

from xinstr_core.evaluation.intervals import paired_difference
from xinstr_core.files import write_text
from xinstr_core.presets import load_settings
from xinstr_core.schemas.eval_report import EVAL_REPORT, SCORES
from xinstr_core.schemas.metrics import TUNED
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.store import Store
from xinstr_core.workspace import home_folder

FOLDER = home_folder() / "data" / "benchmarks" / "averaging_replies"
POINTS = {"mean": 10, "last": 0}
CASE = ["language", "metric", "prompts", "case"]


def built(name: str, tags: Sequence[str]) -> pl.DataFrame:
    """Scores of the tuned models of a build, which begins with what the home has."""
    home = FOLDER / name
    if not home.exists():
        shutil.copytree(home_folder() / "data", home / "data", ignore=shutil.ignore_patterns("benchmarks", "dagster"))
        shutil.copy(home_folder() / "languages.toml", home)
    command = [sys.executable, "-m", "xinstr_dagster.cli", "build", *tags, "--from", TUNED_MODEL.asset]
    command += ["--set", f"tuning.averaged_checkpoints={POINTS[name]}"]
    subprocess.run(command, check=True, env={**os.environ, "XINSTR_HOME": str(home)})
    store = Store(home / "data")
    reports = [partition for tag in tags if (partition := store.get(EVAL_REPORT.asset, tag)) is not None]
    return pl.concat([report.read(SCORES.name) for report in reports]).filter(pl.col("model") == TUNED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default="sw,fi,ur")
    tags = parser.parse_args().languages.split(",")
    both = built("mean", tags).join(built("last", tags), on=CASE, suffix="_last")
    settings, rows = load_settings("pocket").evaluation, list[list[str]]()
    for (metric,), cases in both.group_by("metric", maintain_order=True):
        found = paired_difference(cases["value"].to_list(), cases["value_last"].to_list(), settings)
        shown = f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
        means = [f"{cases[name].to_numpy().mean():.4f}" for name in ("value_last", "value")]
        rows.append([str(metric), cases["better"][0] or "", str(cases.height), *means, shown])
    head = ["measure", "better", "cases", "last weights", "mean of ten", "difference, paired"]
    lines = ["# What averaging changes in replies", "", *(__doc__ or "").splitlines()[2:], "", ", ".join(tags), ""]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*lines, *table(rows, head), ""]))


if __name__ == "__main__":
    main()
