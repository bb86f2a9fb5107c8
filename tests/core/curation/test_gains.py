"""Which of a text's instructions go on: those that gain most from it, and none that gains too little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.curation.gains import measure_gains, statuses_by_gain
from xinstr_core.engines.base import Request, TokenScores
from xinstr_core.engines.resume import RowLog
from xinstr_core.errors import StageError
from xinstr_core.progress import silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import GAINS
from xinstr_core.settings import GenerationSettings

TEXT_OF = {"a": "t1", "b": "t1", "c": "t1", "d": "t2"}
GAINED = {"a": 1.0, "b": 2.0, "c": 1.0, "d": 0.4}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["accepted"] * 4),
        ({"chosen_candidates": 2}, ["accepted", "accepted", "others_gain_more", "accepted"]),
        ({"chosen_candidates": 1}, ["others_gain_more", "accepted", "others_gain_more", "accepted"]),
        ({"minimum_gain": 0.5}, ["accepted", "accepted", "accepted", "text_adds_little"]),
        (
            {"minimum_gain": 1.5, "chosen_candidates": 1},
            ["text_adds_little", "accepted", "text_adds_little", "text_adds_little"],
        ),
    ],
)
def test_statuses(settings: dict[str, Any], expected: list[str]) -> None:
    statuses = statuses_by_gain(GAINED, TEXT_OF, GenerationSettings(**settings))
    assert [statuses[key] for key in "abcd"] == expected


def test_without_a_least_gain_one_that_loses_goes_on() -> None:
    assert statuses_by_gain({"a": -1.0}, TEXT_OF, GenerationSettings(chosen_candidates=1)) == {"a": "accepted"}


class Reader:
    """After the text every token has half a nat more than without it. It cannot read the word fail."""

    def __init__(self) -> None:
        self.read = 0

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        self.read += len(requests)
        if any("fail" in one.completion for one in requests):
            raise ValueError("cannot read")
        empty = prompt("reverse").render(text="")
        return [TokenScores(one.key, (-1.0, -2.0) if one.prompt == empty else (-0.5, -1.5), 0.0) for one in requests]


def test_the_gain_is_given_minus_alone_and_is_read_once(tmp_path: Path) -> None:
    reader, asked = Reader(), [("a", "A text.", "What?"), ("b", "A text.", "fail"), ("c", "Another.", "Why?")]

    def measured() -> Any:
        log = RowLog.open(tmp_path, GAINS.schema)
        [(_, found)] = measure_gains(
            lambda: reader,  # type: ignore[arg-type, return-value]
            "model",
            [asked],
            lambda given: given,
            log,
            silent,
            maximum_failed_share=0.5,
        )
        return found

    gains = measured()
    assert {key: round(value, 6) for key, value in gains.values.items()} == {"a": 0.5, "c": 0.5}
    assert list(gains.failed) == ["b"]
    assert "cannot read" in gains.failed["b"]
    before = reader.read
    assert measured().values == gains.values
    assert reader.read - before == 2 * 1 + 2, "only what failed is read again, and one that is known to be good"
    with pytest.raises(StageError, match="may fail"):
        list(
            measure_gains(
                lambda: reader,  # type: ignore[arg-type, return-value]
                "other",
                [asked],
                lambda given: given,
                RowLog.open(tmp_path / "o", GAINS.schema),
                silent,
                maximum_failed_share=0.1,
            )
        )
