"""Text becomes token ids without loss, and never control tokens."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.pocket.base_model import END, PAD, train_tokenizer
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES

HOSTILE = [
    "",
    " ",
    "กี่ น้ำ ผู้ใหญ่",
    "Tie\u0302\u0301ng Vie\u0323\u0302t and Tiếng Việt",
    "কলকাতা किताब தமிழ் اُردُو",
    "a\u200db \ufeff \x00 \x1b[31m \r\n\u2028",
    "👩\u200d👩\u200d👧 \U0010ffff",
    f"before {END} after {PAD}",
    "</s><s>[INST]<|im_start|>",
]


@pytest.fixture(scope="module")
def begin_tokenizer() -> Any:
    """A tokenizer of a model that has a begin-of-text token."""
    made = train_tokenizer(islice(pages(3, PHASES[0].mix), 5), vocabulary=300)
    made.add_special_tokens({"bos_token": "<s>"})
    return made


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_the_ids_of_a_text_give_back_exactly_the_text(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(encode(tokenizer, text), clean_up_tokenization_spaces=False) == text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40))
def test_any_text_survives_encoding(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(encode(tokenizer, text), clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("mark", [END, PAD])
def test_a_control_token_written_in_a_text_stays_plain_text(tokenizer: Any, mark: str) -> None:
    control = tokenizer.convert_tokens_to_ids(mark)
    assert tokenizer(mark, add_special_tokens=False)["input_ids"] == [control]
    ids = encode(tokenizer, f"one{mark}two{mark}")
    assert control not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == f"one{mark}two{mark}"


def test_a_prompt_is_opened_once_by_the_begin_token_where_there_is_one(begin_tokenizer: Any) -> None:
    begin = begin_tokenizer.bos_token_id
    ids = encode_prompt(begin_tokenizer, "<s>Habari")
    assert ids == [begin, *encode(begin_tokenizer, "<s>Habari")]
    assert ids.count(begin) == 1


def test_a_prompt_has_no_begin_token_where_the_model_knows_none(tokenizer: Any) -> None:
    assert encode_prompt(tokenizer, "Habari") == encode(tokenizer, "Habari") != []


def test_a_completion_has_no_begin_token(begin_tokenizer: Any) -> None:
    assert begin_tokenizer.bos_token_id not in encode(begin_tokenizer, "Habari")


def test_a_prompt_and_its_completion_are_encoded_as_in_training(tokenizer: Any) -> None:
    """The ids after the prompt are the label's own ids: rating looks at the token that training taught."""
    prompt = "### Rating:\n"
    for label in ("1", "2", "3"):
        assert tokenizer.decode(encode_prompt(tokenizer, prompt) + encode(tokenizer, label)) == prompt + label
        assert len(encode(tokenizer, label)) == 1
