"""`xinstr estimate` held against builds: `python benchmarks/estimate.py` writes benchmarks/estimate.md.

For the pocket model, SmolLM2 135M and Gemma 3 270M (`make real-models`), and for Finnish texts of 300, 1,000 and 2,000
tokens, eight documents and ten seed pairs are built with preset `modern`, its evaluator and candidates cut short, as a
peak does not depend on how often it is reached. Memory and time of every stage are compared with what was estimated
before. A pair of an instruction and a text that has nothing to do with it costs what any other does. Builds stay in
data/benchmarks/estimate, so the command goes on where it was stopped; remove a folder there to build it again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_models import GEMMA, MODELS, SMOLLM2
from real_text import DATA, texts_of

from xinstr_core.engines.machine import machine_rate
from xinstr_core.engines.models import load_tokenizer, resolve_model
from xinstr_core.estimate.cost import StageEstimate, estimate
from xinstr_core.files import write_text
from xinstr_core.schemas.shared import Cost
from xinstr_core.stages import LINE
from xinstr_core.store import Store
from xinstr_core.workspace import home_folder
from xinstr_dagster.build import BuildRequest
from xinstr_dagster.cli.options import choices_of

BASES = {"pocket": "pocket", "SmolLM2 135M": str(MODELS / SMOLLM2.name), "Gemma 3 270M": str(MODELS / GEMMA.name)}
TOKENS = (300, 1000, 2000)
DOCUMENTS, SEEDS = 8, 10
WITHIN = 0.2  # of the peak that was measured
INSTRUCTION_TOKENS = 40  # left for template and instruction, in a row of 2,048
SHORT = {
    "corpus.minimum_characters": "200",
    "corpus.maximum_characters": "20000",
    "reverse_model.epochs": "2",
    "reverse_model.batch_rows": "2",
    "evaluator.epochs": "1",
    "evaluator.signals": '["surprise", "grounding"]',
    "evaluator.constructions": '["cut_off", "other_instruction"]',
    "curation.rounds": "1",
    "generation.candidates": "2",
    "generation.guided_candidates": "1",
    "generation.require_self_contained": "false",
    "generation.maximum_new_tokens": "32",
    "curation.wanted_precision": "0",
    "diversity.encoder": "base-model",
    "diversity.maximum_topic_share": "1.0",
    "tuning.epochs": "1",
    "evaluation.arms": '["random"]',
    "evaluation.maximum_new_tokens": "64",
}
# A model of three million parameters takes larger steps, and more of them, before it writes an instruction.
OF_POCKET = {"reverse_model.epochs": "16", "reverse_model.learning_rate": "1.5e-3"}


@dataclass(frozen=True)
class Case:
    """A base model and the length of all texts, in its tokens."""

    base: str
    tokens: int

    @property
    def settings(self) -> dict[str, str]:
        return {**SHORT, "reverse_model.learning_rate": "3e-4", **(OF_POCKET if self.base == "pocket" else {})}

    @property
    def home(self) -> Path:
        return home_folder() / "data" / "benchmarks" / "estimate" / f"{self.base.split()[0].lower()}-{self.tokens}"


def texts(tokenizer: Any, tokens: int) -> Iterator[str]:
    """Real documents behind each other, cut to so many tokens."""
    together: list[str] = []
    for text in texts_of("fi"):
        together.append(text)
        ids = tokenizer("\n".join(together), add_special_tokens=False)["input_ids"]
        if len(ids) >= tokens:
            yield tokenizer.decode(ids[:tokens])
            together = []


def write_home(case: Case) -> None:
    if (case.home / "languages.toml").exists():
        return
    case.home.mkdir(parents=True)
    made = texts(load_tokenizer(resolve_model(BASES[case.base])), case.tokens - INSTRUCTION_TOKENS)
    write_text(case.home / "corpus.jsonl", "".join(json.dumps({"text": next(made)}) + "\n" for _ in range(DOCUMENTS)))
    with (DATA / "seeds" / "fi.jsonl").open(encoding="utf-8") as stream:
        instructions = [one for line in stream if len(one := json.loads(line)["instruction"]) < 60][:SEEDS]
    pairs = [{"instruction": one, "response": next(made)} for one in instructions]
    write_text(case.home / "seeds.jsonl", "".join(json.dumps(pair) + "\n" for pair in pairs))
    write_text(
        case.home / "languages.toml",
        '[fi]\nname = "Finnish"\nscript = "Latn"\ncorpus = "corpus.jsonl"\nseeds = "seeds.jsonl"\n',
    )


def estimated(case: Case) -> dict[str, StageEstimate]:
    changes = [f"{name}={value}" for name, value in case.settings.items()]
    workspace = BuildRequest(**choices_of("", "", BASES[case.base], "modern", changes)).workspace(case.home)
    found = estimate(workspace, "fi", machine_rate(workspace.precision(workspace.language("fi")).name))
    return {stage.asset: stage for stage in found.stages}


def build(case: Case) -> None:
    options = [part for name, value in case.settings.items() for part in ("--set", f"{name}={value}")]
    command = ["build", "fi", "--preset", "modern", "--base-model", BASES[case.base], *options]
    subprocess.run(
        [sys.executable, "-m", "xinstr_dagster.cli", *command],
        env={**os.environ, "XINSTR_HOME": str(case.home)},
        check=True,
    )


def rows(case: Case) -> list[str]:
    """A line of the table for every stage."""
    write_home(case)
    before, store = estimated(case), Store(case.home / "data")
    build(case)
    lines = []
    for stage in LINE:
        partition = store.get(stage.name, "fi")
        assert partition is not None, stage.name
        cost, told = Cost.read(partition.cost), before[stage.name]
        memory = told.memory / 2**20 / cost.peak_memory
        mark = "" if abs(memory - 1) <= WITHIN else " **"
        lines.append(
            f"| {case.base} | {case.tokens} | {stage.name} | {told.memory >> 20:,} | {cost.peak_memory:,} | "
            f"{memory:.2f}{mark} | {told.seconds:.0f} | {cost.seconds:.0f} |"
        )
    return lines


def main() -> None:
    missing = [
        path for path in (*map(Path, list(BASES.values())[1:]), DATA / "seeds" / "fi.jsonl") if not path.exists()
    ]
    if missing:
        sys.exit(f"skipped: {missing[0]} is missing (make real-models)")
    lines: list[str] = []
    for base in BASES:
        for tokens in TOKENS:
            lines += rows(Case(base, tokens))
            write_report(lines)


def write_report(lines: list[str]) -> None:
    """After every case, so that a stopped command leaves what it has measured."""
    within = sum("**" not in line for line in lines)
    head = [
        "# The estimate against builds",
        "",
        f"`python benchmarks/estimate.py`: {DOCUMENTS} Finnish documents and {SEEDS} seed pairs of so many tokens, preset `modern` cut short, two threads. MiB and seconds; ** marks an estimate of memory that is",
        f"further than {WITHIN:.0%} from the measured peak. Within it: {within} of {len(lines)}. Seconds are of the clock: what else the machine did is in those that were measured.",
        "",
        "| base | tokens | stage | estimated MiB | measured MiB | ratio | estimated s | measured s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()
