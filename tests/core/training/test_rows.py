"""Every token of a training row has the label it should have: the prompt none, the completion and the end its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.pocket.base_model import END, PAD, train_tokenizer
from xinstr_core.training.rows import Example, RejectedRow, TrainingRow, build_rows


@pytest.fixture(scope="module")
def byte_tokenizer() -> Any:
    """A tokenizer with no merges, so that a token is a byte and expected ids can be written down."""
    return train_tokenizer(iter([]), vocabulary=258)


def byte_id(tokenizer: Any, character: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(character))


def test_the_loss_is_on_the_completion_and_the_end_token_only(byte_tokenizer: Any) -> None:
    a, b, c, end = (byte_id(byte_tokenizer, token) for token in ("a", "b", "c", END))
    rows, rejected = build_rows(PlainFormat(byte_tokenizer), [Example("k", "ab", "ca")], maximum_tokens=16)
    assert rows == [TrainingRow("k", [a, b, c, a, end], [-100, -100, c, a, end])]
    assert rejected == []


def test_the_begin_token_of_a_model_that_has_one_opens_the_row_and_bears_no_loss() -> None:
    tokenizer = train_tokenizer(iter([]), vocabulary=258)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    a, b, end, begin = (byte_id(tokenizer, token) for token in ("a", "b", END, "<s>"))
    rows, _ = build_rows(PlainFormat(tokenizer), [Example("k", "a", "b")], maximum_tokens=16)
    assert rows == [TrainingRow("k", [begin, a, b, end], [-100, -100, b, end])]


def test_an_end_mark_written_in_the_text_is_trained_as_text(byte_tokenizer: Any) -> None:
    end = byte_id(byte_tokenizer, END)
    rows, _ = build_rows(PlainFormat(byte_tokenizer), [Example("k", END, f"x{END}y{PAD}")], maximum_tokens=100)
    assert [index for index, token in enumerate(rows[0].input_ids) if token == end] == [len(rows[0].input_ids) - 1]
    assert len(rows[0].labels) == len(END) + len(f"x{END}y{PAD}") + 1
    assert byte_id(byte_tokenizer, PAD) not in rows[0].input_ids


def test_a_row_without_a_trainable_token_is_refused(byte_tokenizer: Any) -> None:
    rows, rejected = build_rows(PlainFormat(byte_tokenizer), [Example("k", "ab", "")], maximum_tokens=16)
    assert (rows, rejected) == ([], [RejectedRow("k", "no_trainable_token", 3)])


def test_a_row_of_exactly_the_maximum_stays_and_one_token_more_is_refused(byte_tokenizer: Any) -> None:
    examples = [
        Example("fits", "abcd", "xyz"),
        Example("long", "abcd", "xyzw"),
        Example("long prompt", "abcdefgh", "x"),
    ]
    rows, rejected = build_rows(PlainFormat(byte_tokenizer), examples, maximum_tokens=8)
    assert [(row.key, len(row.input_ids)) for row in rows] == [("fits", 8)]
    assert rejected == [RejectedRow("long", "too_many_tokens", 9), RejectedRow("long prompt", "too_many_tokens", 10)]


def test_rows_keep_the_order_of_the_examples(byte_tokenizer: Any) -> None:
    examples = [Example("c", "a", "bb"), Example("a", "a", ""), Example("b", "a", "b")]
    rows, rejected = build_rows(PlainFormat(byte_tokenizer), examples, maximum_tokens=16)
    assert ([row.key for row in rows], [row.key for row in rejected]) == (["c", "b"], ["a"])


def test_a_lone_surrogate_or_a_nul_is_a_refused_row_and_not_a_crash(byte_tokenizer: Any) -> None:
    """JSON can carry both; a surrogate has no UTF-8 form, so no tokenizer takes it."""
    examples = [
        Example("bad", "prompt \ud800", "text"),
        Example("worse", "prompt", "\udfff"),
        Example("nul before", "prompt \x00", "text"),
        Example("nul after", "prompt", "\x00"),
        Example("good", "a", "b"),
    ]
    rows, rejected = build_rows(PlainFormat(byte_tokenizer), examples, maximum_tokens=64)
    assert [row.key for row in rows] == ["good"]
    assert rejected == [RejectedRow(key, "not_text", 0) for key in ("bad", "worse", "nul before", "nul after")]


def test_no_examples_give_no_rows(byte_tokenizer: Any) -> None:
    assert build_rows(PlainFormat(byte_tokenizer), [], maximum_tokens=16) == ([], [])


@pytest.mark.parametrize(
    "completion",
    ["กี่ น้ำ ผู้ใหญ่", "Tie\u0302\u0301ng Vie\u0323\u0302t", "কলকাতা किताब தமிழ் اُردُو", " ", "line\r\nline\n"],
    ids=ascii,
)
def test_what_is_trained_reads_back_as_the_completion(tokenizer: Any, completion: str) -> None:
    rows, rejected = build_rows(
        PlainFormat(tokenizer), [Example("k", "### Text:\nx\n", completion)], maximum_tokens=200
    )
    assert rejected == []
    trained = [label for label in rows[0].labels if label != -100]
    assert trained[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(trained[:-1], clean_up_tokenization_spaces=False) == completion


@settings(max_examples=100, deadline=None)
@given(prompt=st.text(max_size=30), completion=st.text(max_size=30))
def test_any_example_is_a_complete_row_or_a_refused_one(tokenizer: Any, prompt: str, completion: str) -> None:
    rows, rejected = build_rows(PlainFormat(tokenizer), [Example("k", prompt, completion)], maximum_tokens=40)
    ids = encode_prompt(tokenizer, prompt) + encode(tokenizer, completion) + [tokenizer.eos_token_id]
    if "\x00" in prompt + completion:
        assert rejected == [RejectedRow("k", "not_text", 0)]
    elif completion and len(ids) <= 40:
        before = len(encode_prompt(tokenizer, prompt))
        assert rows == [TrainingRow("k", ids, [-100] * before + ids[before:])]
    else:
        assert rejected == [RejectedRow("k", "too_many_tokens" if completion else "no_trainable_token", len(ids))]
