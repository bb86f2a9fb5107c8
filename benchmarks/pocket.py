"""The figures of the pocket world: `make demo`, then `python benchmarks/pocket.py` writes benchmarks/pocket.md.

Reads what the last builds left in data/ and compares the means over the given languages with the targets.
"""

from __future__ import annotations

import argparse
import platform
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from xinstr_core.schemas.declaration import declarations
from xinstr_core.schemas.evaluator import EVALUATOR, EvaluatorFigures
from xinstr_core.schemas.metrics import (
    BASE,
    GOOD_PAIRS,
    INSTRUCTION_INTENT,
    INSTRUCTION_SUBJECT,
    INTENTS_COVERED,
    PRECISION,
    RECALL,
    TUNED,
    WRONG_LANGUAGE,
)
from xinstr_core.schemas.shared import Cost
from xinstr_core.stages import LINE
from xinstr_core.store import Store
from xinstr_core.workspace import home_folder


@dataclass(frozen=True)
class Target:
    """A measure of the report and the value it should reach."""

    metric: str
    model: str
    bound: float
    at_least: bool = True

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


TARGETS = (
    Target(INSTRUCTION_INTENT.name, "reverse model", 0.95),
    Target(INSTRUCTION_SUBJECT.name, "reverse model", 0.85),
    Target(GOOD_PAIRS.name, "accepted candidates", 0.0),
    Target(PRECISION.name, "kept pairs", 0.97),
    Target(RECALL.name, "kept pairs", 0.85),
    Target(INTENTS_COVERED.name, "selected pairs", 0.98),
    Target(INTENTS_COVERED.name, "random pairs, as many", 0.0),
    Target(WRONG_LANGUAGE.name, TUNED, 0.02, at_least=False),
)
# Figures of the evaluator on held-out seeds.
EVALUATOR_TARGETS = (
    Target("accuracy", "evaluator", 0.85),
    Target("auc_shuffled", "evaluator", 0.98),
    Target("calibration_error", "evaluator", 0.05, at_least=False),
)


def measures(store: Store, tags: list[str]) -> pl.DataFrame:
    frames = [partition.read("measures") for tag in tags if (partition := store.get("eval_report", tag))]
    if len(frames) < len(tags):
        raise SystemExit(f"not all of {', '.join(tags)} are built: run make demo first")
    return pl.concat(frames)


def target_rows(table: pl.DataFrame, store: Store, tags: list[str]) -> list[str]:
    """Markdown rows: measure, target, mean, whether it is reached, and the value of every language."""
    rows = []
    for target in TARGETS:
        chosen = table.filter((pl.col("metric") == target.metric) & (pl.col("model") == target.model))
        rows.append(
            _target_row(target, dict(chosen.group_by("language").agg(pl.col("value").mean()).iter_rows()), tags)
        )
    for target in EVALUATOR_TARGETS:
        told = {tag: getattr(evaluator_figures(store, tag), target.metric) for tag in tags}
        label = declarations(EvaluatorFigures)[target.metric].label
        rows.append(_target_row(replace(target, metric=label), told, tags))
    return rows


def _target_row(target: Target, values: dict[str, float], tags: list[str]) -> str:
    mean = sum(values[tag] for tag in tags) / len(tags)
    wanted = f"{'>=' if target.at_least else '<='} {target.bound}" if target.bound else "given"
    verdict = "" if not target.bound else "yes" if target.reached(mean) else "**no**"
    cells = " | ".join(f"{values[tag]:.3f}" for tag in tags)
    return f"| {target.metric}, {target.model} | {wanted} | {mean:.3f} | {verdict} | {cells} |"


def evaluator_figures(store: Store, tag: str) -> EvaluatorFigures:
    partition = store.get(EVALUATOR.asset, tag)
    if partition is None:
        raise SystemExit(f"{EVALUATOR.asset} of {tag} is not built: run make demo first")
    return partition.read_figures(EvaluatorFigures)


def comparison_rows(table: pl.DataFrame, tags: list[str]) -> list[str]:
    """Base against tuned for every measure both have: values with intervals, and whether the intervals are apart."""
    rows = []
    pairs = table.filter(pl.col("model") == BASE).join(
        table.filter(pl.col("model") == TUNED), on=["language", "metric", "prompts"]
    )
    for row in pairs.sort("metric", "prompts", "language").iter_rows(named=True):
        higher = row["better"] == "higher"
        known = row["low"] is not None and row["low_right"] is not None
        apart = known and (row["low_right"] > row["high"] if higher else row["high_right"] < row["low"])
        base, tuned = (
            f"{value:.3f} [{low:.3f}, {high:.3f}]" if known else f"{value:.3f}"
            for value, low, high in (
                (row["value"], row["low"], row["high"]),
                (row["value_right"], row["low_right"], row["high_right"]),
            )
        )
        rows.append(
            f"| {row['metric']} | {row['language']} | {row['prompts']} | {base} | {tuned} | {'yes' if apart else '**no**'} |"
        )
    return rows


def cost_rows(store: Store, tags: list[str]) -> list[str]:
    rows = []
    for stage in LINE:
        partitions = [partition for tag in tags if (partition := store.get(stage.name, tag))]
        costs = [Cost.read(partition.cost) for partition in partitions if partition.cost]
        seconds = " | ".join(f"{cost.seconds:.0f}" for cost in costs)
        memory = max(cost.peak_memory for cost in costs)
        rows.append(f"| {stage.name} | {seconds} | {memory:.0f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", default="sw,fi,ur", help="comma-separated keys")
    parser.add_argument(
        "--data", type=Path, default=home_folder() / "data", help="where the builds left their partitions"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    tags = arguments.languages.split(",")
    store = Store(arguments.data)
    table = measures(store, tags)
    lines = [
        "# Pocket figures",
        "",
        f"`xinstr build {' '.join(tags)}`, then `.venv/bin/python benchmarks/pocket.py --languages {arguments.languages}`, "
        f"Python {platform.python_version()}, 2 shared cores, no GPU. Means over languages; held-out subjects never occur in any training text.",
        "",
        f"| measure | target | mean | reached | {' | '.join(tags)} |",
        "|---|---|---|---|" + "---|" * len(tags),
        *target_rows(table, store, tags),
        "",
        "## Base against tuned",
        "",
        "| measure | language | prompts | base | tuned | intervals apart, tuned better |",
        "|---|---|---|---|---|---|",
        *comparison_rows(table, tags),
        "",
        "## Cost",
        "",
        f"| stage | {' | '.join(f's ({tag})' for tag in tags)} | peak MiB |",
        "|---|" + "---|" * len(tags) + "---|",
        *cost_rows(store, tags),
        "",
    ]
    arguments.output.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
