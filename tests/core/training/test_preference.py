"""Preference training: its gradient is that of the published loss, and what it learns survives kills to the byte."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.core.conftest import Killed, take_more_than_there_is
from tests.core.training.conftest import LAST_CHECKPOINT, LONG, contents, killed_at
from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training import steps
from xinstr_core.training.adapter import Earlier, train_adapter
from xinstr_core.training.batches import collate, labels_of
from xinstr_core.training.loss import backward, log_probabilities
from xinstr_core.training.preference import (
    Preference,
    PreferenceLoss,
    PreferenceObjective,
    Sides,
    TrainedPreferences,
    train_preferences,
)
from xinstr_core.training.rows import Example, TrainingRow

LOSS = PreferenceLoss(beta=0.3, likelihood_weight=0.5)
DISHES = ("ugali", "pilau", "chapati", "mandazi", "githeri", "wali wa nazi")
PROMPT = "### Instruction:\nWhat is {}?\n\n### Response:\n"
PREFERENCES = [
    Preference(f"{kind}-{dish}", PROMPT.format(dish), f"{dish} ni chakula.", rejected, held_out=dish == "githeri")
    for dish in DISHES
    for kind, rejected in (("english", f"{dish} is a dish that people eat."), ("cut", f"{dish} ni"))
]


def sides() -> list[Sides]:
    return [
        Sides(
            TrainingRow("a-chosen", [5, 6, 7, 8, 9], [-100, -100, 7, 8, 9]),
            TrainingRow("a-rejected", [5, 6, 30, 31], [-100, -100, 30, 31]),
        ),
        Sides(
            TrainingRow("b-chosen", [10, 11, 12], [-100, 11, 12]),
            TrainingRow("b-rejected", [10, *range(40, 50)], [-100, *range(40, 50)]),
        ),
    ]


def summed(model: Any, row: TrainingRow) -> Any:
    """The row's log-probability by all logits, to be differentiated."""
    likely = model(input_ids=torch.tensor([row.input_ids])).logits[0].float().log_softmax(-1)
    return sum(likely[at - 1, label] for at, label in enumerate(row.labels) if label != -100)


def test_log_probabilities_are_those_of_all_logits(tiny_engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xinstr_core.training.loss.CHUNK_LOGITS", 2000)  # two positions of a vocabulary of 700
    model = load_causal_model(tiny_engines.base)
    rows = [side for pair in sides() for side in (pair.chosen, pair.rejected)]
    found = log_probabilities(model, **collate(0, rows), dtype=torch.float32)
    expected = [float(summed(model, row).detach()) for row in rows]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-5)
    assert not found.requires_grad


@pytest.mark.parametrize("likelihood_weight", [0.0, 0.5])
@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_the_gradient_is_that_of_the_published_loss(
    tiny_engines: Engines, beta: float, likelihood_weight: float
) -> None:
    model = load_causal_model(tiny_engines.base)
    pairs, loss = sides(), PreferenceLoss(beta, likelihood_weight)
    rows = [side for pair in pairs for side in (pair.chosen, pair.rejected)]
    with torch.no_grad():  # a reference that says otherwise, so that the margins are not 0
        reference = {
            row.key: float(summed(model, row)) + shift for row, shift in zip(rows, (1, -2, -3, 0.5), strict=True)
        }
    expected = 0
    for pair in pairs:
        won, lost = (summed(model, row) - reference[row.key] for row in (pair.chosen, pair.rejected))
        likelihood = -summed(model, pair.chosen) / labels_of([pair.chosen])
        expected += (-torch.nn.functional.logsigmoid(beta * (won - lost)) + likelihood_weight * likelihood) / len(pairs)
    expected.backward()
    wanted = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()

    def score(rows: Sequence[TrainingRow]) -> dict[str, float]:
        found = log_probabilities(model, **collate(0, rows), dtype=torch.float32)
        return dict(zip((row.key for row in rows), found.tolist(), strict=True))

    weighed = PreferenceObjective(loss, pairs, reference).weigh(rows, score)
    assert weighed is not None
    assert weighed.loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for part in (rows[:1], rows[1:]):  # a pair may be split
        weight = torch.tensor([weighed.rows[row.key] for row in part])
        backward(model, **collate(0, part), weight=weight, dtype=torch.float32)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-5, atol=1e-5)


def test_a_margin_of_any_size_has_a_finite_loss() -> None:
    [pair, _] = sides()
    objective = PreferenceObjective(PreferenceLoss(1.0, 0.0), [pair], {"a-chosen": 0.0, "a-rejected": 0.0})
    rows = [pair.chosen, pair.rejected]
    far_below = objective.weigh(rows, lambda _: {"a-chosen": -5000.0, "a-rejected": -1.0})
    far_above = objective.weigh(rows, lambda _: {"a-chosen": -1.0, "a-rejected": -5000.0})
    assert far_below is not None
    assert far_above is not None
    assert (far_below.loss, far_below.rows) == (4999.0, {"a-chosen": 1.0, "a-rejected": -1.0})
    assert (far_above.loss, far_above.rows) == (0.0, {"a-chosen": 0.0, "a-rejected": 0.0})


def test_a_side_without_the_other_teaches_nothing() -> None:
    first, second = sides()
    rows = [first.chosen, first.rejected, second.rejected]
    objective = PreferenceObjective(LOSS, [first, second], dict.fromkeys((row.key for row in rows), 0.0))
    assert objective.usable(rows) == [first.chosen, first.rejected]
    assert objective.usable([first.chosen, second.rejected]) == []


@pytest.fixture(scope="session", params=["lora", "full"])
def settings(request: pytest.FixtureRequest) -> TrainingSettings:
    """Ten triples to learn from, two a step, for five epochs: 25 steps, with a checkpoint after step 20."""
    return LONG.model_copy(update={"method": request.param, "epochs": 5, "learning_rate": 1e-3})


@pytest.fixture(scope="session")
def taught(tiny_engines: Engines, settings: TrainingSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What preferences start from."""
    examples = [Example(dish, PROMPT.format(dish), f"{dish} ni chakula.") for dish in DISHES]
    return train_adapter(tiny_engines, examples, settings, tmp_path_factory.mktemp("taught") / "adapter").folder


@pytest.fixture(scope="session")
def whole(
    tiny_engines: Engines, settings: TrainingSettings, taught: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedPreferences:
    """A preference training that nothing interrupted."""
    return trained(tiny_engines, settings, taught, tmp_path_factory.mktemp("whole") / "adapter")


def trained(
    engines: Engines,
    settings: TrainingSettings,
    taught: Path,
    folder: Path,
    preferences: Sequence[Preference] = PREFERENCES,
    **more: Any,
) -> TrainedPreferences:
    return train_preferences(engines, preferences, settings, LOSS, folder, start_from=taught, **more)


def test_the_chosen_side_gains_on_triples_that_were_not_learned_from(whole: TrainedPreferences) -> None:
    figures = whole.figures
    assert figures.held_out_triples == 2
    assert figures.margin_accuracy == 1.0
    assert figures.chosen_likelier is not None
    assert figures.chosen_likelier_before is not None
    assert figures.chosen_likelier >= figures.chosen_likelier_before
    assert [step for step, _ in figures.losses] == list(range(1, 26))
    assert figures.losses[-1][1] < figures.losses[0][1]
    assert figures.rejected_sides == []


def test_the_first_loss_is_that_of_a_model_that_prefers_nothing_yet(
    tiny_engines: Engines, settings: TrainingSettings, taught: Path, tmp_path: Path
) -> None:
    loss = PreferenceLoss(beta=0.3, likelihood_weight=0.0)
    made = train_preferences(tiny_engines, PREFERENCES, settings, loss, tmp_path / "adapter", start_from=taught)
    assert made.figures.losses[0] == [1, round(math.log(2), 4)]


@pytest.mark.parametrize("step", [3, LAST_CHECKPOINT + 2], ids=["before a checkpoint", "after one"])
def test_a_killed_preference_training_ends_with_the_same_bytes(
    tiny_engines: Engines,
    settings: TrainingSettings,
    taught: Path,
    whole: TrainedPreferences,
    tmp_path: Path,
    step: int,
) -> None:
    folder = tmp_path / "adapter"
    with pytest.raises(Killed):
        trained(tiny_engines, settings, taught, folder, progress=killed_at(step))
    left = sorted(path.name for path in (tmp_path / "adapter-checkpoints").iterdir())
    assert left == ([f"checkpoint-{LAST_CHECKPOINT}"] if step > LAST_CHECKPOINT else []) + [
        "memory.json",
        "reference.json",
    ]
    again: list[int] = []
    restarted = trained(tiny_engines, settings, taught, folder, progress=lambda done, *_, **__: again.append(done))
    assert again[0] == (LAST_CHECKPOINT if step > LAST_CHECKPOINT else 0)
    assert contents(restarted.folder) == contents(whole.folder)
    assert restarted == replace(whole, folder=folder)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_finished_preference_training_is_taken_as_it_is(
    settings: TrainingSettings, taught: Path, whole: TrainedPreferences, tiny_model: ModelReference, tmp_path: Path
) -> None:
    nowhere = Engines(Settings(), replace(tiny_model, path=Path("gone")))
    assert trained(nowhere, settings, taught, whole.folder) == whole
    earlier = Earlier(whole.folder, whole.identity)
    assert trained(nowhere, settings, taught, tmp_path / "adapter", earlier=earlier).figures == whole.figures
    assert contents(tmp_path / "adapter") == contents(whole.folder)


def test_memory_for_one_row_alone_gives_the_same_gradients(
    tiny_engines: Engines,
    settings: TrainingSettings,
    taught: Path,
    whole: TrainedPreferences,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both passes find out; the pair is split, and learns the same but for rounding."""
    learning = []
    for name in ("backward", "log_probabilities"):
        through = getattr(steps, name)

        def limited(model: Any, input_ids: Any, through: Any = through, **given: Any) -> Any:
            learning.append(model.training == (through.__name__ == "backward"))
            if len(input_ids) > 1:
                take_more_than_there_is()
            return through(model, input_ids, **given)

        monkeypatch.setattr(steps, name, limited)
    alone = trained(tiny_engines, settings, taught, tmp_path / "adapter")
    losses, expected = ([loss for _, loss in made.figures.losses] for made in (alone, whole))
    assert losses == pytest.approx(expected, abs=2e-3)
    assert alone.figures.rejected_sides == []
    assert all(learning)  # dropout is there while it learns and not while it reads, memory or none


def test_a_side_that_memory_never_holds_takes_its_pair_along(
    tiny_engines: Engines, settings: TrainingSettings, taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through, long = steps.backward, 2 * len(PROMPT)

    def limited(model: Any, input_ids: Any, **given: Any) -> Any:
        if input_ids.numel() > 128:
            take_more_than_there_is()
        return through(model, input_ids, **given)

    monkeypatch.setattr(steps, "backward", limited)
    too_long = Preference("long", PROMPT.format("ugali"), "ugali ni chakula.", "ugali is a dish. " * long)
    tall = settings.model_copy(update={"maximum_tokens": 2048, "epochs": 1})
    made = trained(tiny_engines, tall, taught, tmp_path / "adapter", [*PREFERENCES, too_long])
    assert [(key, reason) for key, reason, _ in made.figures.rejected_sides] == [("long-rejected", "out_of_memory")]


@pytest.mark.parametrize(
    ("preferences", "reason"),
    [
        ([], "all are held out"),
        ([replace(PREFERENCES[0], rejected="")], "1 no_trainable_token"),
        ([replace(PREFERENCES[0], chosen="")], "1 no_trainable_token"),
        ([replace(PREFERENCES[0], rejected=PREFERENCES[0].chosen)], "1 same_as_chosen"),
        ([replace(PREFERENCES[0], rejected="ugali " * 200)], "1 too_many_tokens"),
        ([replace(PREFERENCES[0], held_out=True)], "all are held out"),
    ],
    ids=["none", "no rejected side", "no chosen side", "equal sides", "too long", "all measure"],
)
def test_pairs_of_one_side_alone_are_refused_in_one_line(
    tiny_engines: Engines,
    settings: TrainingSettings,
    taught: Path,
    tmp_path: Path,
    preferences: list[Preference],
    reason: str,
) -> None:
    with pytest.raises(StageError) as raised:
        trained(tiny_engines, settings, taught, tmp_path / "adapter", preferences)
    assert str(raised.value) == (
        f"none of {len(preferences)} preference pairs can be learned from ({reason}): each needs two different responses "
        "that can be trained on: raise maximum_tokens or check the data, or set tuning.preferences to [] to tune without"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_what_is_told(whole: TrainedPreferences) -> None:
    assert json.loads((whole.folder / "training.json").read_text("utf-8")) == whole.figures.model_dump()
