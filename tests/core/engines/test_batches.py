"""Batches are a function of what is in them, and what can be read once is read together."""

from __future__ import annotations

import random

import pytest

from xinstr_core.engines.base import Request
from xinstr_core.engines.batches import length_sorted_batches


def keys(batches: list[list[Request]]) -> list[list[str]]:
    return [[request.key for request in batch] for batch in batches]


def test_requests_of_similar_length_share_a_batch() -> None:
    requests = [
        Request("a", "xxxxxxxxx"),
        Request("b", "x"),
        Request("c", "xxxxxxxx"),
        Request("d", "xx"),
        Request("e", "xxx"),
    ]
    assert keys(length_sorted_batches(requests, 2)) == [["b", "d"], ["e", "c"], ["a"]]


def test_requests_of_equal_length_are_ordered_by_key() -> None:
    requests = [Request("b", "one"), Request("c", "two"), Request("a", "six")]
    assert keys(length_sorted_batches(requests, 2)) == [["a", "b"], ["c"]]


def test_batches_do_not_depend_on_the_order_of_the_requests() -> None:
    requests = [Request(f"key-{i:02}", "x" * (i % 7)) for i in range(40)]
    shuffled = requests[:]
    random.Random(0).shuffle(shuffled)
    assert length_sorted_batches(shuffled, 8) == length_sorted_batches(requests, 8)


@pytest.mark.parametrize("rows", [1, 3, 40, 1000])
def test_every_request_is_in_exactly_one_batch_and_no_batch_is_empty_or_too_large(rows: int) -> None:
    requests = [Request(f"key-{i:02}", "x" * (i % 7)) for i in range(40)]
    batches = length_sorted_batches(requests, rows)
    assert sorted(key for batch in keys(batches) for key in batch) == [request.key for request in requests]
    assert all(1 <= len(batch) <= rows for batch in batches)


def test_requests_with_the_same_prompt_share_a_batch_and_no_more_batches_than_they_need() -> None:
    texts = {"a": "xx", "b": "xxxxx", "c": "xxx", "d": "x"}
    requests = [Request(f"{text}{i}", prompt, "y" * i) for i in range(4) for text, prompt in texts.items()]
    assert keys(length_sorted_batches(requests, 8)) == [
        ["d0", "d1", "d2", "d3", "a0", "a1", "a2", "a3"],
        ["c0", "c1", "c2", "c3", "b0", "b1", "b2", "b3"],
    ]
    assert keys(length_sorted_batches(requests, 6)) == [[f"{text}{i}" for i in range(4)] for text in "dacb"]
    assert keys(length_sorted_batches(requests, 3)) == [
        [f"{text}{i}" for i in part] for text in "dacb" for part in ((0, 1, 2), (3,))
    ]


def test_no_requests_give_no_batches() -> None:
    assert length_sorted_batches([], 8) == []
