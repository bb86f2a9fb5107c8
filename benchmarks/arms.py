"""What the selection is worth, over languages: `python benchmarks/arms.py --languages sw,fi` writes benchmarks/arms.md.

With --output it writes another file: what the published baselines give is benchmarks/arms_published.md.
Reads what builds with `--set 'evaluation.arms=[...]'` left in data/. Every language weighs the same; its cases are
resampled within it, the same ones for both arms.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import polars as pl

from xinstr_core.evaluation.arms import ARMS
from xinstr_core.evaluation.gaps import COMPARED, paired_cases
from xinstr_core.evaluation.intervals import Estimate, mean_over_groups
from xinstr_core.evaluation.replies import ENGLISH
from xinstr_core.schemas.eval_report import ArmFigures, ReportFigures
from xinstr_core.store import Partition, Store
from xinstr_core.workspace import home_folder

SAMPLES = 10_000


def reports(store: Store, tags: list[str]) -> dict[str, Partition]:
    found = {tag: partition for tag in tags if (partition := store.get("eval_report", tag))}
    if missing := [tag for tag in tags if tag not in found or not found[tag].read_figures(ReportFigures).arms]:
        raise SystemExit(f"no arms were built for {', '.join(missing)}: build with --set 'evaluation.arms=[...]'")
    return found


def by_prompts(table: pl.DataFrame) -> pl.DataFrame:
    """The table with the column `asked`: whether prompts were English or in the language, whichever that is."""
    return table.with_columns(
        asked=pl.when(pl.col("prompts") == ENGLISH).then(pl.lit("English")).otherwise(pl.lit("native"))
    )


def told(arm: str, size: ArmFigures) -> str:
    """What an arm was tuned on, and how, where that is not in the language at the common rate."""
    several = ", ".join(f"{rows} {name}" for name, rows in size.languages.items())
    return f"{arm} {size.pairs} + {size.seeds} in {size.rows}" + (
        f" ({several}, rate {size.learning_rate:g})" if "English" in size.languages else ""
    )


def verdict(gap: Estimate, better: str) -> str:
    if gap.low is None or gap.high is None:
        return "-"
    low, high = (gap.low, gap.high) if better == "higher" else (-gap.high, -gap.low)
    return "yes" if low > 0 else "**worse**" if high < 0 else "**not shown**"


def gap_rows(cases: pl.DataFrame, tags: list[str]) -> list[str]:
    """Markdown rows: arm, the other, measure, prompts, pooled gap, verdict, cases, gap of every language."""
    rows = []
    for reference, arm in COMPARED:
        of_arms = cases.filter((pl.col("reference") == reference) & (pl.col("arm") == arm))
        for one in of_arms.sort("metric", "asked", "language", "case").partition_by(
            "metric", "asked", "better", maintain_order=True
        ):
            metric, asked, better = one.select("metric", "asked", "better").row(0)
            groups = [one.filter(pl.col("language") == tag)["difference"].to_list() for tag in tags]
            gap = mean_over_groups([group for group in groups if group], SAMPLES, seed=0)
            alone = " | ".join(f"{sum(group) / len(group):+.3f}" if group else "-" for group in groups)
            interval = "no interval" if gap.low is None else f"[{gap.low:+.4f}, {gap.high:+.4f}]"
            pooled = f"{gap.value:+.4f} {interval}"
            rows.append(
                f"| {reference} | {arm} | {metric} ({better} is better) | {asked} | {pooled} | {verdict(gap, better)} | {gap.n} | {alone} |"
            )
    return rows


def value_rows(measures: pl.DataFrame) -> list[str]:
    """Markdown rows: measure, prompts, mean over languages of base, tuned and every arm."""
    shown = by_prompts(measures.filter(pl.col("model").is_in(["base", "tuned", *ARMS])))
    rows = []
    for one in shown.sort("metric", "asked").partition_by("metric", "asked", maintain_order=True):
        means = dict(one.group_by("model").agg(pl.col("value").mean()).iter_rows())
        cells = " | ".join(f"{means[name]:.3f}" if name in means else "-" for name in ("base", "tuned", *ARMS))
        rows.append(f"| {one['metric'][0]} | {one['asked'][0]} | {cells} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", default="sw,fi,ur", help="comma-separated keys")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    tags = arguments.languages.split(",")
    found = reports(Store(home_folder() / "data"), tags)
    cases = by_prompts(paired_cases(pl.concat([partition.read("scores") for partition in found.values()])))
    cases = cases.with_columns(difference=pl.col("reference_value") - pl.col("value"))
    sizes = "; ".join(
        f"{tag} " + ", ".join(told(arm, s) for arm, s in p.read_figures(ReportFigures).arms.items())
        for tag, p in found.items()
    )
    lines = [
        "# What the selection is worth",
        "",
        f"`.venv/bin/python benchmarks/arms.py --languages {arguments.languages}`, Python {platform.python_version()}. One arm minus another at equal rows and steps, "
        f"paired by case; means over languages with 95 % bootstrap intervals ({SAMPLES} resamples of the cases within every language). Each arm was trained once a language: what another training seed would change is not in the intervals.",
        "",
        f"Distinct pairs + distinct seeds in training rows: {sizes}.",
        "",
        f"| arm | against | measure | prompts | difference | better | cases | {' | '.join(tags)} |",
        "|---|---|---|---|---|---|---|" + "---|" * len(tags),
        *gap_rows(cases, tags),
        "",
        "## Values",
        "",
        f"| measure | prompts | base | tuned | {' | '.join(ARMS)} |",
        "|---|---|---|---|" + "---|" * len(ARMS),
        *value_rows(pl.concat([partition.read("measures") for partition in found.values()])),
        "",
    ]
    arguments.output.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
