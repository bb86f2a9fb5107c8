"""A training in a process that may not grow: prints its losses, and how often memory ran out. Run by test_starved.py."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import torch

from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training import budget, steps
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

EXAMPLES = [
    Example(f"row {i}", f"What is dish {i}?\n", "Ugali ni chakula cha watu wengi sana. " * (10 + i % 7))
    for i in range(32)
]
SETTINGS = TrainingSettings(epochs=3, batch_rows=32, rank=8, maximum_tokens=1024)


def main(folder: Path, spare_mebibytes: int) -> None:
    """`spare_mebibytes` beside what a process holds that has trained already; 0 for as many as there are."""
    torch.set_num_threads(1)
    budget._ENOUGH_TOKENS = {"cpu": 100_000}  # all of a step at once, if there is memory
    engines = Engines(Settings(), resolve_model("pocket"))
    train_adapter(engines, EXAMPLES[:2], SETTINGS.model_copy(update={"epochs": 1}), folder / "before")
    if spare_mebibytes:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + (spare_mebibytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    ran_out = 0
    work_on = steps.unless_out_of_memory

    def counted(work: Any, rows: Any) -> Any:
        nonlocal ran_out
        made = work_on(work, rows)
        ran_out += made is None
        return made

    steps.unless_out_of_memory = counted
    trained = train_adapter(engines, EXAMPLES, SETTINGS, folder / "starved")
    print(json.dumps({"losses": trained.losses, "rejected": trained.rejected, "ran_out": ran_out}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
