"""The engine that is always there: transformers, on CPU or one GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from xinstr_core.engines.base import Capability, Completion, Decoding, LabelScores, Request, TokenScores, Usage
from xinstr_core.engines.batches import packed
from xinstr_core.engines.encoding import encode, maximum_positions, padded_length
from xinstr_core.engines.fit import check_fits
from xinstr_core.engines.memory import TokenBudget, unless_out_of_memory
from xinstr_core.engines.models import (
    ModelReference,
    check_ends,
    load_causal_model,
    load_prompt_format,
    load_tokenizer,
    load_trained_model,
)
from xinstr_core.engines.reading import (
    Row,
    can_share,
    first_tokens,
    has_room,
    last_states,
    left_padded,
    log_probabilities,
    read_shared,
    row_of,
    worth_sharing,
)
from xinstr_core.engines.sampling import token_chooser
from xinstr_core.settings import EngineSettings

Made = TypeVar("Made")


class TransformersEngine:
    """A causal language model: the base as it is, or what train_adapter() made of it (an adapter, or all weights).

    As many rows go through it at once as `budget` allows, those with the same prompt together.
    """

    capabilities = frozenset(Capability)

    def __init__(self, base: ModelReference, adapter: Path | None = None, budget: TokenBudget | None = None) -> None:
        from transformers import GenerationConfig

        self._tokenizer = load_tokenizer(base)
        model = load_causal_model(base) if adapter is None else load_trained_model(base, adapter)
        self._format = load_prompt_format(base, self._tokenizer)
        # A model's own generation defaults (penalties, sampling) would change what greedy means.
        model.generation_config = GenerationConfig(
            eos_token_id=self._format.stops, pad_token_id=self._tokenizer.pad_token_id
        )
        self.model: Any = model
        self._pad: int = self._tokenizer.pad_token_id
        self._embedded: int = model.get_input_embeddings().weight.shape[0]
        self._places = maximum_positions(model.config)
        self._budget = budget or TokenBudget()
        self.usage = Usage()
        check_ends(base, self._tokenizer, self._embedded)

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        """`settings` say nothing to it yet. InputError where its weights do not fit into memory."""
        check_fits(base, base.precision)
        return cls(base, adapter, budget)

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        rows = [self._row(request.prompt, request.completion) for request in requests]
        found = self._in_pieces(
            rows,
            lambda part: self._generated([requests[i] for i in part], [rows[i] for i in part], decoding),
            written=decoding.maximum_new_tokens,
            copies=2 if decoding.guidance else 1,
        )
        self.usage.completion_tokens += sum(one.completion_tokens for one in found)
        return found

    def _generated(self, requests: Sequence[Request], asked: Sequence[Row], decoding: Decoding) -> list[Completion]:
        """Completions of rows that fit, followed by those that guidance leads away from.

        Where prompts are shared, openings are written as if the model chose them: they have different lengths, and a
        window of attention must see no padding between a prompt and what follows it.
        """
        import torch

        led_away = zip(requests, asked, strict=True) if decoding.guidance else ()
        rows = [*asked, *(replace(self._row(request.against), following=row.following) for request, row in led_away)]
        longest = max(len(row.following) for row in rows)
        after = 1 + longest + decoding.maximum_new_tokens
        shares = can_share(self.model) and worth_sharing(rows) and has_room(self.model, rows, after)
        with torch.inference_mode():
            if shares:
                shared = read_shared(self.model, rows, self._pad)
                last = torch.tensor([row.prompt[-1:] for row in rows], device=self.model.device)
                mask = torch.cat([shared.mask, torch.ones_like(last)], dim=1)
                ids = torch.cat([torch.full_like(shared.mask, self._pad), last], dim=1)
                chooser = token_chooser(requests, decoding, [row.following for row in asked])
                kept = {"past_key_values": shared.cache}
            else:
                places = None if self._places is None else self._places - decoding.maximum_new_tokens
                read = [row.prompt + row.following for row in rows]
                ids, mask = left_padded(read, self._pad, self.model.device, places)
                chooser, kept = token_chooser(requests, decoding), {}
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=decoding.maximum_new_tokens + (longest if shares else 0),
                do_sample=False,
                logits_processor=[chooser],
                **kept,
            )
        written = output[: len(asked), ids.shape[1] :].tolist()
        return [
            self._completion(request, row, ids[len(row.following) if shares else 0 :][: decoding.maximum_new_tokens])
            for request, row, ids in zip(requests, asked, written, strict=True)
        ]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        rows = [self._row(request.prompt, request.completion) for request in requests]

        def scored(part: Sequence[int]) -> list[TokenScores]:
            import torch

            states = last_states(self.model, [rows[i] for i in part], self._pad)
            tokens = torch.tensor(
                [token for i in part for token in (*rows[i].following, rows[i].end)], device=self.model.device
            )
            found = log_probabilities(self.model, torch.cat(states), tokens.unsqueeze(1)).squeeze(1)
            of_rows = [values.tolist() for values in found.split([len(one) for one in states])]
            return [
                TokenScores(requests[i].key, tuple(row[:-1]), row[-1]) for i, row in zip(part, of_rows, strict=True)
            ]

        return self._in_pieces(rows, scored)

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        """Raises ValueError for labels that begin with the same token: one position could not tell them apart."""
        rows, asked_for = list[Row](), list[list[int]]()
        for request in requests:
            shared, first = first_tokens([self._row(request.prompt, label) for label in labels], labels)
            rows.append(shared)
            asked_for.append(first)

        def scored(part: Sequence[int]) -> list[LabelScores]:
            import torch

            states = torch.stack([of_row[-1] for of_row in last_states(self.model, [rows[i] for i in part], self._pad)])
            asked = torch.tensor([asked_for[i] for i in part], device=self.model.device)
            found = log_probabilities(self.model, states, asked).tolist()
            return [LabelScores(requests[i].key, tuple(row)) for i, row in zip(part, found, strict=True)]

        return self._in_pieces(rows, scored)

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit vectors (len(texts), hidden size) in float32: the mean of the last hidden states of each text."""
        import torch

        read = [self._row(text).prompt for text in texts]
        rows = [Row(ids[:1], ids[1:]) for ids in read]

        def embedded(part: Sequence[int]) -> list[Any]:
            states = last_states(self.model, [rows[i] for i in part], self._pad)
            return [torch.nn.functional.normalize(of_row.float().mean(0), dim=0) for of_row in states]

        return torch.stack(self._in_pieces(rows, embedded)).cpu().numpy()

    def count_tokens(self, text: str) -> int:
        return len(encode(self._tokenizer, text))

    def _row(self, prompt: str, completion: str = "") -> Row:
        return row_of(self._format, prompt, completion)

    def _in_pieces(
        self, rows: Sequence[Row], work: Callable[[Sequence[int]], list[Made]], *, written: int = 0, copies: int = 1
    ) -> list[Made]:
        """What `work` makes of every row, given the places of as many rows as the budget allows at once.

        `written` are tokens that every row grows by, `copies` how often it is held. Where memory runs out, all is begun anew
        with half the budget. Raises ValueError for a row that the model cannot take, RuntimeError for one that alone is too
        large for the memory.
        """
        for row in rows:
            self._check(row, written)
        started = time.monotonic()
        try:
            return self._made(rows, work, written, copies)
        finally:
            seconds = time.monotonic() - started
            on_gpu = seconds if self.model.device.type == "cuda" else 0.0
            self.usage += Usage(len(rows), sum(map(len, rows)), seconds=seconds, gpu_seconds=on_gpu)

    def _made(
        self, rows: Sequence[Row], work: Callable[[Sequence[int]], list[Made]], written: int, copies: int
    ) -> list[Made]:
        while True:
            pieces = self._pieces(rows, written, copies)
            made = dict[int, Made]()
            for piece in pieces:
                of_piece = unless_out_of_memory(work, piece)
                if of_piece is None:
                    break
                made.update(zip(piece, of_piece, strict=True))
            if len(made) == len(rows):
                return [made[i] for i in range(len(rows))]
            if len(piece) == 1:
                raise RuntimeError(f"memory ran out on this row alone, of {len(rows[piece[0]]) + written} tokens")
            self._budget.halve(self.model)

    def _pieces(self, rows: Sequence[Row], written: int, copies: int) -> list[list[int]]:
        """Places of rows that go through the model together."""
        limit = self._budget.tokens(self.model)
        return packed(
            range(len(rows)),
            shares=lambda place: rows[place].prompt,
            length=lambda place: len(rows[place]),
            name=lambda place: place,
            fits=lambda count, longest: copies * count * (padded_length(longest, self._places) + written) <= limit,
        )

    def _check(self, row: Row, written: int) -> None:
        if self._places is not None and len(row) + written > self._places:
            raise ValueError(f"{len(row)} tokens and {written} to be written: the model has {self._places} positions")
        if max((*row.prompt, *row.following)) >= self._embedded:
            raise ValueError(f"a token of this row is not among the {self._embedded} of the model's weights")

    def _completion(self, request: Request, row: Row, ids: list[int]) -> Completion:
        end = next((place for place, token in enumerate(ids) if token in self._format.stops), None)
        written = ids[:end]
        text = self._format.text([*row.following, *written])
        return Completion(request.key, text, len(row.prompt), len(written), end is not None)
