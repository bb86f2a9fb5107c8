"""What each method of training leaves in its folder, and that this is the trained model when it is loaded again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Killed
from tests.core.training.conftest import LAST_CHECKPOINT, contents, killed_at
from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import adapter_hash, load_causal_model, load_trained_model, resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError, StageError
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training import adapter as training
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example

by_lora = pytest.mark.parametrize("long", ["lora"], indirect=True)
by_full = pytest.mark.parametrize("long", ["full"], indirect=True)


def requests(examples: list[Example]) -> list[Request]:
    return [Request(example.key, example.prompt, example.completion) for example in examples]


def shapes(weights: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The type and the shape of every tensor of a file."""
    from safetensors import safe_open

    with safe_open(weights, "pt") as tensors:
        slices = {name: tensors.get_slice(name) for name in list(tensors.keys())}
        return {name: (of_one.get_dtype(), tuple(of_one.get_shape())) for name, of_one in slices.items()}


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The models that trainings end with, before anything is written."""
    seen: list[Any] = []
    save = training.save_trained

    def keep(model: Any, *arguments: Any) -> None:
        seen.append(model)
        save(model, *arguments)

    monkeypatch.setattr(training, "save_trained", keep)
    return seen


@by_lora
def test_lora_leaves_an_adapter_its_description_and_nothing_else(whole: TrainedAdapter) -> None:
    assert sorted(contents(whole.folder)) == ["adapter_config.json", "adapter_model.safetensors", "training.json"]
    assert [p.name for p in whole.folder.parent.iterdir()] == [whole.folder.name]


@by_lora
def test_the_description_of_an_adapter_names_the_base_and_no_place(
    whole: TrainedAdapter, tiny_engines: Engines
) -> None:
    text = (whole.folder / "adapter_config.json").read_text("utf-8")
    configuration = json.loads(text)
    assert configuration["base_model_name_or_path"] == "tiny"
    assert (configuration["r"], configuration["lora_alpha"]) == (2, 4)
    assert configuration["target_modules"] == sorted(configuration["target_modules"])
    assert str(tiny_engines.base.path) not in text


@by_lora
def test_an_adapter_is_low_rank_matrices_of_every_linear_layer_and_nothing_of_the_base(whole: TrainedAdapter) -> None:
    found = shapes(whole.folder / "adapter_model.safetensors")
    assert len(found) == 2 * 7 * 2  # layers, linear modules, two matrices each
    assert {min(shape) for _, shape in found.values()} == {2}


@by_full
def test_full_leaves_weights_their_description_and_nothing_else(whole: TrainedAdapter) -> None:
    assert sorted(contents(whole.folder)) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "training.json",
    ]
    assert [p.name for p in whole.folder.parent.iterdir()] == [whole.folder.name]


@by_full
def test_the_description_of_a_fully_trained_model_is_that_of_the_base_and_names_no_place(
    whole: TrainedAdapter, tiny_engines: Engines
) -> None:
    text = (whole.folder / "config.json").read_text("utf-8")
    assert json.loads(text) == json.loads((tiny_engines.base.path / "config.json").read_text("utf-8"))
    assert str(tiny_engines.base.path) not in text


@by_full
def test_every_weight_is_trained_and_shared_ones_are_written_once(whole: TrainedAdapter, tiny_engines: Engines) -> None:
    from safetensors.torch import load_file

    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_engines.base.path, whole.folder))
    assert "lm_head.weight" not in after
    assert shapes(whole.folder / "model.safetensors") == shapes(tiny_engines.base.path / "model.safetensors")
    assert [name for name in before if bool((before[name] == after[name]).all())] == []


@by_full
def test_a_base_of_half_precision_is_trained_and_written_in_single_and_stays_as_it_is(
    tiny_engines: Engines, examples: list[Example], short: TrainingSettings, tmp_path: Path
) -> None:
    """Steps of this size are below the resolution of 16 bits: a weight would stay where it was."""
    import torch

    folder = Path(shutil.copytree(tiny_engines.base.path, tmp_path / "half"))
    load_causal_model(tiny_engines.base).half().save_pretrained(folder)
    before = contents(folder)
    small = short.model_copy(update={"learning_rate": 1e-6})
    trained = train_adapter(Engines(Settings(), resolve_model(str(folder))), examples, small, tmp_path / "full")
    assert contents(folder) == before
    weights = trained.folder / "model.safetensors"
    assert {dtype for dtype, _ in shapes(weights).values()} == {"F32"}
    assert json.loads((trained.folder / "config.json").read_text("utf-8"))["dtype"] == "float32"
    base, after = load_causal_model(resolve_model(str(folder))), load_trained_model(tiny_engines.base, trained.folder)
    pairs = list(zip(base.parameters(), after.parameters(), strict=True))
    moved = sum(int((a != b).sum()) for a, b in pairs)
    moved_in_half = sum(int((a.bfloat16() != b.bfloat16()).sum()) for a, b in pairs)
    assert moved > 10 * moved_in_half
    assert all(b.dtype == torch.float32 for _, b in pairs)


@pytest.mark.parametrize("tied", [True, False])
def test_a_fully_trained_model_scores_as_the_one_in_memory(
    tiny_engines: Engines,
    examples: list[Example],
    tmp_path: Path,
    in_memory: list[Any],
    tied: bool,
) -> None:
    import torch

    folder = Path(shutil.copytree(tiny_engines.base.path, tmp_path / "base"))
    if not tied:
        model = load_causal_model(tiny_engines.base)
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach() * 1.5)
        model.save_pretrained(folder)
    base = resolve_model(str(folder))
    settings = TrainingSettings(method="full", epochs=2, learning_rate=1e-2, batch_rows=2, maximum_tokens=128)
    trained = train_adapter(Engines(Settings(), base), examples, settings, tmp_path / "full")
    loaded = TransformersEngine(base, trained.folder)
    [model] = in_memory
    output, embeddings = (m.weight for m in (loaded.model.lm_head, loaded.model.get_input_embeddings()))
    assert bool((output == embeddings).all()) is tied
    engine = TransformersEngine(base)
    before = engine.score(requests(examples))
    engine.model.load_state_dict(model.state_dict())  # the model itself computes in mixed precision where that pays
    assert loaded.score(requests(examples)) == engine.score(requests(examples)) != before


def test_a_training_by_either_method_changes_scores_and_text(
    tiny_engines: Engines, examples: list[Example], whole: TrainedAdapter
) -> None:
    base, trained = TransformersEngine(tiny_engines.base), TransformersEngine(tiny_engines.base, whole.folder)
    scores = [sum(s.end + sum(s.tokens) for s in engine.score(requests(examples))) for engine in (base, trained)]
    assert scores[1] > scores[0]
    prompts = [Request(example.key, example.prompt) for example in examples]
    assert trained.generate(prompts, Decoding(8)) != base.generate(prompts, Decoding(8))


@by_full
def test_one_changed_byte_of_the_weights_makes_another_model(whole: TrainedAdapter, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(whole.folder, tmp_path / "copy"))
    assert adapter_hash(copied) == adapter_hash(whole.folder)
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert adapter_hash(copied) != adapter_hash(whole.folder)


@by_full
def test_weights_in_several_files_are_the_same_model(
    tiny_engines: Engines,
    examples: list[Example],
    short: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = train_adapter(tiny_engines, examples, short, tmp_path / "one")
    monkeypatch.setattr(training, "_SHARD_SIZE", "20KB")
    several = train_adapter(tiny_engines, examples, short, tmp_path / "several")
    names = sorted(contents(several.folder))
    assert "model.safetensors.index.json" in names
    assert len([name for name in names if name.endswith(".safetensors")]) > 3
    assert several.figures() == one.figures()
    engines = [TransformersEngine(tiny_engines.base, trained.folder) for trained in (one, several)]
    assert engines[0].score(requests(examples)) == engines[1].score(requests(examples))


@by_full
def test_a_lost_file_of_several_is_an_input_error(
    tiny_engines: Engines,
    examples: list[Example],
    short: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "_SHARD_SIZE", "20KB")
    trained = train_adapter(tiny_engines, examples, short, tmp_path / "several")
    next(trained.folder.glob("model-00002-*")).unlink()
    with pytest.raises(InputError, match="'tiny, trained: several' cannot be loaded"):
        TransformersEngine(tiny_engines.base, trained.folder)


@pytest.mark.parametrize(("long", "other"), [("lora", "full"), ("full", "lora")], indirect=["long"])
def test_a_training_is_not_continued_by_the_other_method(
    tiny_engines: Engines,
    examples: list[Example],
    short: TrainingSettings,
    whole: TrainedAdapter,
    tmp_path: Path,
    other: str,
) -> None:
    changed = short.model_copy(update={"method": other})
    message = f'adapter was trained with method = "{short.method}" and cannot be continued with method = "{other}"'
    with pytest.raises(StageError, match=message):
        train_adapter(tiny_engines, examples, changed, tmp_path / "on", start_from=whole.folder)
    assert list(tmp_path.iterdir()) == []


def test_a_continued_training_that_is_killed_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    undisturbed = train_adapter(tiny_engines, examples, long, tmp_path / "undisturbed", start_from=whole.folder)
    with pytest.raises(Killed):
        train_adapter(
            tiny_engines,
            examples,
            long,
            tmp_path / "on",
            start_from=whole.folder,
            progress=killed_at(LAST_CHECKPOINT + 2),
        )
    restarted = train_adapter(tiny_engines, examples, long, tmp_path / "on", start_from=whole.folder)
    assert contents(restarted.folder) == contents(undisturbed.folder) != contents(whole.folder)
