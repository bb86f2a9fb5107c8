"""From log-probabilities of tokens to signals: what a reader was surprised by, in nats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from xinstr_core.engines.base import TokenScores

STRETCH = 8  # tokens, a few words: the seam between two texts is no longer
IMPOSSIBLE = -100.0  # nats: what an infinite or undefined surprise counts as, so that it is a flaw and not an error
LOWEST = 5  # tokens: one rare name is no flaw, five surprises are


def response_signals(scores: TokenScores) -> tuple[float, ...]:
    """(mean, weakest mean of STRETCH tokens in a row, mean of the LOWEST lowest, end of text), all in nats a token."""
    tokens = finite(scores.tokens or (scores.end,))
    stretches = numpy.convolve(tokens, numpy.ones(min(STRETCH, len(tokens))), "valid") / min(STRETCH, len(tokens))
    return (
        float(tokens.mean()),
        float(stretches.min()),
        float(numpy.sort(tokens)[:LOWEST].mean()),
        float(finite([scores.end])[0]),
    )


def given_signals(scores: TokenScores) -> tuple[float, ...]:
    """(mean, lowest) over the instruction's tokens and its end, in nats."""
    tokens = finite([*scores.tokens, scores.end])
    return float(tokens.mean()), float(tokens.min())


def alone_signals(scores: TokenScores) -> tuple[float, ...]:
    """(mean, lowest, end) of an instruction for which no text stands, in nats."""
    tokens = finite(scores.tokens or (scores.end,))
    return float(tokens.mean()), float(tokens.min()), float(finite([scores.end])[0])


def gain_signals(given: TokenScores, alone: TokenScores, near: Sequence[float]) -> tuple[float, ...]:
    """(mean, total, lowest) of given minus alone, and the mean of given minus the best mean of alone and `near`, in nats."""
    after, before = (finite(scores.tokens or (scores.end,)) for scores in (given, alone))
    gained = after - before
    others = [float(before.mean()), *near]
    return float(gained.mean()), float(gained.sum()), float(gained.min()), float(after.mean() - max(others))


def finite(log_probabilities: Sequence[float]) -> Any:
    return numpy.nan_to_num(numpy.array(log_probabilities), nan=IMPOSSIBLE, neginf=IMPOSSIBLE)


def ending_signals(after: TokenScores, alone: TokenScores) -> tuple[float, float]:
    """(mean of what stands before adds to the tokens, in nats; share of the tokens that it makes likelier)."""
    added = finite(after.tokens or (after.end,)) - finite(alone.tokens or (alone.end,))
    return float(added.mean()), float((added > 0).mean())
