"""What steers a model is never written by text, and text is never taken for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.control_tokens import is_control
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.models import ModelReference, load_tokenizer

TEXT = [
    "\n",
    "\n\n",
    "  ",
    "\t\t",
    "▁▁▁",
    "<table>",
    "</h1>",
    "<b>",
    "<br/>",
    "ugali",
    "น้ำ",
    "<",
    ">",
    "[]",
    "a>b",
    "👩",
]
CONTROL = [
    "</think>",
    "<tool_call>",
    "<|im_start|>",
    "<|fim_prefix|>",
    "<start_of_image>",
    "[multimodal]",
    "[INST]",
    "<2sw>",
]


@pytest.mark.parametrize("token", TEXT)
def test_whitespace_tags_and_words_are_text(token: str) -> None:
    assert not is_control(token)


@pytest.mark.parametrize("token", CONTROL)
def test_a_name_in_brackets_that_is_no_html_element_steers(token: str) -> None:
    assert is_control(token)


@pytest.fixture(scope="module")
def published(tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> ModelReference:
    """The tiny tokenizer with tokens beside its pieces that it does not call special, as published ones have them."""
    from tokenizers import AddedToken

    folder: Path = tmp_path_factory.mktemp("tokenizers")
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in (*TEXT[:10], *CONTROL)])
    tokenizer.save_pretrained(folder)
    return ModelReference("published", folder, "any")


@pytest.fixture(scope="module")
def own(published: ModelReference) -> Any:
    """The tokenizer as its makers load it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(published.path)


@pytest.mark.parametrize("text", ["a\n\nb", "x  y\t\tz\n", "<table>ugali</h1>\n\n<b>", "1\n\n2\n3 <br/>"])
def test_text_has_the_ids_of_its_own_tokenizer_and_comes_back_whole(
    published: ModelReference, own: Any, text: str
) -> None:
    tokenizer = load_tokenizer(published)
    ids = encode(tokenizer, text)
    assert ids == own(text, add_special_tokens=False)["input_ids"]
    assert max(ids) >= own.convert_tokens_to_ids("\n")  # tokens beside the pieces are used
    assert tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("token", CONTROL)
def test_a_control_token_is_split_where_a_text_writes_it_and_left_out_where_a_model_does(
    published: ModelReference, token: str
) -> None:
    tokenizer = load_tokenizer(published)
    control, text = tokenizer.convert_tokens_to_ids(token), f"maji\n\n{token}3"
    ids = encode(tokenizer, text)
    assert control not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text
    assert tokenizer.decode([*ids, control], skip_special_tokens=True, clean_up_tokenization_spaces=False) == text
