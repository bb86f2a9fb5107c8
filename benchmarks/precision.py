"""What bfloat16 moves: `python benchmarks/precision.py` writes benchmarks/precision.md.

One evaluator, trained in float32, rates the same accepted pairs twice, with the base held in float32 and in bfloat16: of
the pocket world in Swahili, and of Gemma 3 270M (`make real-models`) on short Finnish texts. So all that differs comes from
reading. Builds stay in data/benchmarks/precision, so the command goes on where it was stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from real_models import GEMMA, MODELS
from real_text import DATA

from xinstr_core.curation.evaluator import Evaluator
from xinstr_core.curation.signals import SignalLog
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.roles import Engines
from xinstr_core.files import write_text
from xinstr_core.languages import get_language
from xinstr_core.schemas import candidate_pairs
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS, IS_ACCEPTED
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.shared import PROBABILITIES, SCORES
from xinstr_core.settings import Settings
from xinstr_core.stages.evaluator import as_pairs
from xinstr_core.store import Store
from xinstr_core.workspace import home_folder
from xinstr_dagster.build import BuildRequest
from xinstr_dagster.cli.options import choices_of

REGISTRY = Path(__file__).resolve().parents[1] / "languages.toml"
FOLDER = home_folder() / "data" / "benchmarks" / "precision"
DOCUMENTS, SEEDS, LONGEST = 60, 80, 450
READ = ("instruction_mean", "response_mean", "alone_mean")  # signals, nats a token


@dataclass(frozen=True)
class Case:
    name: str
    tag: str
    preset: str
    base_model: str
    changes: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        return FOLDER / self.name

    @property
    def settings(self) -> Settings:
        chosen = choices_of("", "", self.base_model, self.preset, [*self.changes, "precision=float32"])
        workspace = BuildRequest(**chosen).workspace(self.home)
        return workspace.settings(workspace.language(self.tag))

    def build(self) -> Store:
        options = [part for change in (*self.changes, "precision=float32") for part in ("--set", change)]
        command = ["build", self.tag, "--preset", self.preset, "--base-model", self.base_model, "--to", "refined_pairs"]
        subprocess.run(
            [sys.executable, "-m", "xinstr_dagster.cli", *command, *options],
            env={**os.environ, "XINSTR_HOME": str(self.home)},
            check=True,
        )
        return Store(self.home / "data")


POCKET = Case("pocket", "sw", "pocket", "pocket")
REAL = Case(
    "gemma", "fi", "modern", str(MODELS / GEMMA.name),
    (
        'evaluator.signals=["surprise","grounding"]',
        'evaluator.constructions=["cut_off","other_instruction","near_instruction","echo","broken_instruction"]',
        "evaluator.batch_rows=4", "reverse_model.batch_rows=4", "curation.rounds=1",
        "reverse_model.learning_rate=3e-4", "evaluator.learning_rate=3e-4",
        "generation.candidates=2", "generation.guided_candidates=1", "generation.maximum_new_tokens=48",
    ),
)  # fmt: skip


def write_homes() -> None:
    for case in (POCKET, REAL):
        case.home.mkdir(parents=True, exist_ok=True)
    shutil.copy(REGISTRY, POCKET.home)
    for kind, field, count in (("corpus", "text", DOCUMENTS), ("seeds", "response", SEEDS)):
        with (DATA / kind / "fi.jsonl").open(encoding="utf-8") as stream:
            short = [line for line in stream if len(json.loads(line)[field]) <= LONGEST][:count]
        write_text(REAL.home / f"{kind}.jsonl", "".join(short))
    write_text(
        REAL.home / "languages.toml",
        '[fi]\nname = "Finnish"\nscript = "Latn"\ncorpus = "corpus.jsonl"\nseeds = "seeds.jsonl"\n',
    )


def rate(case: Case, store: Store, precision: Precision) -> pl.DataFrame:
    """Ratings of all accepted pairs, with doc_id."""
    evaluator, candidates = store.get(EVALUATOR.asset, case.tag), store.get(CANDIDATE_PAIRS.asset, case.tag)
    assert evaluator is not None
    assert candidates is not None
    accepted = candidates.scan(candidate_pairs.PAIRS.name).filter(IS_ACCEPTED).collect()
    with (
        Engines(case.settings, resolve_model(case.base_model, precision)) as engines,
        tempfile.TemporaryDirectory() as folder,
    ):
        loaded = Evaluator.load(engines, evaluator, case.settings.evaluator, get_language(REGISTRY, case.tag))
        ratings, _ = loaded.rate(as_pairs(accepted), SignalLog(Path(folder)))
    return ratings.join(accepted.select("pair_id", "doc_id"), on="pair_id")


def kept(case: Case, ratings: pl.DataFrame) -> set[str]:
    """The best pair of every text that passes the preset's limits."""
    limits = case.settings.curation
    passing = ratings.filter(
        pl.col("p_level_3") >= limits.minimum_top_probability,
        pl.col("instruction_quality") >= limits.minimum_instruction_quality,
        pl.col("pair_fit") >= limits.minimum_pair_fit,
    )
    return set(
        passing.sort("p_level_3", descending=True).unique("doc_id", keep="first", maintain_order=True)["pair_id"]
    )


def rows(case: Case, store: Store) -> list[str]:
    exact, rounded = rate(case, store, "float32"), rate(case, store, "bfloat16")
    both = exact.join(rounded, on="pair_id", suffix="_rounded")
    lines = []
    for name in (*READ, *PROBABILITIES, *SCORES):
        apart = (pl.col(name) - pl.col(f"{name}_rounded")).abs()
        found = both.select(mean=apart.mean(), most=apart.quantile(0.95), greatest=apart.max()).row(0)
        lines.append(f"| {case.name} | {name} | {' | '.join(f'{value:.4f}' for value in found)} |")
    levels = [
        both.select(pl.concat_list(f"{name}{end}" for name in PROBABILITIES).list.arg_max()) for end in ("", "_rounded")
    ]
    same = int((levels[0].to_series() == levels[1].to_series()).sum())
    before, after = kept(case, exact), kept(case, rounded)
    lines.append(
        f"| {case.name} | likeliest level the same | {same} of {len(both)} | | |\n"
        f"| {case.name} | kept pairs: both, float32 alone, bfloat16 alone | {len(before & after)}, "
        f"{len(before - after)}, {len(after - before)} | | |"
    )
    return lines


def main() -> None:
    if not Path(REAL.base_model).is_dir() or not (DATA / "seeds" / "fi.jsonl").is_file():
        sys.exit("skipped: it needs models/ (make real-models) and ../shared/data")
    write_homes()
    lines = [line for case in (POCKET, REAL) for line in rows(case, case.build())]
    head = [
        "# What bfloat16 moves",
        "",
        "`python benchmarks/precision.py`: one evaluator, trained in float32, rates the same accepted pairs with the base held in float32 and in bfloat16. Differences of signals (nats a token), of probabilities and",
        "scores; what is kept follows from the preset's limits, whether or not the evaluator may gate.",
        "",
        "| | | mean | 95 % below | greatest |",
        "|---|---|---|---|---|",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()
