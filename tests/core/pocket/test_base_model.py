"""The training rows of the pocket base model: what is learned of each page, and in which company."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from xinstr_core.pocket.base_model import END, batches_of_like_length, mark_rows, page_rows, phase_rows
from xinstr_core.pocket.pages import PageMix, pages
from xinstr_core.pocket.phases import BLOCK_TOKENS, PHASES, Phase

CARDS = PageMix({"card": 1.0})
MARKS = PageMix({"filed_sentence": 1.0})


def learned(row: dict[str, Any], tokenizer: Any) -> str:
    return str(
        tokenizer.decode([label for label in row["labels"] if label != -100], clean_up_tokenization_spaces=False)
    )


def test_a_page_is_learned_whole(tokenizer: Any) -> None:
    for row, page in zip(page_rows(tokenizer, pages(3, CARDS), 5), islice(pages(3, CARDS), 5), strict=True):
        assert learned(row, tokenizer) == page + END
        assert row["labels"] == row["input_ids"]


def test_a_mark_is_learned_alone_after_the_whole_text_before_it(tokenizer: Any) -> None:
    for row, page in zip(mark_rows(tokenizer, pages(3, MARKS), 5), islice(pages(3, MARKS), 5), strict=True):
        text, mark = page.split("\n\n")
        assert learned(row, tokenizer) == mark + END
        assert tokenizer.decode(row["input_ids"], clean_up_tokenization_spaces=False) == f"{text}\n\n{mark}{END}"


def test_batches_of_marks_alternate_with_batches_of_pages(tokenizer: Any) -> None:
    phase = Phase(CARDS, batch_rows=4, steps=6, schedule_steps=6, learning_rate=1e-3, marks=MARKS)
    rows = phase_rows(tokenizer, phase, 9)
    assert len(rows) == 24
    kinds = [[-100 in row["labels"] for row in rows[start : start + 4]] for start in range(0, 24, 4)]
    assert kinds == [[False] * 4, [True] * 4] * 3


def test_no_row_is_lost_between_batches(tokenizer: Any) -> None:
    rows = page_rows(tokenizer, pages(3, CARDS), 70)
    batches = batches_of_like_length(rows, 4)
    assert sorted(map(len, batches)) == [2] + [4] * 17
    assert sorted(str(row) for batch in batches for row in batch) == sorted(map(str, rows))


def test_packed_rows_are_whole_blocks_of_pages_in_their_order(tokenizer: Any) -> None:
    phase = Phase(CARDS, batch_rows=2, steps=2, schedule_steps=3, learning_rate=1e-3, packed=True)
    rows = phase_rows(tokenizer, phase, 9)
    assert [len(row["input_ids"]) for row in rows] == [BLOCK_TOKENS] * 6
    text = "".join(tokenizer.decode(row["input_ids"], clean_up_tokenization_spaces=False) for row in rows)
    assert text.startswith(next(pages(10, CARDS)) + END)


@pytest.mark.parametrize("number", range(1, len(PHASES) + 1))
def test_every_phase_can_be_drawn(tokenizer: Any, number: int) -> None:
    import dataclasses

    short = dataclasses.replace(PHASES[number - 1], steps=2, schedule_steps=2, batch_rows=2)
    assert len(phase_rows(tokenizer, short, number)) == 4
