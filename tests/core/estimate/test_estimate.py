"""What a build will take is known before a model is loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.shape import ModelShape
from xinstr_core.estimate.cost import Estimate, estimate
from xinstr_core.estimate.text import Material, Texts, measure_material
from xinstr_core.estimate.work import Workload
from xinstr_core.estimate.workload import workloads
from xinstr_core.presets import load_settings
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.stages import LINE
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example
from xinstr_core.workspace import Workspace

MATERIAL = Material(Texts(100, 200.0, 400), Texts(50, 80.0, 160), Texts(50, 10.0, 20))


@pytest.fixture
def workspace(tmp_path: Path, tiny_model_folder: Path) -> Workspace:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    return Workspace(tmp_path, base_model=str(tiny_model_folder))


def generating(settings: Settings, **generation: Any) -> Settings:
    return settings.model_copy(update={"generation": settings.generation.model_copy(update=generation)})


def test_every_stage_of_the_line_has_a_workload() -> None:
    assert [*workloads(MATERIAL, Settings())] == [stage.name for stage in LINE]


def test_a_training_reads_every_row_in_every_epoch() -> None:
    settings = load_settings("pocket")
    work = workloads(MATERIAL, settings)["reverse_model"]
    assert work == Workload(50, trained_tokens=50 * 8 * 110, longest=160 + 20 + 20, trained_row=80 + 10 + 20, labels=10)


def test_instructions_of_parallel_documents_are_written_by_what_learns_from_english_pairs() -> None:
    settings = load_settings("pocket")
    none = workloads(MATERIAL, settings)["seed_pairs"]
    assert none == Workload(rows=50)
    tried = settings.generation.candidates + len(settings.generation.openings)
    material = replace(MATERIAL, parallel=Texts(30, 100.0, 300), english=Texts(20, 60.0, 90))
    work = workloads(material, settings)["seed_pairs"]
    assert (work.rows, work.trained_tokens) == (50, 20 * settings.reverse_model.epochs * (60 + 10 + 20))
    assert work.completion_tokens == 30 * tried * 10
    gains = 30 * (100 + 2 * tried * 0.9 * (10 + 20))
    assert work.read_tokens == pytest.approx(30 * (100 + 20) + gains)
    assert work.longest == max(300 + 20 + settings.generation.maximum_new_tokens, 90 + 20 + 20)


def test_every_model_answers_all_prompts_and_reads_all_gold() -> None:
    settings = load_settings("pocket")
    material = replace(MATERIAL, prompts=Texts(120, 12.0, 30), gold=Texts(40, 90.0, 200))
    held_out, asked = (workloads(one, settings)["eval_report"] for one in (MATERIAL, material))
    models = asked.rows // 120
    rows = held_out.rows // models
    assert asked.rows == 120 * models
    assert asked.read_tokens - held_out.read_tokens == pytest.approx(
        models * (120 * (12 + 20) - rows * (10 + 20) + 40 * (90 + 10 + 20))
    )


def test_a_text_is_read_once_for_all_its_candidates() -> None:
    settings = generating(load_settings("modern"), openings=(), chosen_candidates=0, minimum_gain=0.0)
    one = generating(settings, candidates=1)
    few, many = (workloads(MATERIAL, chosen)["candidate_pairs"] for chosen in (one, settings))
    assert many.read_tokens == few.read_tokens
    assert (few.rows, many.rows) == (95 * 3, 95 * 6)
    assert many.written_tokens == 2 * few.written_tokens


def test_what_gains_little_costs_a_reading_more_and_is_not_rated() -> None:
    settings = generating(load_settings("small"), openings=(), chosen_candidates=0, minimum_gain=0.0)
    every, chosen = (workloads(MATERIAL, one) for one in (settings, generating(settings, chosen_candidates=3)))
    asked = 8 * 0.9 * 2 * (10 + 20)  # accepted ones, after their text and alone
    assert chosen["candidate_pairs"].read_tokens - every["candidate_pairs"].read_tokens == 95 * (200 + asked)
    assert (every["refined_pairs"].rows, chosen["refined_pairs"].rows) == (round(95 * 8 * 0.9), 95 * 3)


def test_every_arm_costs_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings("modern")
    none = settings.model_copy(update={"evaluation": settings.evaluation.model_copy(update={"arms": ()})})
    with_arms, without = (workloads(MATERIAL, chosen) for chosen in (settings, none))
    assert without["eval_report"].trained_tokens == 0
    assert with_arms["eval_report"].trained_tokens == 5 * with_arms["tuned_model"].trained_tokens


def test_documents_and_seeds_of_a_language_are_measured(workspace: Workspace) -> None:
    found = measure_material(workspace, "sw")
    assert found.responses.count == found.instructions.count == 180
    assert 300 < found.documents.count < 600
    assert 0 < found.documents.tokens <= found.documents.longest
    assert (found.prompts.count, found.parallel.count, found.gold.count) == (192, 0, 0)


def test_files_that_an_entry_names_are_measured(workspace: Workspace) -> None:
    documents = [
        {"text_en": f"The farmer planted maize {n} times.", "text": f"Mkulima alipanda mahindi mara {n}."}
        for n in (11, 12)
    ]
    gold = [{"instruction": "What is ugali?", "response": "Ugali ni chakula cha watu wengi wa Tanzania."}]
    for name, rows in (("docs.jsonl", documents), ("gold.jsonl", gold)):
        (workspace.home / name).write_text("\n".join(map(json.dumps, rows)), "utf-8")
    workspace.registry.write_text(
        '[sw]\nname = "Swahili"\nscript = "Latn"\ngold = "gold.jsonl"\nseeds = { path = "pocket", parallel = "docs.jsonl" }\n',
        "utf-8",
    )
    found = measure_material(workspace, "sw")
    assert (found.parallel.count, found.gold.count, found.responses.count) == (2, 1, 182)


def test_the_shape_of_a_model_is_that_of_the_loaded_one(tiny_model: ModelReference, tmp_path: Path) -> None:
    shape, model = ModelShape.of(tiny_model), load_causal_model(tiny_model)
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert shape.head == model.get_input_embeddings().weight.numel()
    settings = TrainingSettings(epochs=1, rank=4, batch_rows=2, maximum_tokens=64)
    examples = [Example(f"e{i}", "### text\n", "ugali ni chakula.") for i in range(2)]
    folder = train_adapter(Engines(Settings(), tiny_model), examples, settings, tmp_path / "adapter").folder
    from safetensors.numpy import load_file

    assert shape.adapter(4) == sum(tensor.size for tensor in load_file(folder / "adapter_model.safetensors").values())
    assert (shape.itemsize, ModelShape.of(replace(tiny_model, precision="bfloat16")).itemsize) == (4, 2)


def estimated(workspace: Workspace, free: int, **settings: Any) -> Estimate:
    return estimate(replace(workspace, overrides=settings), "sw", rate=1e11, free=free)


def test_what_does_not_fit_says_what_is_missing_and_what_to_change(workspace: Workspace) -> None:
    roomy = estimated(workspace, 8 << 30)
    assert roomy.advice == ""
    assert all(stage.memory >= stage.least_memory > 0 for stage in roomy.stages)
    assert all(stage.seconds >= 0 for stage in roomy.stages)
    tight = estimated(workspace, 1 << 20)
    assert tight.parameters == roomy.parameters
    assert tight.advice == (
        'tuned_model needs 1.0 GiB and 0.0 GiB are free: set precision = "bfloat16", or take a smaller base model'
    )


def test_weights_that_alone_do_not_fit_are_no_matter_of_a_setting(workspace: Workspace) -> None:
    assert estimated(workspace, 1000).advice.startswith("the weights alone take 0.0 GiB and 0.0 GiB are free: take a")


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        # The model is so small that adapters of rank 64 have more parameters than it.
        (
            {"tuning": {"method": "full"}, "reverse_model": {"rank": 1}, "evaluator": {"rank": 1}},
            'set tuning.method = "lora"',
        ),
        ({"precision": "bfloat16"}, "lower tuning.maximum_tokens"),
    ],
)
def test_the_setting_to_change_is_one_that_helps(workspace: Workspace, settings: Any, change: str) -> None:
    assert f"GiB are free: {change}, or take a smaller base model" in estimated(workspace, 1 << 20, **settings).advice
