"""Memory of the process that asks: `python benchmarks/request_memory.py` writes benchmarks/request_memory.md.

The whole stage `candidate_pairs`, one instruction a text of a thousand characters, with an engine that answers at once: so
what is measured is what the stage itself holds. Each run is a process of its own: a first one is killed when half of the
rows are there, a second one goes on from their shards. Seconds are those of a busy machine. Peak is the stage's, as manifests tell it, until its tables are
handed over and checked. `--before REVISION` measures a release that is checked out for it, too.

What was measured stays in data/benchmarks/request_memory, so the command goes on where it was stopped; `--counts` says
what to measure, the table has all that is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import polars as pl
from real import table

from xinstr_core.engines.base import Capability, Completion, Decoding, Request, TokenScores, Usage
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.files import TableWriter, write_text
from xinstr_core.identity import content_key
from xinstr_core.settings import EngineSettings
from xinstr_core.stages.candidate_pairs import write_instructions
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

COUNTS = (10_000, 100_000, 1_000_000)
FOLDER = Path("data/benchmarks/request_memory")
BATCH_ROWS = 64
PIECE = 2000  # documents of a piece of the corpus table
WORDS = [
    a + b + c for a in ("ma", "ki", "vi", "wa", "u") for b in ("ta", "so", "mbe", "ngi") for c in ("ni", "ko", "la")
]
DOCUMENTS = pl.Schema({"doc_id": pl.String, "text": pl.String})


class AtOnce:
    """An engine that has its answer ready. It ends its process, as a kill does, after `dies_after` rows."""

    capabilities = frozenset(Capability)
    dies_after = -1

    def __init__(self) -> None:
        self.usage = Usage()

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        return cls()

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        self.usage.rows += len(requests)
        if 0 <= self.dies_after < self.usage.rows:
            print(json.dumps({"peak": peak()}), flush=True)
            os._exit(9)
        return [Completion(r.key, f"What does {r.key} tell about rivers and markets?", 300, 12, True) for r in requests]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        return [TokenScores(r.key, (-1.0,), 0.0) for r in requests]


def peak() -> int:
    """The most MiB that the process has held since the stage began."""
    return int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) // 1024


def write_corpus(path: Path, count: int) -> None:
    rng = random.Random(0)
    with TableWriter(path, DOCUMENTS) as writer:
        for start in range(0, count, PIECE):
            numbers = range(start, min(start + PIECE, count))
            texts = [f"Na. {n}: {' '.join(rng.choices(WORDS, k=150))}." for n in numbers]
            ids = [content_key("document", text) for text in texts]
            writer.write(pl.DataFrame({"doc_id": ids, "text": texts}, DOCUMENTS))


def build(home: Path, count: int) -> None:
    """Run the stage in this process, and print its peak in MiB, with what the process held before and its seconds."""
    (home / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    generation = {"batch_rows": BATCH_ROWS, "maximum_documents": count}
    workspace = Workspace(home, overrides={"generation": generation}, base_model="pocket")
    if workspace.store.get("raw_corpus", "sw") is None:
        write_corpus(home / "documents.parquet", count)
        seeds = pl.DataFrame({"pair_id": ["s"], "instruction": ["How do I cook rice?"]})
        (home / "adapter").mkdir()
        (home / "adapter" / "weights").write_text("adapter", "utf-8")
        outputs = {
            "raw_corpus": StageOutput({"documents": home / "documents.parquet"}),
            "seed_pairs": StageOutput({"seeds": seeds}),
            "reverse_model": StageOutput(folders={"adapter": home / "adapter"}),
        }
        for name, output in outputs.items():
            workspace.store.commit(name, "sw", "f", {}, output)
    KINDS[TRANSFORMERS] = AtOnce  # type: ignore[assignment]  # it has what the stage asks for
    inputs = {name: workspace.store.get(name, "sw") for name in ("raw_corpus", "seed_pairs", "reverse_model")}
    before = int(Path("/proc/self/status").read_text("ascii").split("VmRSS:")[1].split()[0]) // 1024
    partition = run_stage(workspace, write_instructions, "sw", inputs).partition  # type: ignore[arg-type]
    found = partition.tables["pairs"]
    kept = {"rows": found["rows"], "pairs": partition.figures["funnel"]["kept"]}
    print(
        json.dumps(
            {"peak": partition.cost["peak_memory"], "before": before, "seconds": partition.cost["seconds"], **kept}
        )
    )


def ran(count: int, source: Path) -> dict[str, Any]:
    """A killed run and the one that goes on from it, by the code that lies in `source`."""
    command = [sys.executable, __file__, "--build", str(count)]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    with tempfile.TemporaryDirectory(dir=FOLDER) as home:
        options = ["--home", home]
        killed = subprocess.run(
            [*command, *options, "--dies-after", str(count // 2)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if killed.returncode != 9:
            raise SystemExit(killed.stderr)
        done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "killed": json.loads(killed.stdout.splitlines()[-1])["peak"]}


def kept(count: int, name: str) -> Path:
    """Where it lies what was measured."""
    return FOLDER / f"{name}-{count}.json"


def checked_out(revision: str) -> Path:
    """The code of a revision, in a folder of its own."""
    folder = (FOLDER / f"source-{revision}").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", revision, "xinstr_core"], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="REVISION")
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--build", type=int, help="run the stage once in this process")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--dies-after", type=int, default=-1)
    given = parser.parse_args()
    if given.build:
        AtOnce.dies_after = given.dies_after
        build(given.home, given.build)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    sources: dict[str, Path] = {"now": Path.cwd()}
    if given.before:
        sources = {given.before: checked_out(given.before), **sources}
    for name, source in sources.items():
        for count in given.counts:
            if not kept(count, name).exists():
                write_text(kept(count, name), json.dumps(ran(count, source)))
    rows = []
    for count, name in ((count, name) for name in sources for count in COUNTS if kept(count, name).exists()):
        found = json.loads(kept(count, name).read_text("utf-8"))
        assert found["rows"] == count, f"{found['rows']} rows of {count} prompts"
        rows.append([name, f"{count:,}", *(found[of] for of in ("before", "killed", "peak")), round(found["seconds"])])
    head = [
        "code",
        "prompts",
        "MiB before the stage",
        "peak MiB until it is killed",
        "peak MiB of the run that goes on",
        "its seconds",
    ]
    lines = ["# Memory of the process that asks", "", *(__doc__ or "").splitlines()[2:], ""]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*lines, *table(rows, head)]))


if __name__ == "__main__":
    main()
