"""Which token comes next: the likeliest, or one that is drawn, with random numbers of its own for every row.

So a row's neighbours in a batch do not matter.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy

from xinstr_core.engines.base import Decoding, Request

# Likeliest tokens among which a nucleus is looked for first: to sort a vocabulary of 262,144 takes longer than the layers.
_HEAD = 512
_SAMPLED_ROWS = 16  # at once: each takes the vocabulary a few times, in float64
# Of the likeliest token's probability: less likely ones are not written, however much guidance speaks for them (Li et al.
# 2022, arXiv 2210.15097, section 3.3).
PLAUSIBLE = 0.1


def token_chooser(requests: Sequence[Request], decoding: Decoding, openings: Sequence[Sequence[int]] = ()) -> Any:
    """A logits processor that leaves one token a row.

    First those of the row's opening, one a step, then the likeliest or, where `decoding` has a temperature, the one that
    the row's own random number picks. With guidance as many rows follow as there are requests, those that it leads away
    from, and they go on with the same tokens. Raises ValueError where the scores are no numbers.
    """
    import torch
    from transformers import LogitsProcessor

    given = [list(opening) for opening in openings] or [[] for _ in requests]
    numbers = numpy.stack([_numbers(request.key, decoding) for request in requests])

    class TokenChooser(LogitsProcessor):  # type: ignore[misc]  # transformers ships no types
        def __init__(self) -> None:
            self._step = 0

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            step, self._step = self._step, self._step + 1
            if not scores.amax(-1).isfinite().all():  # it is NaN where any score is
                raise ValueError("the model's scores of a next token are no numbers")
            if decoding.repetition_penalty != 1:
                scores = scores.clone()
                for row, opening in enumerate(given):
                    written = input_ids[row, input_ids.shape[1] - step + len(opening) :] if step > len(opening) else []
                    scores[row, written] = _penalised(scores[row, written], decoding.repetition_penalty)
            if decoding.temperature == 0 and not openings and not decoding.guidance:
                return scores
            places = [min(max(step - len(opening), 0), decoding.maximum_new_tokens - 1) for opening in given]
            drawn = torch.tensor(numbers[range(len(places)), places], device=scores.device).unsqueeze(1)
            rows, *against = scores.split(len(given))
            pieces = (part.split(_SAMPLED_ROWS) for part in (drawn, rows, *against))
            chosen = torch.cat([_chosen(decoding, *of_rows) for of_rows in zip(*pieces, strict=True)])
            for row, opening in enumerate(given):
                if step < len(opening):
                    chosen[row] = opening[step]
            return torch.full_like(scores, -torch.inf).scatter_(1, chosen.repeat(1 + len(against), 1), 0.0)

    return TokenChooser()


def _chosen(decoding: Decoding, drawn: Any, scores: Any, against: Any = None) -> Any:
    """Tokens (rows, 1): the likeliest, or those at the numbers `drawn` (rows, 1)."""
    led = scores if against is None else _guided(scores, against, decoding.guidance)
    return led.argmax(-1, keepdim=True) if decoding.temperature == 0 else _sampled(led, drawn, decoding)


def _penalised(scores: Any, penalty: float) -> Any:
    """Scores of tokens that were written already: see Decoding."""
    return scores.where(scores < 0, scores / penalty).where(scores > 0, scores * penalty)


def _guided(scores: Any, against: Any, guidance: float) -> Any:
    """Scores (rows, vocabulary) in float32 that are led away from `against`: see Decoding."""
    import torch

    likely, unled = (part.float().log_softmax(-1) for part in (scores, against))
    least = likely.amax(-1, keepdim=True) + math.log(PLAUSIBLE)
    return torch.where(likely >= least, likely + guidance * (likely - unled), -torch.inf)


def _sampled(scores: Any, drawn: Any, decoding: Decoding) -> Any:
    """Tokens (rows, 1): temperature, then the nucleus of Holtzman et al. 2020 (the fewest likeliest tokens that hold
    `top_p` together), then the inverse of their cumulated probabilities at the numbers `drawn` (rows, 1).
    """
    import torch

    # Less the greatest, so that no temperature is too near 0. In place: to ask for as much memory again takes longer.
    weights = scores.double().sub_(scores.amax(-1, keepdim=True)).div_(decoding.temperature).exp_()
    total = weights.sum(-1, keepdim=True)
    head = scores.topk(min(_HEAD, scores.shape[-1]), dim=-1).indices
    least = weights.gather(1, head[:, -1:])
    chosen, sure = _picked(weights, total, head.sort(-1).values, drawn, decoding.top_p, least)
    if not sure.all():
        rest = ~sure
        every = torch.arange(scores.shape[-1], device=scores.device).expand(int(rest.sum()), -1)
        none = torch.full_like(least[rest], -1.0)
        chosen[rest], _ = _picked(weights[rest], total[rest], every, drawn[rest], decoding.top_p, none)
    return chosen


def _picked(weights: Any, total: Any, indices: Any, drawn: Any, top_p: float, least: Any) -> tuple[Any, Any]:
    """The token of every row (rows, 1) among those at `indices` (rows, n), which are ascending, so that of equally likely
    tokens the first stands first; and whether the nucleus ends above the weight `least`, with which others could stand.
    """
    ranked = weights.gather(1, indices).sort(dim=-1, descending=True, stable=True)
    shares = ranked.values / total
    cumulated = shares.cumsum(-1)
    inside = (cumulated - shares < top_p).sum(-1, keepdim=True)  # the first always is
    rank = (cumulated < drawn * cumulated.gather(1, inside - 1)).sum(-1, keepdim=True)
    sure = inside <= (ranked.values > least).sum(-1, keepdim=True)
    return indices.gather(1, ranked.indices.gather(1, rank)), sure.squeeze(1)


def _numbers(key: str, decoding: Decoding) -> Any:
    """One number in [0, 1) a step."""
    seed = int.from_bytes(hashlib.sha256(f"{decoding.seed}|{key}".encode()).digest()[:16], "big")
    return numpy.random.default_rng(seed).random(decoding.maximum_new_tokens)
