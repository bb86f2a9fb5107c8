"""What a training learns is a function of rows, settings and base: the same bytes, however often it was killed, by each method."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.core.conftest import Killed
from tests.core.training.conftest import LAST_CHECKPOINT, LONG, SHORT, contents, killed_at
from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import StageError
from xinstr_core.settings import EvaluatorSettings, Settings, TrainingSettings
from xinstr_core.training.adapter import Earlier, TrainedAdapter, train_adapter, training_identity
from xinstr_core.training.rows import Example, build_rows


def kill(engines: Engines, examples: Sequence[Example], long: TrainingSettings, folder: Path, step: int) -> Path:
    """Train until `step`, die there, and give the folder of checkpoints that is left."""
    with pytest.raises(Killed):
        train_adapter(engines, examples, long, folder, progress=killed_at(step))
    assert not folder.exists()
    return folder.with_name(folder.name + "-checkpoints")


def test_training_again_gives_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    again = train_adapter(tiny_engines, examples, long, tmp_path / "again")
    assert contents(again.folder) == contents(whole.folder)
    assert again.figures() == whole.figures()


def test_training_killed_after_its_checkpoint_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    checkpoints = kill(tiny_engines, examples, long, tmp_path / "adapter", LAST_CHECKPOINT + 2)
    assert sorted(p.name for p in checkpoints.iterdir()) == [f"checkpoint-{LAST_CHECKPOINT}", "memory.json"]
    steps: list[int] = []
    restarted = train_adapter(
        tiny_engines, examples, long, tmp_path / "adapter", progress=lambda done, total, **_: steps.append(done)
    )
    assert steps == [20, 21, 22, 23, 24]
    assert contents(restarted.folder) == contents(whole.folder)
    assert restarted.figures() == whole.figures()


def test_training_killed_after_a_checkpoint_at_the_end_of_an_epoch_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    """Batches of three make epochs of four steps, so that the checkpoint falls between two epochs."""
    settings = LONG.model_copy(update={"batch_rows": 3, "epochs": 6})
    undisturbed = train_adapter(tiny_engines, examples, settings, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter", progress=killed_at(LAST_CHECKPOINT + 2))
    assert contents(train_adapter(tiny_engines, examples, settings, tmp_path / "adapter").folder) == contents(
        undisturbed.folder
    )


def test_training_killed_twice_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    kill(tiny_engines, examples, long, tmp_path / "adapter", LAST_CHECKPOINT + 1)
    kill(tiny_engines, examples, long, tmp_path / "adapter", LAST_CHECKPOINT + 4)
    assert contents(train_adapter(tiny_engines, examples, long, tmp_path / "adapter").folder) == contents(whole.folder)


def test_training_killed_before_its_first_checkpoint_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    checkpoints = kill(tiny_engines, examples, long, tmp_path / "adapter", 3)
    assert [p.name for p in checkpoints.iterdir()] == ["memory.json"]
    assert contents(train_adapter(tiny_engines, examples, long, tmp_path / "adapter").folder) == contents(whole.folder)


@pytest.mark.parametrize("lost", ["state.json", "optimizer.pt", "weights.safetensors"])
def test_training_killed_while_it_writes_a_checkpoint_can_still_be_restarted(
    tiny_engines: Engines,
    examples: list[Example],
    long: TrainingSettings,
    whole: TrainedAdapter,
    tmp_path: Path,
    lost: str,
) -> None:
    checkpoints = kill(tiny_engines, examples, long, tmp_path / "adapter", LAST_CHECKPOINT + 2)
    [checkpoint] = checkpoints.glob("checkpoint-*")
    (checkpoint / lost).unlink()
    (checkpoint / "complete").unlink()  # the mark is written last
    assert contents(train_adapter(tiny_engines, examples, long, tmp_path / "adapter").folder) == contents(whole.folder)


def test_training_killed_while_it_removes_an_old_checkpoint_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LONG.model_copy(update={"epochs": 7})  # 42 steps, with checkpoints after steps 20 and 40
    undisturbed = train_adapter(tiny_engines, examples, settings, tmp_path / "undisturbed")

    def die_after_one_file(folder: str | Path, *_: Any, **__: Any) -> None:
        (Path(folder) / "optimizer.pt").unlink()
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(shutil, "rmtree", die_after_one_file)
        train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    restarted = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter")
    assert contents(restarted.folder) == contents(undisturbed.folder)


def test_training_killed_while_it_writes_its_result_ends_with_the_same_bytes(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    unfinished = tmp_path / "adapter-partial"
    unfinished.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", "model.safetensors"):
        (unfinished / name).write_bytes(b"half")
    (unfinished / "rubbish.bin").write_bytes(b"x")
    assert contents(train_adapter(tiny_engines, examples, long, tmp_path / "adapter").folder) == contents(whole.folder)
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_finished_training_is_taken_as_it_is(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.folder.iterdir()}
    nowhere = Engines(Settings(), ModelReference("gone", Path("gone"), "gone"))
    taken = train_adapter(nowhere, examples, long, whole.folder, progress=killed_at(0))
    assert replace(taken, identity=whole.identity) == whole
    assert {path: path.stat().st_mtime_ns for path in whole.folder.iterdir()} == before


def test_the_same_model_in_two_folders_gives_the_same_bytes(
    tiny_model_folder: Path, examples: list[Example], short: TrainingSettings, tmp_path: Path
) -> None:
    """A local base model is named by its path; that path must not enter what is shared and hashed."""
    adapters = []
    for name in ("one", "two"):
        base = resolve_model(str(shutil.copytree(tiny_model_folder, tmp_path / name / "model")))
        adapters.append(
            contents(train_adapter(Engines(Settings(), base), examples, short, tmp_path / name / "adapter").folder)
        )
    assert adapters[0] == adapters[1]


def test_other_rows_settings_or_seed_give_another_adapter(
    tiny_engines: Engines, examples: list[Example], tmp_path: Path
) -> None:
    variants = [
        (examples, SHORT),
        (examples[1:], SHORT),
        (examples, SHORT.model_copy(update={"seed": 1})),
        (examples, SHORT.model_copy(update={"learning_rate": 2e-2})),
    ]
    weights = {
        contents(train_adapter(tiny_engines, rows, settings, tmp_path / str(i)).folder)["adapter_model.safetensors"]
        for i, (rows, settings) in enumerate(variants)
    }
    assert len(weights) == len(variants)


def test_figures_count_rows_tokens_and_steps(
    long: TrainingSettings, whole: TrainedAdapter, examples: list[Example], tokenizer: Any
) -> None:
    rows, _ = build_rows(PlainFormat(tokenizer), examples, long.maximum_tokens)
    assert whole.rows == 12
    assert whole.tokens_seen == 4 * sum(len(row.input_ids) for row in rows)
    assert [step for step, _ in whole.losses] == list(range(1, 25))
    assert whole.rejected == []
    assert json.loads((whole.folder / "training.json").read_text("utf-8")) == {
        "losses": whole.losses,
        "rows": whole.rows,
        "tokens_seen": whole.tokens_seen,
        "rejected": [],
    }


def test_the_first_loss_is_that_of_the_base_model_on_the_completions(
    tiny_engines: Engines, examples: list[Example], short: TrainingSettings, tmp_path: Path
) -> None:
    """A new adapter changes nothing, so the first step over all rows has the base model's mean loss a token."""
    settings = short.model_copy(update={"batch_rows": len(examples), "epochs": 1})
    first = train_adapter(tiny_engines, examples, settings, tmp_path / "adapter").losses[0]
    scored = TransformersEngine(tiny_engines.base).score([Request(e.key, e.prompt, e.completion) for e in examples])
    log_probabilities = [value for scores in scored for value in (*scores.tokens, scores.end)]
    expected = -sum(log_probabilities) / len(log_probabilities)
    assert first == [1, pytest.approx(expected, abs=1e-2)]  # training may be in bfloat16


def test_refused_rows_are_reported_with_their_reason_and_the_rest_is_trained(
    tiny_engines: Engines, examples: list[Example], tokenizer: Any, tmp_path: Path
) -> None:
    long = Example("long", "x " * 200, "y")
    total = len(build_rows(PlainFormat(tokenizer), [long], 10_000)[0][0].input_ids)
    trained = train_adapter(tiny_engines, [Example("void", "a", ""), long, *examples], SHORT, tmp_path / "adapter")
    assert trained.rows == len(examples)
    assert trained.rejected == [["void", "no_trainable_token", 2], ["long", "too_many_tokens", total]]


def test_rows_with_more_tokens_than_the_model_has_positions_are_refused(
    tiny_model_folder: Path, examples: list[Example], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 100}), "utf-8")
    engines = Engines(Settings(), resolve_model(str(folder)))
    trained = train_adapter(engines, [Example("long", "x " * 60, "y"), *examples], SHORT, tmp_path / "adapter")
    assert [(key, reason) for key, reason, _ in trained.rejected] == [("long", "too_many_tokens")]


def test_rows_that_are_all_refused_are_an_error_with_numbers(tiny_engines: Engines, tmp_path: Path) -> None:
    examples = [Example("a", "a", ""), Example("b", "b", ""), Example("c", "x " * 200, "y")]
    with pytest.raises(
        StageError, match=r"none of 3 training rows .*2 no_trainable_token, 1 too_many_tokens.*maximum_tokens"
    ):
        train_adapter(tiny_engines, examples, SHORT, tmp_path / "adapter")
    assert list(tmp_path.iterdir()) == []


def test_no_rows_at_all_are_an_error_with_numbers(tiny_engines: Engines, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="none of 0 training rows"):
        train_adapter(tiny_engines, [], SHORT, tmp_path / "adapter")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_trained_model_writes_what_it_learned_and_stops(
    tiny_engines: Engines, tmp_path: Path, method: Literal["lora", "full"]
) -> None:
    lessons = [Example("1", "### Rating:\nA", "good 3"), Example("2", "### Rating:\nB", "bad 1")]
    settings = TrainingSettings(method=method, epochs=150, learning_rate=5e-3, rank=16, batch_rows=2, maximum_tokens=64)
    trained = train_adapter(tiny_engines, lessons, settings, tmp_path / "adapter")
    assert trained.losses[-1][1] < trained.losses[0][1] / 2
    engine = TransformersEngine(tiny_engines.base, trained.folder)
    completions = engine.generate([Request(lesson.key, lesson.prompt) for lesson in lessons], Decoding(12))
    assert [(c.key, c.text, c.finished) for c in completions] == [("1", "good 3", True), ("2", "bad 1", True)]


def test_a_training_can_be_continued_and_the_one_before_stays_untouched(
    tiny_engines: Engines, examples: list[Example], short: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    before = contents(whole.folder)
    on = train_adapter(tiny_engines, examples, short, tmp_path / "on", start_from=whole.folder)
    fresh = train_adapter(tiny_engines, examples, short, tmp_path / "fresh")
    assert contents(whole.folder) == before
    assert on.losses[0][1] < fresh.losses[0][1]
    assert sorted(contents(on.folder)) == sorted(before)
    assert all(content != before[name] for name, content in contents(on.folder).items() if "config" not in name)


def test_training_and_loading_look_nothing_up_in_the_network(
    tiny_engines: Engines,
    examples: list[Example],
    short: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the user has not asked the hub's client to stay offline."""
    from huggingface_hub import constants

    looked_up: list[str] = []

    def refuse(host: Any, *arguments: Any, **options: Any) -> Any:
        looked_up.append(str(host))
        raise OSError("no network in tests")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    trained = train_adapter(tiny_engines, examples, short, tmp_path / "adapter")
    TransformersEngine(tiny_engines.base, trained.folder)
    assert looked_up == []


def test_what_an_earlier_run_learned_from_the_same_rows_is_taken_as_it_is(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter, tmp_path: Path
) -> None:
    earlier = Earlier(whole.folder, whole.identity)
    taken = train_adapter(tiny_engines, examples, long, tmp_path / "new", earlier=earlier, progress=killed_at(0))
    assert contents(taken.folder) == contents(whole.folder)
    assert (taken.identity, taken.losses) == (whole.identity, whole.losses)
    assert whole.folder.is_dir()


def test_other_rows_settings_or_beginnings_are_another_training(
    tiny_engines: Engines, examples: list[Example], long: TrainingSettings, whole: TrainedAdapter
) -> None:
    changed = [replace(examples[0], completion="other"), *examples[1:]]
    seeded = long.model_copy(update={"seed": 1})
    identities = {
        training_identity(tiny_engines.base, examples, long, None),
        training_identity(tiny_engines.base, changed, long, None),
        training_identity(tiny_engines.base, examples[::-1], long, None),
        training_identity(tiny_engines.base, examples, seeded, None),
        training_identity(tiny_engines.base, examples, long, whole.folder),
        training_identity(replace(tiny_engines.base, fingerprint="other"), examples, long, None),
    }
    assert len(identities) == 6
    assert whole.identity in identities


def test_settings_that_train_nothing_do_not_make_another_training(
    tiny_engines: Engines, examples: list[Example]
) -> None:
    lenient, strict = (EvaluatorSettings(minimum_accuracy=limit) for limit in (0.5, 0.9))
    one, other = (training_identity(tiny_engines.base, examples, settings, None) for settings in (lenient, strict))
    assert one == other
