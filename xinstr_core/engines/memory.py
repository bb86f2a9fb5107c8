"""How much memory a model may take here, and so how many tokens may go through it at once."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from xinstr_core.engines.encoding import LENGTH_STEP
from xinstr_core.files import write_text

Taken = TypeVar("Taken")
Made = TypeVar("Made")

_CGROUP = Path("/sys/fs/cgroup")
# Tokens at once, however much memory there is: enough to keep a processor busy (24 rows of 600 tokens), and one bound
# for all machines gives a small model the same batches, and so the same bytes, on each.
MOST_TOKENS = 16_384
# Of the free memory; the other half is for what is not counted: masks, logits of a few positions, copies of a layer.
_SHARE = 0.5


def free_memory() -> int:
    """Bytes that the device of the models can still give: of the GPU, else of the machine and of this process's cgroup."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return int(free)
    import psutil

    available = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # no cgroup of version 2, or one without a limit ("max")
        limit, used = (int((_CGROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        return min(available, limit - used)
    return available


def total_memory() -> int:
    """Bytes that the device of the models has in all: of the GPU, else of the machine or of this process's cgroup."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        _, total = torch.cuda.mem_get_info()
        return int(total)
    import psutil

    total = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):
        return min(total, int((_CGROUP / "memory.max").read_text("ascii")))
    return total


def bytes_a_token(config: Any, itemsize: int) -> int:
    """Bytes that one more token costs a model that only reads: its keys and values in every layer, and one layer's work."""
    config = config.get_text_config(decoder=True)
    heads = getattr(config, "num_attention_heads", 1)  # none in a recurrent model, whose state is one for a whole row
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    kept = 2 * config.num_hidden_layers * (getattr(config, "num_key_value_heads", None) or heads) * head_width
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    worked_on = 6 * config.hidden_size + 3 * wide + 2 * heads * head_width
    return int((kept + worked_on) * itemsize)


def give_back_freed() -> None:
    """Hand what was freed back to the system.

    The C library keeps freed blocks for later, between those still in use: some 0.2 GB after a stage with Gemma 3 270M, which
    the next stage, or another process, then had less.
    """
    torch = sys.modules.get("torch")  # where nobody has imported it there is nothing to free
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(AttributeError):  # a C library that is not GNU's has no such call
        ctypes.CDLL(None).malloc_trim(0)


def tokens_at_once(config: Any, itemsize: int, free: int) -> int:
    """Tokens that may be in a model at once where so many bytes are free."""
    return min(MOST_TOKENS, int(free * _SHARE) // bytes_a_token(config, itemsize))


class TokenBudget:
    """Tokens, padding included, that may be in a model at once: rows times their padded length.

    Found from the free memory when it is first asked for, never more than MOST_TOKENS, and kept in the file `kept`, so
    that a run that goes on splits its rows as it did before.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self._kept = kept
        self._tokens: int | None = None
        if kept is not None and kept.is_file():
            self._tokens = json.loads(kept.read_text("ascii"))["tokens"]

    def tokens(self, model: Any) -> int:
        return self._tokens or self._keep(tokens_at_once(model.config, model.dtype.itemsize, free_memory()))

    @property
    def found(self) -> int | None:
        """How many they are, once somebody has asked."""
        return self._tokens

    def limit(self, tokens: int | None) -> None:
        """No more than another process that shares the work found room for; None where it did not look."""
        if tokens is not None and (self._tokens is None or tokens < self._tokens):
            self._keep(tokens)

    def halve(self, model: Any) -> None:
        """After memory ran out: what is read from now on is split finer."""
        self._keep(self.tokens(model) // 2)

    def _keep(self, tokens: int) -> int:
        self._tokens = max(LENGTH_STEP, tokens)
        if self._kept is not None:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._kept, json.dumps({"tokens": self._tokens}))
        return self._tokens


def unless_out_of_memory(work: Callable[[Taken], Made], rows: Taken) -> Made | None:
    """What `work` makes of rows; None where memory ran out, and what it had taken is free again."""
    import torch

    try:
        return work(rows)
    except RuntimeError as error:  # of a GPU by a class of its own, of the processor in words (torch 2.13)
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
    return None
