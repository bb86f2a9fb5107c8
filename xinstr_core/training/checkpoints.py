"""What a killed training goes on from: weights, optimizer and losses after a step, marked when all of it is written."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_COMPLETE = "complete"
_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.pt", "state.json"


@dataclass
class State:
    """How far a training is: finished steps, and the loss curves of it and of rows held out from it, as [step, mean loss]."""

    step: int = 0
    losses: list[list[float]] = field(default_factory=list)
    held_out_losses: list[list[float]] = field(default_factory=list)


def save_checkpoint(folder: Path, model: Any, optimizer: Any, state: State) -> None:
    """Older ones go after the new one is marked and not before.

    A kill in the middle of a removal would leave a marked checkpoint without some of its files, and nothing better.
    """
    import torch
    from safetensors.torch import save_file

    written = folder / f"checkpoint-{state.step}"
    written.mkdir(parents=True)
    save_file(trained_weights(model), written / _WEIGHTS)
    torch.save(optimizer.state_dict(), written / _OPTIMIZER)
    (written / _STATE).write_text(json.dumps(asdict(state)), "utf-8")
    (written / _COMPLETE).touch()
    for checkpoint in folder.glob("checkpoint-*"):
        if checkpoint != written:
            shutil.rmtree(checkpoint)


def load_checkpoint(folder: Path, model: Any, optimizer: Any) -> State:
    """Put the last checkpoint that was written whole into model and optimizer; half-written ones are removed."""
    import torch
    from safetensors.torch import load_file

    for checkpoint in folder.glob("checkpoint-*"):
        if not (checkpoint / _COMPLETE).exists():
            shutil.rmtree(checkpoint)
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.removeprefix("checkpoint-")))
    if not found:
        return State()
    weights = load_file(found[-1] / _WEIGHTS, device=str(model.device))
    with torch.no_grad():
        for name, parameter in trained_weights(model).items():
            parameter.copy_(weights[name])
    optimizer.load_state_dict(torch.load(found[-1] / _OPTIMIZER, map_location=model.device, weights_only=True))
    return State(**json.loads((found[-1] / _STATE).read_text("utf-8")))


def trained_weights(model: Any) -> dict[str, Any]:
    """Those that a training changes, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
