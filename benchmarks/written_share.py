"""How little it costs to write responses for a share of the seeds: `python benchmarks/written_share.py` writes benchmarks/written_share.md.

The pocket world of Swahili, Finnish and Urdu, whose gold says of every kept pair whether it is good. The evaluator learns
from all of the preset's flaws and from the two for which models write responses, for all seeds, for a quarter, and
without them. Builds stay in data/benchmarks/written_share, so the command goes on where it was stopped.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from pocket import evaluator_figures

from xinstr_core.evaluation.against_gold import measure_pairs
from xinstr_core.evaluation.measures import Measures
from xinstr_core.files import write_text
from xinstr_core.languages import get_language
from xinstr_core.presets import load_settings
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.metrics import PRECISION, RECALL
from xinstr_core.schemas.refined_pairs import PAIRS, REFINED_PAIRS
from xinstr_core.schemas.shared import Cost
from xinstr_core.store import Store
from xinstr_core.workspace import Workspace, home_folder

REGISTRY = Path(__file__).resolve().parents[1] / "languages.toml"
LANGUAGES = ("sw", "fi", "ur")
WRITTEN = ("weaker_response", "base_response")
SHARES = (1.0, 0.25, 0.1, 0.0)


def build(share: float) -> Store:
    home = home_folder() / "data" / "benchmarks" / "written_share" / f"{share:g}"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(REGISTRY, home)
    flaws = [*load_settings("pocket").evaluator.constructions, *(WRITTEN if share else ())]
    changes = [f"evaluator.constructions={flaws}".replace("'", '"'), f"evaluator.written_share={share or 1.0}"]
    options = [part for change in changes for part in ("--set", change)]
    subprocess.run(
        [sys.executable, "-m", "xinstr_dagster.cli", "build", *LANGUAGES, "--to", REFINED_PAIRS.asset, *options],
        env={**os.environ, "XINSTR_HOME": str(home)},
        check=True,
    )
    return Store(home / "data")


def row(share: float, store: Store) -> str:
    """Means over the languages."""
    told = [evaluator_figures(store, tag) for tag in LANGUAGES]
    costs = [Cost.read(partition.cost) for tag in LANGUAGES if (partition := store.get(EVALUATOR.asset, tag))]
    gold = zip(*(against_gold(store, tag) for tag in LANGUAGES), strict=True)
    values = [
        statistics.mean(figures.accuracy for figures in told),
        statistics.mean(figures.log_loss or float("inf") for figures in told),
        *map(statistics.mean, gold),
    ]
    cells = " | ".join(f"{value:.3f}" for value in values)
    return f"| {share:g} | {cells} | {statistics.mean(cost.seconds for cost in costs):.0f} |"


def against_gold(store: Store, tag: str) -> tuple[float, float]:
    """Precision and recall of kept pairs, as the report has them."""
    partition = store.get(REFINED_PAIRS.asset, tag)
    assert partition is not None
    language, settings = get_language(REGISTRY, tag), load_settings("pocket").evaluation
    gold = Workspace(store.root.parent, "pocket").gold_file(language)
    assert gold is not None
    found, pairs = Measures(tag, settings), partition.read(PAIRS.name)
    measure_pairs(pairs, pairs.clear(), gold, tag, found)
    values = {row.metric: row.value for row in found.rows}
    return values[PRECISION.name], values[RECALL.name]


def main() -> None:
    lines = [row(share, build(share)) for share in SHARES]
    head = [
        "# Responses written for a share of the seeds",
        "",
        "`python benchmarks/written_share.py`: pocket world, Swahili, Finnish and Urdu, means. Accuracy and log loss are over held-out rows, which have the written flaws too where they are made, so those of",
        "different shares are not of the same rows; precision and recall of kept pairs are against gold, of the same documents.",
        "",
        "| share of the seeds | accuracy | log loss | precision of kept pairs | recall | evaluator, seconds a language |",
        "|---|---|---|---|---|---|",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()
