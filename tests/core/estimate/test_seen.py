"""After a first build an estimate goes by what that told: which one, what it makes of it, and what then happened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.errors import InputError
from xinstr_core.estimate.cost import StageEstimate, estimate
from xinstr_core.estimate.seen import rates
from xinstr_core.estimate.work import Workload
from xinstr_core.schemas.shared import Cost, EngineUse, TrainingSpeed
from xinstr_core.stages.candidate_pairs import write_instructions
from xinstr_core.stages.raw_corpus import clean_corpus
from xinstr_core.stages.seed_pairs import read_seed_pairs
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import MANIFEST, StageOutput
from xinstr_core.workspace import Workspace

REGISTRY = "".join(f'[{tag}]\nname = "{tag}"\nscript = "Latn"\n' for tag in ("fi", "sw", "tr"))
PRICES = {"default": {"price_prompt": 2.0, "price_completion": 10.0}}


@pytest.fixture
def workspace(tmp_path: Path, tiny_model_folder: Path) -> Workspace:
    (tmp_path / "languages.toml").write_text(REGISTRY, "utf-8")
    return Workspace(tmp_path, overrides={"engines": PRICES}, base_model=str(tiny_model_folder))


def use(workspace: Workspace, rows: int, read: int, written: int, seconds: float, **other: Any) -> EngineUse:
    engine = f"transformers {workspace.model(workspace.language('sw')).name}"
    figures: dict[str, Any] = {
        "engine": engine,
        "cached_tokens": 0,
        "retries": 0,
        "gpu_seconds": 0,
        "money": 0,
        **other,
    }
    return EngineUse(rows=rows, prompt_tokens=read, completion_tokens=written, seconds=seconds, **figures)


def store(
    workspace: Workspace, tag: str, time: str, uses: dict[str, EngineUse], trained: float = 0.0, **made_of: Any
) -> None:
    """A built partition of candidate_pairs, as far as an estimate looks at it."""
    speed = TrainingSpeed(
        tokens_a_second=trained, trainable_tokens_a_second=1, padding_share=0, model_flops_utilisation=0
    )
    cost = Cost(seconds=1, peak_memory=1, engines=uses, trainings={"adapter": speed} if trained else {})
    parts = {"model": workspace.model(workspace.language(tag)).fingerprint, **made_of}
    workspace.store.commit(
        "candidate_pairs", tag, "f", parts, StageOutput(cost=cost, built={"time": f"2026-11-{time}T10:00:00"})
    )


def estimated(workspace: Workspace, tag: str, asset: str = "candidate_pairs") -> StageEstimate:
    found = estimate(workspace, tag, rate=1e11, free=8 << 30)
    return next(stage for stage in found.stages if stage.asset == asset)


def test_before_any_build_it_is_the_machine_that_counts(workspace: Workspace) -> None:
    found = estimate(workspace, "sw", rate=1e11, free=8 << 30)
    assert [stage.asset for stage in found.stages if stage.seen or stage.money] == []


def test_the_languages_own_build_comes_first_and_then_the_newest_of_another(workspace: Workspace) -> None:
    store(workspace, "fi", "20", {"reverse": use(workspace, 10, 1000, 100, 5)})
    store(workspace, "tr", "21", {"reverse": use(workspace, 10, 1000, 100, 5)})

    def source() -> tuple[str, str]:
        found = estimated(workspace, "sw").seen
        assert found is not None
        return found.language, found.time[:10]

    assert source() == ("tr", "2026-11-21")
    store(workspace, "sw", "01", {"reverse": use(workspace, 10, 1000, 100, 5)})
    assert source() == ("sw", "2026-11-01")
    (workspace.store.path("candidate_pairs", "sw") / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(InputError):
        workspace.store.get("candidate_pairs", "sw")
    assert source() == ("tr", "2026-11-21")


@pytest.mark.parametrize(
    ("uses", "made_of"),
    [
        ({"engine": "transformers another"}, {}),
        ({"engine": "openai base"}, {}),
        ({}, {"model": "another"}),
        ({"completion_tokens": 0}, {}),
        ({"prompt_tokens": 0}, {}),
    ],
    ids=["model's name", "kind", "weights", "wrote nothing", "read nothing"],
)
def test_a_build_with_another_engine_or_without_such_work_tells_nothing(
    workspace: Workspace, uses: dict[str, Any], made_of: dict[str, Any]
) -> None:
    told = use(workspace, 10, 1000, 100, 5).model_copy(update=uses)
    store(workspace, "sw", "20", {"reverse": told}, **made_of)
    assert estimated(workspace, "sw").seen is None


def test_time_and_money_grow_with_what_is_read_and_written(workspace: Workspace) -> None:
    store(
        workspace,
        "sw",
        "20",
        {"reverse": use(workspace, 10, 6000, 100, 5.0, cached_tokens=600), "reader": use(workspace, 8, 2000, 0, 3.0)},
    )
    found = estimated(workspace, "sw").seen
    assert found is not None
    work = Workload(read_tokens=12_000, repeated_tokens=4000, written_tokens=400, doubled_tokens=100)
    expected = found.expected(work)
    assert (expected["reader"].prompt_tokens, expected["reader"].seconds) == (4000, 6.0)
    writer = expected["reverse"]
    assert (writer.prompt_tokens, writer.cached_tokens, writer.completion_tokens) == (12_000, 1200, 300)
    assert writer.seconds == pytest.approx(15.0)
    assert found.seconds(work) == pytest.approx(21.0)
    engines = workspace.settings(workspace.language("sw")).engines
    assert found.money(work, engines) == pytest.approx((16_000 * 2 + 300 * 10) / 1e6)
    engine = use(workspace, 0, 0, 0, 0).engine
    assert rates([found, found]) == [
        f"reader ({engine}): 2.7 rows/s, 667 tokens/s",
        f"reverse ({engine}): 2.0 rows/s, 1,220 tokens/s",
    ]


def test_trainings_are_as_fast_as_they_were_by_the_same_method(workspace: Workspace) -> None:
    def trained(method: str) -> StageEstimate:
        manifest = {"settings": {"reverse_model": {"method": method}}}
        store(workspace, "sw", "20", {}, trained=50.0, **manifest)
        folder = workspace.store.path("candidate_pairs", "sw")
        target = workspace.store.path("reverse_model", "sw")
        target.mkdir(parents=True, exist_ok=True)
        (target / MANIFEST).write_text(
            (folder / MANIFEST).read_text("utf-8").replace("candidate_pairs", "reverse_model"), "utf-8"
        )
        return estimated(workspace, "sw", "reverse_model")

    lora = trained("lora")
    assert lora.seen is not None
    assert (lora.seconds, lora.money) == (lora.work.trained_tokens / 50, 0)
    assert trained("full").seen is None


def test_what_was_expected_is_what_then_happened(workspace: Workspace, tiny_model: ModelReference) -> None:
    """Candidates of two languages of the pocket world, by a random model with an adapter: the first tells of the second."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    generation = {"candidates": 3, "maximum_documents": 30, "maximum_new_tokens": 24, "maximum_failed_share": 1.0}
    here = replace(workspace, overrides={"engines": PRICES, "generation": generation})

    def built(tag: str) -> EngineUse:
        adapter = here.home / f"adapter-{tag}"
        get_peft_model(load_causal_model(tiny_model), lora).save_pretrained(adapter)
        inputs = {
            "raw_corpus": run_stage(here, clean_corpus, tag, {}).partition,
            "seed_pairs": run_stage(here, read_seed_pairs, tag, {}).partition,
            "reverse_model": here.store.commit(
                "reverse_model", tag, "f", {}, StageOutput(folders={"adapter": adapter})
            ),
        }
        partition = run_stage(here, write_instructions, tag, inputs).partition
        return Cost.read(partition.cost).engines["reverse"]

    assert estimated(here, "fi").seen is None
    first = built("sw")
    told = estimated(here, "fi")
    assert told.seen is not None
    assert told.seen.language == "sw"
    expected = told.seen.expected(told.work)["reverse"]
    happened = built("fi")
    assert expected.prompt_tokens == pytest.approx(happened.prompt_tokens, rel=0.1)
    assert expected.completion_tokens == pytest.approx(happened.completion_tokens, rel=0.1)
    assert told.money == pytest.approx(happened.money, rel=0.1)
    assert expected.seconds == pytest.approx(
        first.seconds * expected.completion_tokens / first.completion_tokens, rel=0.01
    )
