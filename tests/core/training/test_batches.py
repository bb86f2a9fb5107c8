"""What goes through the model together: every row once, little padding, and no more than the budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinstr_core.settings import TrainingSettings
from xinstr_core.training.batches import collate, labels_of, micro_batches, padded_tokens, training_steps
from xinstr_core.training.rows import TrainingRow


def rows_of(*lengths: int) -> list[TrainingRow]:
    return [TrainingRow(str(i), [5] * length, [-100, *[5] * (length - 1)]) for i, length in enumerate(lengths)]


def lengths_of(batches: list[list[TrainingRow]]) -> list[list[int]]:
    return [[len(row.input_ids) for row in batch] for batch in batches]


def test_short_rows_go_together_and_long_ones_alone() -> None:
    assert lengths_of(micro_batches(rows_of(30, 900, 20, 25), 1024)) == [[20, 25, 30], [900]]


def test_rows_of_one_length_are_split_at_the_budget() -> None:
    assert lengths_of(micro_batches(rows_of(*[100] * 5), 256)) == [[100], [100, 100], [100, 100]]


def test_a_row_beyond_the_budget_goes_alone() -> None:
    assert lengths_of(micro_batches(rows_of(300, 10, 10), 64)) == [[10, 10], [300]]


@given(st.lists(st.integers(2, 300), min_size=1, max_size=12), st.integers(1, 600))
def test_every_row_goes_once_and_no_group_of_several_exceeds_the_budget(lengths: list[int], tokens: int) -> None:
    batches = micro_batches(rows_of(*lengths), tokens)
    assert sorted(row.key for batch in batches for row in batch) == sorted(map(str, range(len(lengths))))
    assert all(len(batch) == 1 or padded_tokens(batch) <= tokens for batch in batches)


def test_a_batch_is_padded_on_the_right_with_no_loss_on_the_padding() -> None:
    batch = collate(3, [TrainingRow("a", [4, 5, 6], [-100, 5, 6]), TrainingRow("b", [8, 9], [8, 9])])
    assert [row[:4] for row in batch["input_ids"].tolist()] == [[4, 5, 6, 3], [8, 9, 3, 3]]
    assert [row[:4] for row in batch["labels"].tolist()] == [[-100, 5, 6, -100], [8, 9, -100, -100]]
    assert {label for row in batch["labels"].tolist() for label in row[3:]} == {-100}


@pytest.mark.parametrize(("tokens", "padded"), [(1, 32), (31, 32), (32, 32), (33, 64), (300, 320)])
def test_lengths_go_in_steps_so_that_few_shapes_occur(tokens: int, padded: int) -> None:
    rows = [TrainingRow("a", [5] * tokens, [5] * tokens)]
    assert collate(0, rows)["input_ids"].shape == (1, padded)
    assert padded_tokens(rows) == padded


def test_an_end_token_that_is_also_the_pad_token_keeps_its_label() -> None:
    """Models without a pad token pad with the end token; masking by token id would unlearn stopping."""
    batch = collate(9, [TrainingRow("a", [5, 9], [-100, 9]), TrainingRow("b", [5, 6, 9], [-100, 6, 9])])
    assert [row[:3] for row in batch["labels"].tolist()] == [[-100, 9, -100], [-100, 6, 9]]


def test_a_first_token_has_nothing_before_it_and_is_not_counted() -> None:
    assert labels_of([TrainingRow("a", [5, 6], [5, 6]), TrainingRow("b", [5, 6, 7], [-100, 6, 7])]) == 3


def test_steps_hold_every_row_once_an_epoch_and_are_the_same_for_the_same_seed() -> None:
    rows, settings = rows_of(*range(2, 12)), TrainingSettings(epochs=2.5, batch_rows=3)
    steps = training_steps(rows, settings)
    keys = [row.key for step in steps for row in step]
    assert [len(step) for step in steps] == [3] * 8 + [1]
    assert sorted(keys[:10]) == sorted(keys[10:20]) == sorted(row.key for row in rows)
    assert training_steps(rows, settings) == steps
    assert training_steps(rows, settings.model_copy(update={"seed": 1})) != steps
