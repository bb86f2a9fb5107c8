"""The engine that is always there: transformers, on CPU or one GPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xinstr_core.engines.base import Completion, Decoding, LabelScores, Request
from xinstr_core.engines.encoding import encode, encode_prompt
from xinstr_core.engines.models import ModelReference, load_causal_model, load_tokenizer
from xinstr_core.errors import InputError
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

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        import torch

        label_ids = label_tokens(self._tokenizer, labels)
        ids, mask = self._padded([encode_prompt(self._tokenizer, request.prompt) for request in requests])
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask, logits_to_keep=1).logits[:, -1, label_ids]
        scores = torch.log_softmax(logits.double(), dim=-1)
        return [LabelScores(r.key, tuple(row.tolist())) for r, row in zip(requests, scores, strict=True)]

    def log_likelihood(self, prompt: str, completion: str) -> tuple[float, int]:
        """Summed log-probability (natural log) of a completion after its prompt, and its number of tokens."""
        import torch

        prompt_ids = encode_prompt(self._tokenizer, prompt)
        completion_ids = encode(self._tokenizer, completion)
        ids = torch.tensor([prompt_ids + completion_ids], device=self.model.device)
        with torch.inference_mode():
            logits = self.model(input_ids=ids, logits_to_keep=len(completion_ids) + 1).logits[0, :-1].double()
        picked = torch.log_softmax(logits, dim=-1).gather(1, ids[0, len(prompt_ids) :].unsqueeze(1))
        return float(picked.sum()), len(completion_ids)

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
        """Left-padded ids and mask, both (rows, longest): the last column is the last token of every row."""
        import torch

        longest = max(len(row) for row in rows)
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


def label_tokens(tokenizer: Any, labels: Sequence[str]) -> list[int]:
    """The first token of each label. InputError when two labels share it: they cannot be scored in one pass."""
    tokens = [encode(tokenizer, label)[0] for label in labels]
    if len(set(tokens)) < len(tokens):
        raise InputError(
            f"this tokenizer writes the labels {list(labels)} with the same first token: no rating is possible"
        )
    return tokens


def adapter_hash(folder: Path) -> str:
    return files_hash(folder, sorted(p.name for p in folder.iterdir() if p.is_file()))


def _batch_seed(requests: Sequence[Request], seed: int) -> int:
    """A seed of the batch's own keys: a batch samples the same whether or not the run was interrupted before it."""
    text = f"{seed}|" + "|".join(request.key for request in requests)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
