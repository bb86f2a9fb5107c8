"""A row's tokens follow the exact probabilities of its nucleus, and depend on nothing but seed, key and scores."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.sampling import _numbers, token_chooser

ROWS = 20_000
LOGITS = (1.0, 2.5, -0.5, 2.0, -math.inf, 0.3)


def requests(count: int) -> list[Request]:
    return [Request(f"row-{i}", "") for i in range(count)]


def drawn(asked: list[Request], decoding: Decoding, scores: Any, steps: int = 1) -> list[list[int]]:
    """The tokens of every row, one a step, for the same scores (rows, vocabulary) at each step, after a prompt of 0."""
    import torch

    sampler = token_chooser(asked, decoding)
    ids = torch.zeros((len(asked), 1), dtype=torch.long)
    for _ in range(steps):
        left = sampler(ids, scores.clone())
        assert (left.shape, left.dtype) == (scores.shape, scores.dtype)
        assert bool(((left == 0).sum(-1) == 1).all())  # one token a row is left
        assert bool(((left == -torch.inf).sum(-1) == scores.shape[-1] - 1).all())
        ids = torch.cat([ids, left.argmax(-1, keepdim=True)], dim=1)
    rows: list[list[int]] = ids[:, 1:].tolist()
    return rows


def alike(count: int, logits: tuple[float, ...] = LOGITS) -> Any:
    import torch

    return torch.tensor([logits]).repeat(count, 1)


def written(logits: tuple[float, ...], decoding: Decoding, opening: tuple[int, ...] = ()) -> list[int]:
    """What one row writes where every next token has the same scores."""
    openings = [opening] if opening else []
    import torch

    chooser, ids = token_chooser(requests(1), decoding, openings), torch.zeros((1, 1), dtype=torch.long)
    for _ in range(decoding.maximum_new_tokens + len(opening)):
        ids = torch.cat([ids, chooser(ids, alike(1, logits)).argmax(-1, keepdim=True)], dim=1)
    row: list[int] = ids[0, 1:].tolist()
    return row


def nucleus(logits: tuple[float, ...], temperature: float, top_p: float) -> list[float]:
    """Probabilities by definition: the likeliest tokens, one after the other, until they hold top_p together."""
    weights = [math.exp(logit / temperature) for logit in logits]
    shares = [weight / sum(weights) for weight in weights]
    kept: list[int] = []
    for token in sorted(range(len(shares)), key=lambda token: -shares[token]):
        if sum(shares[t] for t in kept) < top_p:
            kept.append(token)
    mass = sum(shares[t] for t in kept)
    return [shares[token] / mass if token in kept else 0.0 for token in range(len(shares))]


def chi_square(counts: list[int], shares: list[float]) -> float:
    expected = [share * sum(counts) for share in shares]
    return sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True) if mean > 0)


@pytest.mark.parametrize(
    ("temperature", "top_p", "size"), [(1.0, 1.0, 5), (0.7, 0.9, 3), (2.0, 0.5, 2), (1.0, 0.55, 2), (0.7, 0.3, 1)]
)
def test_tokens_have_the_exact_probabilities_of_the_nucleus(temperature: float, top_p: float, size: int) -> None:
    expected = nucleus(LOGITS, temperature, top_p)
    assert sum(share > 0 for share in expected) == size
    tokens = [row[0] for row in drawn(requests(ROWS), Decoding(1, temperature, top_p, seed=3), alike(ROWS))]
    counts = [tokens.count(token) for token in range(len(LOGITS))]
    assert [count > 0 for count in counts] == [share > 0 for share in expected]
    assert chi_square(counts, expected) < 18.5  # 4 degrees of freedom: one seed in a thousand


def test_the_steps_of_a_row_are_independent() -> None:
    expected = nucleus(LOGITS, 1.0, 1.0)
    rows = [tuple(row) for row in drawn(requests(ROWS), Decoding(2, 1.0, 1.0), alike(ROWS), steps=2)]
    pairs = list(product(range(len(LOGITS)), repeat=2))
    shares = [expected[first] * expected[second] for first, second in pairs]
    assert chi_square([rows.count(pair) for pair in pairs], shares) < 51.2  # 24 degrees of freedom


def test_the_nucleus_is_no_larger_than_it_must_be() -> None:
    """Two of four equal tokens hold one half exactly."""
    tokens = {row[0] for row in drawn(requests(200), Decoding(1, 1.0, top_p=0.5), alike(200, (0.0,) * 4))}
    assert tokens == {0, 1}


def scattered(count: int) -> Any:
    import torch

    return torch.randn((count, 50), generator=torch.Generator().manual_seed(0))


def test_a_row_has_the_same_tokens_whatever_shares_its_batch_and_in_any_order() -> None:
    asked, scores, decoding = requests(8), scattered(8), Decoding(5, 1.0, 0.95, seed=7)
    together = drawn(asked, decoding, scores, steps=5)
    assert drawn(asked[::-1], decoding, scores.flip(0), steps=5) == together[::-1]
    assert [drawn([asked[i]], decoding, scores[i : i + 1], steps=5)[0] for i in range(8)] == together
    assert drawn(asked[2:5], decoding, scores[2:5], steps=5) == together[2:5]


def test_nothing_that_ran_before_changes_a_sample() -> None:
    import random

    import numpy
    import torch

    asked, decoding = requests(8), Decoding(5, 1.0)
    first = drawn(asked, decoding, scattered(8), steps=5)
    for seed in (random.seed, numpy.random.seed, torch.manual_seed):
        seed(99)
    assert drawn(asked, decoding, scattered(8), steps=5) == first


def test_a_lower_limit_of_tokens_gives_the_same_first_ones() -> None:
    longer, shorter = (drawn(requests(8), Decoding(n, 1.0), scattered(8), steps=3) for n in (9, 3))
    assert longer == shorter


def test_samples_differ_by_key_and_by_seed() -> None:
    asked = requests(64)
    one, two = (drawn(asked, Decoding(1, 1.0, seed=seed), alike(64)) for seed in (0, 1))
    assert len({row[0] for row in one}) > 1
    assert one != two


@pytest.mark.parametrize("decoding", [Decoding(3, 1.0, top_p=1e-9), Decoding(3, 1e-6), Decoding(3, 5e-324)], ids=str)
def test_a_tiny_nucleus_or_temperature_takes_the_likeliest_token(decoding: Decoding) -> None:
    scores = scattered(8) * 100
    greedy = [[int(token)] * 3 for token in scores.argmax(-1)]
    assert drawn(requests(8), decoding, scores, steps=3) == greedy


def test_the_first_of_equal_tokens_stands_first_as_it_does_for_greedy() -> None:
    scores = alike(4, (0.0, 1.0, *[1.0] * 5000))
    assert drawn(requests(4), Decoding(1, 1.0, top_p=1e-9), scores) == [[1]] * 4


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_an_error_and_no_token(bad: float) -> None:
    with pytest.raises(ValueError, match="no numbers"):
        drawn(requests(1), Decoding(1, 1.0), alike(1, (0.0, bad, 1.0)))


def test_a_row_without_any_possible_token_is_an_error() -> None:
    with pytest.raises(ValueError, match="no numbers"):
        drawn(requests(1), Decoding(1, 1.0), alike(1, (-math.inf,) * 3))


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0], ids=["flat", "broad", "peaked"])
def test_in_a_large_vocabulary_the_token_is_that_of_all_of_it_sorted(spread: float) -> None:
    """Where a nucleus is beyond the likeliest few hundred, and where it is not; equal scores included."""
    import torch

    scores = (torch.randn((24, 5000), generator=torch.Generator().manual_seed(1)) * spread * 8).round() / 8
    asked, decoding = requests(24), Decoding(1, 0.8, 0.9)
    ranked = torch.softmax(scores.double() / 0.8, -1).sort(dim=-1, descending=True, stable=True)
    expected = []
    for request, shares, indices in zip(asked, ranked.values, ranked.indices, strict=True):
        cumulated = shares.cumsum(0)
        kept = cumulated[: int((cumulated - shares < 0.9).sum())]
        expected.append([int(indices[int((kept < float(_numbers(request.key, decoding)[0]) * kept[-1]).sum())])])
    assert drawn(asked, decoding, scores) == expected


def test_a_token_that_a_row_has_written_is_made_less_likely_by_the_penalty() -> None:
    """Scores 4, 3 and -1: 4 / 1.5 < 3, then 3 / 1.5 < 4 / 1.5, which is the likeliest for ever: one penalty a token."""
    assert written((4.0, 3.0, -1.0), Decoding(5, repetition_penalty=1.5)) == [0, 1, 0, 0, 0]
    assert written((4.0, 3.0, -1.0), Decoding(3)) == [0, 0, 0]


def test_a_penalty_makes_negative_scores_smaller_too() -> None:
    assert written((-2.0, -2.5, -4.5), Decoding(4, repetition_penalty=2.0)) == [0, 1, 0, 0]


def test_neither_prompt_nor_opening_have_a_penalty() -> None:
    """Token 0 stands in the prompt and twice in the opening; written once by the row, it is less likely than 1."""
    decoding = Decoding(3, repetition_penalty=1.5)
    assert written((4.0, 3.0, -1.0), decoding, opening=(0, 0)) == [0, 0, 0, 1, 0]


def test_a_penalty_changes_what_is_sampled_by_the_same_formula() -> None:
    """Of scores 2 and 1 the first, written, has 2 / 2: as likely as the other."""
    decoding = Decoding(2, 1.0, repetition_penalty=2.0)
    rows = [tuple(row) for row in drawn(requests(ROWS), decoding, alike(ROWS, (2.0, 1.0)), steps=2)]
    first = math.e / (1 + math.e)
    after_other = 1 / (1 + math.exp(2 - 0.5))
    shares = [first / 2, first / 2, (1 - first) * (1 - after_other), (1 - first) * after_other]
    assert chi_square([rows.count(pair) for pair in product(range(2), repeat=2)], shares) < 16.3  # 3 degrees of freedom
