"""One budget for all that a command builds, and one of its own for a run of the UI; what it stops goes on with the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from xinstr_core.store import MANIFEST, Store
from xinstr_dagster.build import BuildRequest, Outcome
from xinstr_dagster.definitions import build_definitions
from xinstr_dagster.execution import shared_budgets
from xinstr_dagster.instance import prepare_home
from xinstr_dagster.processes import build_each

ENGINES = {"default": {"price_prompt": 1.0}}  # every token that is read costs a millionth
SMALL = 1e-5


@pytest.fixture(scope="module")
def home(model_home: Path) -> Iterator[Path]:
    """Swahili and Finnish, built until candidates have to be written."""
    prepare_home(model_home)
    assert [outcome.error for outcome in outcomes(model_home, 0.0, last="reverse_model")] == ["", ""]
    yield model_home


def outcomes(home: Path, budget: float, jobs: int = 1, last: str = "candidate_pairs") -> list[Outcome]:
    request = BuildRequest(overrides={"engines": ENGINES}, last=last, budget=budget)
    found = build_each(home, request, ["sw", "fi"], jobs, lambda *_: None)
    return sorted(found, key=lambda outcome: outcome.language, reverse=True)


def kept(home: Path, tag: str) -> int:
    """Rows that candidates were made of and that a next start need not make."""
    return len([*(home / "data" / "candidate_pairs" / f"language={tag}" / "unfinished" / "rows").rglob("*.parquet")])


def test_languages_have_one_budget(home: Path) -> None:
    swahili, finnish = outcomes(home, SMALL)
    assert swahili.error.startswith("candidate_pairs: 0.00")
    assert swahili.error.endswith(
        " is spent of a budget of 1e-05: what is done is kept, and the same command goes on from here with a new budget"
    )
    assert finnish.error == swahili.error, "and nothing more"
    assert (kept(home, "sw"), kept(home, "fi")) == (1, 0)
    assert shared_budgets == []


def test_a_run_of_the_ui_has_one_of_its_own(home: Path) -> None:
    before = kept(home, "sw")
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

        assert "is spent of a budget of 1e-05" in run(budget=SMALL, overrides={"engines": ENGINES})[0]
        assert kept(home, "sw") == before + 1
        assert "no engine has a price" in run(budget=SMALL)[0]


@pytest.mark.slow
def test_processes_share_it(home: Path) -> None:
    stopped = outcomes(home, SMALL, jobs=2)
    assert all(" of a budget of 1e-05: " in outcome.error for outcome in stopped)


def test_the_next_start_goes_on_with_a_new_one(home: Path) -> None:
    assert [outcome.error for outcome in outcomes(home, 10.0)] == ["", ""]
    for tag in ("sw", "fi"):
        partition = Store(home / "data").get("candidate_pairs", tag)
        assert partition is not None
        use = json.loads((partition.path / MANIFEST).read_text("utf-8"))["cost"]["engines"]["reverse"]
        assert use["rows"] == 40
        assert use["money"] == pytest.approx(use["prompt_tokens"] / 1e6, abs=1e-5)
