"""The engine that is always there: transformers, on CPU or one GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xinstr_core.engines.base import Completion, Decoding, Request, TokenScores
from xinstr_core.engines.encoding import encode, encode_prompt, padded_length, positions
from xinstr_core.engines.models import ModelReference, load_causal_model, load_tokenizer
from xinstr_core.identity import files_hash, fingerprint


class TransformersEngine:
    """A causal language model, with or without a LoRA adapter."""

    def __init__(self, base: ModelReference, adapter: Path | None = None) -> None:
        from transformers import GenerationConfig

        self._tokenizer = load_tokenizer(base)
        model = load_causal_model(base)
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        # A model's own generation defaults (penalties, sampling) would change what greedy means.
        model.generation_config = GenerationConfig(
            eos_token_id=self._tokenizer.eos_token_id, pad_token_id=self._tokenizer.pad_token_id
        )
        self.model: Any = model
        self.fingerprint = fingerprint({"base": base.fingerprint, "adapter": adapter and adapter_hash(adapter)})

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        import torch

        ids, mask = self._padded([encode_prompt(self._tokenizer, request.prompt) for request in requests])
        sampling: dict[str, Any] = {"do_sample": False}
        if decoding.temperature > 0:
            torch.manual_seed(_batch_seed(requests, decoding.seed))
            sampling = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=decoding.maximum_new_tokens,
                **sampling,
            )
        return [
            self._completion(request, int(prompt_mask.sum()), row[ids.shape[1] :].tolist())
            for request, prompt_mask, row in zip(requests, mask, output, strict=True)
        ]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        import torch

        end = self._tokenizer.eos_token_id
        # Where nothing stands before a completion, the end of another text does: so models read in their training.
        prompts = [encode_prompt(self._tokenizer, request.prompt) or [end] for request in requests]
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

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit vectors (len(texts), hidden size) in float32: the mean of the last hidden states of each text."""
        import torch

        ids, mask = self._padded([encode_prompt(self._tokenizer, text) for text in texts])
        with torch.inference_mode():
            states = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[-1]
        weights = mask.unsqueeze(-1)
        means = (states * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(means, dim=-1).float().cpu().numpy()

    def count_tokens(self, text: str) -> int:
        return len(encode(self._tokenizer, text))

    def _padded(self, rows: list[list[int]]) -> tuple[Any, Any]:
        """Left-padded ids and mask, both (rows, padded length): the last column is the last token of every row."""
        import torch

        longest = padded_length(max(len(row) for row in rows))
        pad = self._tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self.model.device), mask.to(self.model.device)

    def _completion(self, request: Request, prompt_tokens: int, ids: list[int]) -> Completion:
        end = self._tokenizer.eos_token_id
        finished = end in ids
        written = ids[: ids.index(end)] if finished else ids
        text = self._tokenizer.decode(written, skip_special_tokens=True)
        return Completion(request.key, text, prompt_tokens, len(written), finished)


def adapter_hash(folder: Path) -> str:
    return files_hash(folder, sorted(p.name for p in folder.iterdir() if p.is_file()))


def _batch_seed(requests: Sequence[Request], seed: int) -> int:
    """A seed of the batch's own keys: a batch samples the same whether or not the run was interrupted before it."""
    text = f"{seed}|" + "|".join(request.key for request in requests)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
