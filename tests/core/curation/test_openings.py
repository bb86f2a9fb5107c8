"""Openings are ways of asking that several requests share; a text is given those that it makes likelier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from xinstr_core.curation.openings import DRAWN, common_openings, suit_openings
from xinstr_core.engines.base import Completion, Decoding, LabelScores, Request, TokenScores
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import OPENINGS

EMPTY = prompt("reverse").render(text="")


class Scorer:
    """Log-probabilities of openings by what is written about them; counts the rows it scored."""

    fingerprint = "scorer"

    def __init__(self, by_text: dict[str, dict[str, float]]) -> None:
        self.by_prompt = {prompt("reverse").render(text=text): scores for text, scores in by_text.items()}
        self.batches: list[list[Request]] = []

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        self.batches.append(list(requests))
        return [
            TokenScores(r.key, (self.by_prompt[r.prompt].get(r.completion, -5.0),) * 3, -0.1)
            for r in reversed(requests)
        ]

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        raise AssertionError

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        raise AssertionError

    def embed(self, texts: Sequence[str]) -> Any:
        raise AssertionError


def request(key: str, text: str) -> Request:
    return Request(key, prompt("reverse").render(text=text))


def test_an_opening_is_the_longest_beginning_that_three_requests_share() -> None:
    asked = [
        "What is the best way to cook ugali?",
        "What is the best way to cook pilau?",
        "What is the best bus?",
        "What is the best day to sow?",
        "What can I plant in March?",
        "Tell me about Tanga.",
        "Tell me about Robert.",
    ]
    assert common_openings(asked) == ["What", "What is the best"]


def test_the_same_request_thrice_is_one_request() -> None:
    assert common_openings(["Tell me about Tanga."] * 5) == []


def test_an_opening_leaves_something_to_ask_and_has_six_words_at_most() -> None:
    assert common_openings(["Tell me", "Tell me", "Tell me more", "Tell us"]) == ["Tell"]
    assert common_openings([f"one two three four five six seven eight {i}" for i in range(3)]) == [
        "one two three four five six"
    ]
    assert common_openings([]) == common_openings(["", " ", "\n"]) == []


def test_openings_do_not_depend_on_the_order_of_requests() -> None:
    asked = [f"Tell me about {i}." for i in range(4)] + [f"How do I mend {i}?" for i in range(3)]
    assert common_openings(asked) == common_openings(asked[::-1]) == ["How do I mend", "Tell me about"]


def test_a_text_gets_the_openings_that_it_raises_most_over_no_text() -> None:
    """Tell me is likely anyway; this text makes it no likelier."""
    scorer = Scorer(
        {
            "": {"Tell me": -1.0, "How do": -4.0, "Who was": -6.0},
            "Wali": {"Tell me": -1.0, "How do": -2.0, "Who was": -5.0},
            "Robert": {"Tell me": -1.5, "How do": -4.0, "Who was": -2.0},
        }
    )
    openings = ["How do", "Tell me", "Who was"]
    batch = [request("w", "Wali"), request("r", "Robert")]
    rows = suit_openings(scorer, batch, openings, 2, seed=0)
    assert rows.schema == OPENINGS.schema
    assert rows.rows() == [("w", ["How do", "Who was"]), ("r", ["Who was", "How do"])]
    assert {r.prompt for r in scorer.batches[0]} == {EMPTY}


def test_all_openings_of_all_texts_are_scored_at_once_so_that_each_text_is_read_once() -> None:
    scorer = Scorer({"": {}, "Wali": {}, "Robert": {}})
    suit_openings(scorer, [request("w", "Wali"), request("r", "Robert")], ["a", "b", "c"], 2, 0)
    assert [len(asked) for asked in scorer.batches] == [3, 6]
    assert len({asked.key for asked in scorer.batches[1]}) == 6


def test_equal_openings_are_taken_by_name() -> None:
    scorer = Scorer({"": {}, "Wali": {}})
    assert suit_openings(scorer, [request("w", "Wali")], ["b", "a", "c"], 2, 0).rows() == [("w", ["a", "b"])]


def test_of_many_openings_each_text_tries_a_few_drawn_by_its_own_key() -> None:
    openings = [f"Opening {i:02}" for i in range(40)]
    scorer = Scorer({"": {}, "Wali": {}, "Robert": {}})
    batch = [request("w", "Wali"), request("r", "Robert")]
    both = suit_openings(scorer, batch, openings, DRAWN, seed=0)
    drawn = [[r.completion for r in scorer.batches[1] if r.prompt == asked.prompt] for asked in batch]
    assert [len(tried) for tried in drawn] == [DRAWN, DRAWN]
    assert set(drawn[0]) != set(drawn[1])
    alone = suit_openings(scorer, batch[1:], openings, DRAWN, seed=0)
    assert alone.rows() == both.rows()[1:]
    assert suit_openings(scorer, batch, openings, DRAWN, seed=1).rows() != both.rows()


@pytest.mark.parametrize("wanted", [1, 3, 5])
def test_no_more_openings_are_given_than_there_are(wanted: int) -> None:
    scorer = Scorer({"": {}, "Wali": {}})
    [(_, found)] = suit_openings(scorer, [request("w", "Wali")], ["a", "b", "c"], wanted, 0).rows()
    assert len(found) == min(wanted, 3)
