"""One budget for all that a command builds, and one of its own for a run of the UI; what it stops goes on with the next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg
import polars as pl
import pytest

from xinstr_core.engines.base import Capability, Completion, Decoding, Request, Usage
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.store import Partition, StageOutput, Store
from xinstr_dagster.build import BuildRequest, Outcome
from xinstr_dagster.definitions import build_definitions
from xinstr_dagster.execution import shared_budgets
from xinstr_dagster.instance import prepare_home
from xinstr_dagster.processes import build_each

ROWS, BATCH = 6, 2
SETTINGS = {
    "engines": {"default": {"price_prompt": 1.0}},
    "generation": {"batch_rows": BATCH, "candidates": 1, "require_self_contained": False, "temperature": 0.7},
}


class Writer:
    """Writes a question for each prompt, which reads a million tokens: each costs 1."""

    capabilities = frozenset({Capability.GENERATE, Capability.SCORE_COMPLETIONS, Capability.ADAPTERS})

    def __init__(self) -> None:
        self.usage = Usage()

    @classmethod
    def load(cls, *_: Any) -> Self:
        return cls()

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        self.usage += Usage(len(requests), 1_000_000 * len(requests))
        return [Completion(one.key, " What is this text about?", 9, 5, True) for one in requests]


@pytest.fixture
def line(home: Path, asking_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Swahili and Finnish, of which all is there that candidates are made of."""
    (home / "xinstr.toml").write_text(f"base_model = '{asking_model}'\n", "utf-8")
    prepare_home(home)
    monkeypatch.setitem(KINDS, TRANSFORMERS, Writer)
    store = Store(home / "data")
    for tag in ("sw", "fi"):
        adapter = home / f"adapter-{tag}"
        shutil.copytree(asking_model, adapter)
        documents = {"doc_id": [f"d{n}" for n in range(ROWS)], "text": [f"Text {n} of {tag}." for n in range(ROWS)]}
        seeds = {"pair_id": ["s"], "instruction": ["What is ugali?"]}
        for asset, output in {
            "raw_corpus": StageOutput(tables={"documents": pl.DataFrame(documents)}),
            "seed_pairs": StageOutput(tables={"seeds": pl.DataFrame(seeds)}),
            "reverse_model": StageOutput(folders={"adapter": adapter}),
        }.items():
            store.commit(asset, tag, "f", {}, output)
    yield home


def outcomes(home: Path, budget: float, *tags: str) -> list[str]:
    request = BuildRequest(overrides=SETTINGS, first="candidate_pairs", last="candidate_pairs", budget=budget)
    found: list[Outcome] = [*build_each(home, request, tags, 1, lambda *_: None)]
    return [outcome.error for outcome in found]


def stopped(spent: int, budget: int) -> str:
    return (
        f"candidate_pairs: {spent} is spent of a budget of {budget}: what is done is kept, and the same command goes on "
        "from here with a new budget"
    )


def candidates(home: Path, tag: str) -> Partition | None:
    return Store(home / "data").get("candidate_pairs", tag)


def test_languages_have_one_budget_and_the_same_command_goes_on(line: Path) -> None:
    assert outcomes(line, 7, "sw", "fi") == ["", stopped(8, 7)]
    assert shared_budgets == []
    assert outcomes(line, 3.5, "fi") == [""]
    finnish = candidates(line, "fi")
    assert finnish is not None
    use = finnish.cost["engines"]["reverse"]
    assert (use["rows"], use["money"]) == (ROWS, ROWS), "every row once"


def test_a_run_of_the_ui_has_a_budget_of_its_own(line: Path) -> None:
    job = build_definitions().resolve_job_def("build_language")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("languages", ["sw"])

        def run(**config: Any) -> list[str]:
            result = job.execute_in_process(
                instance=instance,
                partition_key="sw",
                run_config={"resources": {"xinstr": {"config": config}}},
                asset_selection=[dg.AssetKey("candidate_pairs")],
                raise_on_error=False,
            )
            failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
            return [str(found.user_failure_data and found.user_failure_data.description) for found in failures]

        for _ in range(2):
            assert run(budget=1, overrides=SETTINGS) == [stopped(2, 1).removeprefix("candidate_pairs: ")]
        assert "no engine has a price: set engines.default.price_prompt" in run(budget=1)[0]
        assert run(budget=2.5, overrides=SETTINGS) == []
