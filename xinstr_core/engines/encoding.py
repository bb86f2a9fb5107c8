"""Text to token ids, the same way in training and in generation. Special tokens in text stay plain text."""

from __future__ import annotations

from typing import Any

# Rows are padded to a multiple of this. On CPU every new shape costs kernels and buffers that are kept: three epochs of
# LoRA over 180 rows peak at 1,133 MiB so, and at 2,055 MiB with a length for every batch (benchmarks/padding.py).
LENGTH_STEP = 32


def encode(tokenizer: Any, text: str) -> list[int]:
    """Ids of a text that comes from outside: `</s>` or `<|im_start|>` written in it is not a control token."""
    # Whether a text is too long is for the caller to judge, and not for a warning.
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    return ids


def encode_prompt(tokenizer: Any, prompt: str) -> list[int]:
    """Ids of a prompt, opened by the begin-of-text token of models that have one."""
    begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    return begin + encode(tokenizer, prompt)


def positions(mask: Any) -> Any:
    """Position of every token in left-padded rows, from their mask (rows, longest): padding takes no place."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def maximum_positions(config: Any) -> int | None:
    """The tokens that a model of this configuration can take in a row; None where nothing limits them.

    Beyond them, tables of positions (GPT-2, OPT), of angles (GPT-J, CodeGen) or of distances (MPT, which has its own name
    for the setting) have no entry.
    """
    own = config.get_text_config(decoder=True)
    positions = getattr(own, "max_position_embeddings", None) or getattr(own, "max_seq_len", None)
    return positions if positions and positions > 0 else None  # XLNet says -1


def padded_length(tokens: int, positions: int | None = None) -> int:
    """The next multiple of LENGTH_STEP, but no more than a model has positions: padding takes one too."""
    padded = -(-tokens // LENGTH_STEP) * LENGTH_STEP
    return padded if positions is None else max(tokens, min(padded, positions))
