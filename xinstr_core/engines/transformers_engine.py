"""The engine that is always there: transformers, on CPU or one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xinstr_core.engines.base import Capability, Completion, Decoding, LabelScores, Request, TokenScores
from xinstr_core.engines.encoding import encode, encode_prompt, padded_length, positions
from xinstr_core.engines.models import (
    ModelReference,
    adapter_hash,
    load_causal_model,
    load_tokenizer,
    load_trained_model,
)
from xinstr_core.engines.sampling import row_sampler
from xinstr_core.identity import fingerprint


class TransformersEngine:
    """A causal language model: the base as it is, or what train_adapter() made of it (an adapter, or all weights)."""

    capabilities = frozenset(Capability)

    def __init__(self, base: ModelReference, adapter: Path | None = None) -> None:
        from transformers import GenerationConfig

        self._tokenizer = load_tokenizer(base)
        model = load_causal_model(base) if adapter is None else load_trained_model(base, adapter)
        # A model's own generation defaults (penalties, sampling) would change what greedy means.
        model.generation_config = GenerationConfig(
            eos_token_id=self._tokenizer.eos_token_id, pad_token_id=self._tokenizer.pad_token_id
        )
        self.model: Any = model
        self.fingerprint = fingerprint({"base": base.fingerprint, "adapter": adapter and adapter_hash(adapter)})

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        import torch

        openings = [encode(self._tokenizer, request.completion) for request in requests]
        prompts = [self._prompt(request.prompt) for request in requests]
        ids, mask = self._padded([prompt + opening for prompt, opening in zip(prompts, openings, strict=True)])
        sampling = {"logits_processor": [row_sampler(requests, decoding)]} if decoding.temperature > 0 else {}
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=decoding.maximum_new_tokens,
                do_sample=False,
                **sampling,
            )
        written = output[:, ids.shape[1] :].tolist()
        return [
            self._completion(request, len(prompt), opening, row)
            for request, prompt, opening, row in zip(requests, prompts, openings, written, strict=True)
        ]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        import torch

        end = self._tokenizer.eos_token_id
        prompts = [self._prompt(request.prompt) for request in requests]
        completions = [[*encode(self._tokenizer, request.completion), end] for request in requests]
        rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
        kept = padded_length(max(len(completion) for completion in completions) + 1)
        ids, mask = self._padded(rows)
        with torch.inference_mode():
            logits = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions(mask), logits_to_keep=kept
            ).logits
        scored = []
        for request, completion, of_row in zip(requests, completions, logits, strict=True):
            of_tokens = torch.log_softmax(of_row[-len(completion) - 1 : -1].double(), dim=-1)
            picked = of_tokens.gather(1, torch.tensor(completion, device=of_tokens.device).unsqueeze(1)).squeeze(1)
            *tokens, last = picked.tolist()
            scored.append(TokenScores(request.key, tuple(tokens), last))
        return scored

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        """Raises ValueError for labels that begin with the same token: one position could not tell them apart."""
        import torch

        first = [encode(self._tokenizer, label)[0] for label in labels]
        if len(set(first)) < len(first):
            raise ValueError(f"labels {list(labels)} do not differ in their first token")
        ids, mask = self._padded([self._prompt(request.prompt) for request in requests])
        with torch.inference_mode():
            logits = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions(mask), logits_to_keep=1
            ).logits
        picked = torch.log_softmax(logits[:, -1].double(), dim=-1)[:, first].tolist()
        return [LabelScores(request.key, tuple(row)) for request, row in zip(requests, picked, strict=True)]

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit vectors (len(texts), hidden size) in float32: the mean of the last hidden states of each text."""
        import torch

        ids, mask = self._padded([self._prompt(text) for text in texts])
        with torch.inference_mode():
            states = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions(mask), output_hidden_states=True
            ).hidden_states[-1]
        weights = mask.unsqueeze(-1)
        means = (states * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(means, dim=-1).float().cpu().numpy()

    def count_tokens(self, text: str) -> int:
        return len(encode(self._tokenizer, text))

    def _prompt(self, text: str) -> list[int]:
        """Ids of what is read first, never none: where nothing stands, the end of another text does, as in training."""
        return encode_prompt(self._tokenizer, text) or [self._tokenizer.eos_token_id]

    def _padded(self, rows: list[list[int]]) -> tuple[Any, Any]:
        """Left-padded ids and mask, both (rows, padded length): the last column is the last token of every row."""
        import torch

        longest = padded_length(max(len(row) for row in rows))
        pad = self._tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self.model.device), mask.to(self.model.device)

    def _completion(self, request: Request, prompt_tokens: int, opening: list[int], ids: list[int]) -> Completion:
        end = self._tokenizer.eos_token_id
        finished = end in ids
        written = ids[: ids.index(end)] if finished else ids
        text = self._tokenizer.decode(opening + written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Completion(request.key, text, prompt_tokens, len(written), finished)
