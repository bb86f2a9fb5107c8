"""Text to token ids, the same way in training and in generation. Special tokens in text stay plain text."""

from __future__ import annotations

from typing import Any


def encode(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text that comes from outside: `</s>` or `<|im_start|>` written in it is not a control token."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def encode_prompt(tokenizer: Any, prompt: str) -> list[int]:
    """Ids of a prompt, opened by the begin-of-text token of models that have one."""
    begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    return begin + encode(tokenizer, prompt)
