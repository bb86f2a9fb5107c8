"""How many tokens go through a model at once: what fits into memory, and no more than speed asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from xinstr_core.engines.memory import free_memory
from xinstr_core.errors import StageError
from xinstr_core.files import write_text
from xinstr_core.training.loss import CHUNK_LOGITS

_FILE = "memory.json"
# More tokens at once make no step faster: two cores are busy with 1,024, a GPU with some ten thousand. So a small model
# gets the same split, and the same bytes, wherever it is trained.
_ENOUGH_TOKENS = {"cpu": 1024, "cuda": 16384}
# Of a processor's memory, what tokens at once may take unless the weights take more. Half as many tokens made a step of
# Gemma 3 270M 0 to 9 % slower and saved 0.45 GB; this holds 820 of them, and so each stage in under 4 GB.
_ENOUGH_BYTES = 704 << 20
_SHARE = 0.8  # of free memory: kernels, fragments and other processes take the rest


@dataclass(frozen=True)
class Budget:
    """Tokens that go through the model at once, padding included, from each step on, and the rows too large for memory.

    A longer row goes alone. `too_large` has the key, the first step without it, and the tokens of each such row.
    """

    tokens: dict[int, int]
    too_large: dict[str, tuple[int, int]] = field(default_factory=dict)

    def at(self, step: int) -> int:
        return self.tokens[max(first for first in self.tokens if first <= step)]

    def lowered(self, step: int, tokens: int) -> Self:
        return replace(self, tokens={**self.tokens, step: max(1, tokens)})

    def without(self, step: int, key: str, tokens: int) -> Self:
        return replace(self, too_large={**self.too_large, key: (step, tokens)})

    def takes(self, step: int, key: str) -> bool:
        return key not in self.too_large or step < self.too_large[key][0]

    def agreed(self, others: Sequence[Budget]) -> Self:
        """What holds for all of a training's processes: the least tokens, and every row that was too large for one."""
        first_steps = {step for one in others for step in one.tokens}
        rows = {key: row for one in others for key, row in one.too_large.items()}
        return replace(
            self, tokens={step: min(one.at(step) for one in others) for step in sorted(first_steps)}, too_large=rows
        )

    def write(self, folder: Path) -> None:
        """Beside the checkpoints, so that a resumed training splits its steps alike and ends with the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        tokens = {str(step): tokens for step, tokens in self.tokens.items()}
        write_text(folder / _FILE, json.dumps({"tokens": tokens, "too_large": self.too_large}, indent=1))


def kept_budget(folder: Path, model: Any, shortest: int, sharing: int = 1) -> Budget:
    """What an earlier run of the training kept in its `folder` of checkpoints, else a new one, which is kept there.

    So many processes are `sharing` the memory that is free.
    StageError where the free memory does not hold the shortest row, of so many tokens.
    """
    if not (folder / _FILE).exists():
        budget = _new_budget(model, shortest, free_memory() // sharing)
        budget.write(folder)
        return budget
    kept = json.loads((folder / _FILE).read_text("utf-8"))
    return Budget(
        {int(step): tokens for step, tokens in kept["tokens"].items()},
        {key: (step, tokens) for key, (step, tokens) in kept["too_large"].items()},
    )


def _new_budget(model: Any, shortest: int, free: int) -> Budget:
    """For a training that begins with `free` bytes. StageError where they do not hold its shortest row beside the optimizer."""
    config = model.config.get_text_config()
    itemsize = model.dtype.itemsize
    left = _SHARE * free - fixed_bytes(model)
    tokens = int(left / bytes_a_token(config, itemsize))
    if tokens * config.num_hidden_layers < shortest:  # checkpointed, one layer at a time is whole
        raise StageError(
            f"{free / 2**30:.1f} GiB of free memory do not hold the training of one row of {shortest} tokens: "
            'lower maximum_tokens, set method = "lora", or take a smaller base model'
        )
    weights = sum(parameter.numel() for parameter in model.parameters()) * itemsize
    return Budget({1: max(1, min(tokens, enough_tokens(config, itemsize, weights, model.device.type)))})


def fixed_bytes(model: Any) -> int:
    """What a training holds beside the weights, whatever goes through them."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return optimizer_bytes(trained) + logits_bytes(CHUNK_LOGITS)


def optimizer_bytes(trained: int) -> int:
    """Gradients and both moments of so many parameters, in float32."""
    return 12 * trained


def logits_bytes(logits: int) -> int:
    """So many of them in float32, with their copies: of a training never more than a chunk at once."""
    return 12 * min(logits, CHUNK_LOGITS)


def enough_tokens(config: Any, itemsize: int, weights: int, device: str) -> int:
    """Tokens at once of a model with so many bytes of weights: about as fast as a step gets there, for moderate memory."""
    most = _ENOUGH_TOKENS[device]
    if device != "cpu":
        return most
    return min(most, int(max(_ENOUGH_BYTES, weights) / bytes_a_token(config, itemsize)))


def bytes_a_token(config: Any, itemsize: int) -> float:
    """What the layers keep of a token for the way back, some of it in float32.

    Measured: 0.85 MB for Gemma 3 270M in bfloat16 (0.90 by this), 1.16 in float32 (1.50), 0.06 for the pocket model (0.09).
    """
    width, inner = config.hidden_size, getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    return float(config.num_hidden_layers * (itemsize + 1) * (10 * width + 5 * inner))


def checkpointed_bytes_a_token(config: Any, itemsize: int) -> float:
    """The same where layers are computed twice: what goes into each, and all of the one that is computed.

    Measured, with an adapter: that one takes seven times its share, gradients and copies in float32 included (0.25 MB a
    token of SmolLM2 135M, rows of 1,000 and of 2,000 tokens).
    """
    whole, layers = bytes_a_token(config, itemsize), config.num_hidden_layers
    return min(whole, float(7 * whole / layers + layers * config.hidden_size * itemsize))
