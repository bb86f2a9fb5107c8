"""Sampling in which every row has random numbers of its own, so that its neighbours in a batch do not matter."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy

from xinstr_core.engines.base import Decoding, Request


def row_sampler(requests: Sequence[Request], decoding: Decoding) -> Any:
    """A logits processor that leaves one token a row: the one that the row's own random number picks.

    Temperature, then the nucleus of Holtzman et al. 2020 (the fewest likeliest tokens that hold `top_p` together), then
    the inverse of their cumulated probabilities at a number that follows from seed, key and step.
    """
    import torch
    from transformers import LogitsProcessor

    numbers = numpy.stack([_numbers(request.key, decoding) for request in requests])

    class RowSampler(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
        def __init__(self) -> None:
            self._step = 0

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            drawn = torch.tensor(numbers[:, self._step], device=scores.device).unsqueeze(1)
            self._step += 1
            below = scores.double() - scores.amax(-1, keepdim=True)  # so that no temperature is too near 0
            ranked = torch.softmax(below / decoding.temperature, dim=-1).sort(dim=-1, descending=True, stable=True)
            if ranked.values.isnan().any():
                raise ValueError("the model's scores of a next token are no numbers")
            cumulated = ranked.values.cumsum(-1)
            last = (cumulated - ranked.values < decoding.top_p).sum(-1, keepdim=True) - 1  # the first always is inside
            rank = (cumulated < drawn * cumulated.gather(1, last)).sum(-1, keepdim=True)
            chosen = ranked.indices.gather(1, rank)
            return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)

    return RowSampler()


def _numbers(key: str, decoding: Decoding) -> Any:
    """One number in [0, 1) a step."""
    seed = int.from_bytes(hashlib.sha256(f"{decoding.seed}|{key}".encode()).digest()[:16], "big")
    return numpy.random.default_rng(seed).random(decoding.maximum_new_tokens)
