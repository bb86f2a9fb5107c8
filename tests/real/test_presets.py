"""The presets for real models are run as they stand: every stage, construction, signal and arm that they name.

Gemma 3 270M as base, 24 short Finnish documents and 32 seed pairs, one epoch, short replies: what is looked at is that
the line holds, not how good it is.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from real_text import DATA

from xinstr_core.engines.models import ModelReference
from xinstr_core.evaluation.arms import SELECTED
from xinstr_core.pocket.documents import draw_topics, write_document, write_instruction
from xinstr_core.presets import load_settings
from xinstr_core.schemas.eval_report import ReportFigures
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.refined_pairs import RefinedFigures
from xinstr_core.schemas.shared import RATINGS, Cost
from xinstr_core.stages import LINE
from xinstr_core.store import Partition, Store

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
ROWS = {"corpus": 24, "seeds": 32}  # the time that this may take is CI's
LONGEST = {"corpus": 300, "seeds": 250}  # characters
SHORTEST = 200  # characters, which the presets ask of a document
# One epoch of 32 rows is one step of 32, in which nothing is learned that writes an instruction: eight of four, and larger.
TRAININGS = ("reverse_model", "evaluator", "tuning")
SMALLER = {
    **{f"{training}.epochs": "1" for training in TRAININGS},
    **{f"{training}.batch_rows": "4" for training in TRAININGS},
    **{f"{training}.learning_rate": "1e-4" for training in TRAININGS},
    "generation.maximum_new_tokens": "48",
    "generation.candidates": "2",  # each is written twice with guidance, and rated after its own text, near ones and halves
    "generation.openings": '["Tell me about"]',
    "generation.minimum_gain": "0",  # eight steps teach a reverse model little of what a text adds
    "evaluation.maximum_new_tokens": "64",
    # A rater of 16 seeds proves nothing: whether it may decide what is kept must not be a matter of luck here.
    "evaluator.minimum_held_out_rows": "1000",
}
MEMORY_MIB = {
    "modern": 4096,
    "faithful": 7168,
    "small": 4096,
}  # the most that any stage may hold; faithful trains all weights


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with corpus/fi.jsonl and seeds/fi.jsonl: the first short ones of the real files, or of the embedded world."""
    folder = tmp_path_factory.mktemp("text")
    for kind, field in (("corpus", "text"), ("seeds", "response")):
        source = DATA / kind / "fi.jsonl"
        short = short_records(source, field, LONGEST[kind]) if source.is_file() else embedded_records(kind)
        (folder / kind).mkdir()
        (folder / kind / "fi.jsonl").write_text("".join(json.dumps(one) + "\n" for one in short[: ROWS[kind]]), "utf-8")
    return folder


def short_records(path: Path, field: str, longest: int) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return [record for line in stream if len((record := json.loads(line))[field]) <= longest]


def embedded_records(kind: str) -> list[dict[str, str]]:
    """With the fields of either kind, and for each kind other ones."""
    rng = random.Random(kind)
    return [
        {"text": document, "response": document, "instruction": write_instruction(topic, "en", rng)}
        for topic in draw_topics("fi", 400, rng)
        if len(document := write_document(topic, rng, (2, 3))) >= SHORTEST
    ]


@pytest.fixture(scope="module", params=["modern", "faithful", "small"])
def built(
    request: pytest.FixtureRequest,
    gemma: ModelReference,
    minilm: Path,
    text: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Store]:
    """A preset, and the store that its build by the command line left."""
    home = tmp_path_factory.mktemp(request.param)
    (home / "languages.toml").write_text(
        f"[fi]\nname = 'Finnish'\nscript = 'Latn'\ncorpus = '{text / 'corpus'}'\nseeds = '{text / 'seeds'}'\n", "utf-8"
    )
    given = SMALLER | {"diversity.encoder": json.dumps(str(minilm))}
    options = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "xinstr_dagster.cli",
            "build",
            "fi",
            "--preset",
            request.param,
            "--base-model",
            str(gemma.path),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "XINSTR_HOME": str(home), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return request.param, Store(home / "data")


def partition(built: tuple[str, Store], asset: str) -> Partition:
    found = built[1].get(asset, "fi")
    assert found is not None, asset
    return found


def test_all_stages_are_built_within_the_memory_that_is_promised(built: tuple[str, Store]) -> None:
    costs = {stage.name: Cost.read(partition(built, stage.name).cost) for stage in LINE}
    assert max(cost.peak_memory for cost in costs.values()) < MEMORY_MIB[built[0]], costs


def test_the_evaluator_has_every_construction_and_signal(built: tuple[str, Store]) -> None:
    settings = load_settings(built[0]).evaluator
    evaluator = partition(built, "evaluator")
    figures = evaluator.read_figures(EvaluatorFigures)
    assert set(figures.constructions) >= {"own", *settings.constructions} - {"wrong_language"}
    held_out = evaluator.read("held_out")
    rated = [column.name for column in RATINGS if not column.optional]  # 16 seeds may teach nothing of what is right
    assert held_out.select(rated).null_count().row(0) == (0,) * len(rated)
    assert figures.held_out_rows == held_out.filter(pl.col("construction") != "generated").height > 0


def test_pairs_are_rated_and_the_report_has_every_arm(built: tuple[str, Store]) -> None:
    settings = load_settings(built[0])
    assert partition(built, "refined_pairs").read_figures(RefinedFigures).funnel.taken > 0
    report = partition(built, "eval_report")
    arms = {SELECTED, *settings.evaluation.arms} if settings.evaluation.arms else set()  # what they are compared with
    assert set(report.read_figures(ReportFigures).arms) == arms
    replies = report.read("replies")
    assert {"base", "tuned", *arms} == set(replies["model"])
