"""What the training tests share: a few short examples, a training by each method, and ways to end and to compare one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.conftest import Killed
from xinstr_core.engines.roles import Engines
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.adapter import TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example

# 12 rows in batches of 2 for 4 epochs: 24 steps, with a checkpoint after step 20
LONG = TrainingSettings(epochs=4, learning_rate=1e-2, rank=2, batch_rows=2, maximum_tokens=128)
SHORT = LONG.model_copy(update={"epochs": 0.5})
LAST_CHECKPOINT = 20


def killed_at(step: int) -> Callable[..., None]:
    def progress(done: int, total: int, **_: object) -> None:
        if done >= step:
            raise Killed

    return progress


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """Twelve examples of different lengths."""
    dishes = ("ugali", "pilau", "chapati", "mandazi", "githeri", "wali wa nazi")
    asked = [
        Example(f"ask-{dish}", f"### Text:\n{dish} ni chakula.\n\n### English Instruction:\n", f"What is {dish}?")
        for dish in dishes
    ]
    told = [
        Example(f"tell-{dish}", f"### Instruction:\nWhat is {dish}?\n\n### Response:\n", f"{dish} ni chakula.")
        for dish in dishes
    ]
    return [*asked, *told]


@pytest.fixture(scope="session", params=["lora", "full"])
def long(request: pytest.FixtureRequest) -> TrainingSettings:
    """The settings of a training with a checkpoint, by each method."""
    return LONG.model_copy(update={"method": request.param})


@pytest.fixture(scope="session")
def short(long: TrainingSettings) -> TrainingSettings:
    """Those of three steps, by each method."""
    return long.model_copy(update={"epochs": SHORT.epochs})


@pytest.fixture(scope="session")
def whole(
    tiny_engines: Engines,
    examples: list[Example],
    long: TrainingSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> TrainedAdapter:
    """A training by each method that nothing interrupted."""
    return train_adapter(tiny_engines, examples, long, tmp_path_factory.mktemp("whole") / "adapter")
