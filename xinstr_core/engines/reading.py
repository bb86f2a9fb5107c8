"""What a causal language model makes of rows of ids: its last states, and log-probabilities of tokens at chosen places.

A prompt that several rows begin with is read once: its keys and values are kept, and each row goes on from them as a
branch. No tensor holds the vocabulary for more than a few positions.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xinstr_core.engines.encoding import maximum_positions, padded_length, positions
from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.errors import InputError

# Numbers in one piece of logits, 128 MiB in float32: 128 positions of a vocabulary of 262,144.
_LOGITS = 2**25
# Branches are a few tokens, and there are many: a multiple of 32 would double the work of eight openings.
_BRANCH_STEP = 8


@dataclass(frozen=True)
class Row:
    """Ids of a prompt, never none, and of what follows it; `end` is the token that would end that."""

    prompt: tuple[int, ...]
    following: tuple[int, ...] = ()
    end: int = 0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.following)


def row_of(prompt_format: PlainFormat, prompt: str, completion: str = "") -> Row:
    """Ids of what is read first, never none: where nothing stands, the end of another text does, as in training."""
    made = prompt_format.encoded(prompt, completion)
    return Row(tuple(made.prompt or made.end), tuple(made.completion), made.end[0])


def first_tokens(rows: Sequence[Row], labels: Sequence[str]) -> tuple[Row, list[int]]:
    """Of a prompt's labels: the row up to where they part, a blank before them included, and the token of each there.

    Raises ValueError for labels that one position could not tell apart.
    """
    common = 0
    while all(len(row.following) > common + 1 for row in rows) and len({row.following[common] for row in rows}) == 1:
        common += 1
    first = [row.following[common] for row in rows]
    if len(set(first)) < len(first):
        raise ValueError(f"labels {list(labels)} do not differ in their first token")
    return replace(rows[0], following=rows[0].following[:common]), first


@dataclass(frozen=True)
class Shared:
    """What was read of the prompts of rows: all but their last tokens.

    `cache` has a row for each row, and `mask` (rows, longest) says which of its places, padded on the left, are tokens.
    """

    cache: Any
    mask: Any


def can_share(model: Any) -> bool:
    """Whether what a model keeps of a prompt can be repeated: keys and values of attention, whole or of a window."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    keeps = "past_key_values" in inspect.signature(model.base_model.forward).parameters  # the first GPT keeps nothing
    return keeps and not model._is_stateful and kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


def worth_sharing(rows: Sequence[Row]) -> bool:
    """Whether each prompt serves two rows or more on average, and there is more of it than a token.

    Reading in two steps costs a second pass over all weights.
    """
    prompts = {row.prompt for row in rows}
    return 2 * len(prompts) <= len(rows) and max(map(len, prompts)) > _BRANCH_STEP


def has_room(model: Any, rows: Sequence[Row], after: int) -> bool:
    """Whether the model has positions for the rows' prompts as `read_shared` pads them, and so many tokens after."""
    places = maximum_positions(model.config)
    prompts = max(len(row.prompt) for row in rows) - 1
    return places is None or padded_length(prompts, places) + after <= places


def read_shared(model: Any, rows: Sequence[Row], pad: int) -> Shared:
    """Read every different prompt of the rows once, up to its last token, from which a row goes on."""
    import torch
    from transformers import DynamicCache

    number = {prompt: index for index, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
    places = maximum_positions(model.config)
    ids, mask = left_padded([prompt[:-1] for prompt in number], pad, model.device, places)
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model.base_model(
            input_ids=ids, attention_mask=mask, position_ids=positions(mask), past_key_values=cache, use_cache=True
        )
    branches = torch.tensor([number[row.prompt] for row in rows], device=model.device)
    cache.reorder_cache(branches)
    return Shared(cache, mask[branches])


def last_states(model: Any, rows: Sequence[Row], pad: int) -> list[Any]:
    """The last hidden states of every row from the last token of its prompt on: (1 + following tokens, hidden size) each.

    Padding stands on the right, where no token sees it, so it needs no mask.
    """
    import torch

    branch = -(-max(1 + len(row.following) for row in rows) // _BRANCH_STEP) * _BRANCH_STEP
    shares = can_share(model) and worth_sharing(rows) and has_room(model, rows, branch)
    shared = read_shared(model, rows, pad) if shares else None
    unread = [((*row.prompt[-1:], *row.following) if shared else (*row.prompt, *row.following)) for row in rows]
    longest = branch if shared else padded_length(max(map(len, unread)), maximum_positions(model.config))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in unread], device=model.device)
    if shared is None:
        kept = {"use_cache": False}
    else:
        starts = shared.mask.sum(-1, keepdim=True)
        kept = {
            "past_key_values": shared.cache,
            "use_cache": True,
            "attention_mask": torch.cat([shared.mask, torch.ones_like(ids)], dim=1),
            "position_ids": starts + torch.arange(longest, device=model.device),
        }
    with torch.inference_mode():
        states = model.base_model(input_ids=ids, **kept).last_hidden_state
    return [
        of_row[len(read) - len(row.following) - 1 : len(read)]
        for row, read, of_row in zip(rows, unread, states, strict=True)
    ]


def log_probabilities(model: Any, states: Any, tokens: Any) -> Any:
    """Natural log-probabilities in float32 of `tokens` (positions, n) at `states` (positions, hidden size).

    Raises ValueError where the model's logits are no numbers.
    """
    import torch

    found = []
    for piece, asked in zip(_pieces(model, states), _pieces(model, tokens), strict=True):
        with torch.inference_mode():
            logits = _logits(model, piece).float()
            found.append(logits.gather(1, asked) - logits.logsumexp(-1, keepdim=True))
    together = torch.cat(found)
    if together.isnan().any():
        raise ValueError("the model's scores of a token are no numbers")
    return together


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: Any, places: int | None = None) -> tuple[Any, Any]:
    """Ids and mask, both (rows, padded length up to `places`): the last column is the last token of every row."""
    import torch

    longest = padded_length(max(map(len, rows)), places)
    ids = torch.tensor([[*[pad] * (longest - len(row)), *row] for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def _pieces(model: Any, of_positions: Any) -> Iterator[Any]:
    step = max(1, _LOGITS // model.config.get_text_config(decoder=True).vocab_size)
    yield from of_positions.split(step)


def _logits(model: Any, states: Any) -> Any:
    """Logits (positions, vocabulary) of last states.

    What stands between the two is a model's own (a cap, a scale), so its own forward is asked, with the states in the
    place of what its layers would give. InputError for a model that would not use them.
    """
    import torch

    asked: list[Any] = []

    def given(*_: Any, **__: Any) -> _LastStates:
        asked.append(states)
        return _LastStates(states.unsqueeze(0))

    # OPT's forward passes its base model by and asks the decoder in it.
    layers = {id(one): one for one in (model.base_model, model.get_decoder())}.values()
    for one in layers:
        one.forward = given
    try:
        ids = torch.zeros((1, len(states)), dtype=torch.long, device=states.device)
        logits = model(input_ids=ids, use_cache=False).logits[0]
    finally:
        for one in layers:
            del one.forward
    if not asked:
        raise InputError(f"{type(model).__name__} makes its logits in a way that is not known: use another base model")
    return logits


class _LastStates:
    """Stands for what a model's layers give, of whatever class that is: their last states, first, and nothing else."""

    def __init__(self, states: Any) -> None:
        self.last_hidden_state = states

    def __getattr__(self, name: str) -> None:
        return None

    def __getitem__(self, place: int) -> Any:
        return (self.last_hidden_state,)[place]
