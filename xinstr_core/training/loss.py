"""Cross entropy of the labelled positions alone, from hidden states, without a tensor of rows x tokens x vocabulary."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

from xinstr_core.engines.memory import give_back_freed
from xinstr_core.errors import StageError
from xinstr_core.training.rows import IGNORED

# Logits that exist at once. 128 positions of the 262,144 tokens of Gemma 3: 128 MiB in float32.
CHUNK_LOGITS = 2**25
# Rows of a trained head whose gradient is made at once: a second gradient of all 262,144 would be the peak of a step.
_HEAD_ROWS = 2**14


@dataclass(frozen=True)
class Head:
    """What makes logits of hidden states: a linear layer, for some models scaled, for some bounded.

    logits = softcap * tanh(scale * (weight @ hidden + bias) / softcap), without the bound where `softcap` is None (Gemma 2,
    arXiv 2408.00118, section 2).
    """

    weight: Any
    bias: Any
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden: Any) -> Any:
        """Of hidden states (positions, width), in float32."""
        import torch

        bias = None if self.bias is None else self.bias.to(hidden.dtype)
        made = torch.nn.functional.linear(hidden, self.weight.to(hidden.dtype), bias).float()
        if self.scale != 1.0:
            made.mul_(self.scale)
        return made if self.softcap is None else made.div_(self.softcap).tanh_().mul_(self.softcap)


def head_of(model: Any) -> Head:
    """The head of a causal language model, of which `model` may be an adapted one."""
    layer, config = model.get_output_embeddings(), model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
    return Head(layer.weight, layer.bias, scale, getattr(config, "final_logit_softcapping", None))


def check_head(model: Any, ids: list[int]) -> None:
    """StageError where `model` makes other logits of a few tokens than head_of() says: its config has something more."""
    import torch

    with torch.no_grad():
        given = torch.tensor([ids], device=model.device)
        expected = model(input_ids=given, use_cache=False).logits[0].float()
        found = head_of(model).logits(hidden_states(model, given)[0])
    if float((found - expected).abs().max()) > 0.01 * float(expected.abs().max()):
        raise StageError(
            f"{type(model).__name__} makes its logits in a way that training does not know: use another base model"
        )


def check_packing(model: Any, ids: list[int]) -> None:
    """StageError where a row of a few tokens has other hidden states behind another one than by itself."""
    if not _keeps_apart(model, ids[::-1], ids):
        raise StageError(
            f"{type(model).__name__} does not keep rows of one sequence apart: set packing = false, or use another base model"
        )


def _keeps_apart(model: Any, first: list[int], second: list[int]) -> bool:
    import torch

    if "position_ids" not in inspect.signature(_decoder(model).forward).parameters:
        return False
    with torch.no_grad():
        alone = hidden_states(model, torch.tensor([second], device=model.device))[0]
        packed = torch.tensor([[*first, *second]], device=model.device)
        positions = torch.tensor([[*range(len(first)), *range(len(second))]], device=model.device)
        found = hidden_states(model, packed, positions)[0, len(first) :]
    return float((found - alone).abs().max()) <= 0.01 * float(alone.abs().max())


def hidden_states(model: Any, ids: Any, position_ids: Any = None) -> Any:
    """The last hidden states (rows, tokens, width) of right-padded ids (rows, tokens).

    No mask: attention is causal, so that a row sees nothing of the padding behind it. Where `position_ids` begin anew, what
    comes then is a row of its own and sees nothing before (create_causal_mask() of transformers).
    """
    given = {} if position_ids is None else {"position_ids": position_ids}
    return _decoder(model)(input_ids=ids, use_cache=False, **given).last_hidden_state


def _decoder(model: Any) -> Any:
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    return whole.get_decoder()


def log_probabilities(model: Any, input_ids: Any, labels: Any, *, dtype: Any) -> Any:
    """The summed natural log-probability of each row's labels (rows), in float64; nothing is kept for gradients.

    `input_ids` and `labels` are (rows, tokens), computed as by backward() and in no more memory.
    """
    import torch

    with torch.no_grad(), torch.autocast(input_ids.device.type, dtype, enabled=dtype != torch.float32):
        hidden = hidden_states(model, input_ids)[:, :-1]
        labels = labels[:, 1:]
        labelled = labels != IGNORED
        hidden, wanted, head = hidden[labelled].to(dtype), labels[labelled], head_of(model)
        used = replace(head, weight=head.weight.to(dtype))
        found = torch.zeros(labels.shape, dtype=torch.float64, device=labels.device)
        found[labelled] = torch.cat(
            [
                logits.gather(-1, wanted[part, None])[:, 0] - logits.logsumexp(-1)
                for part in _chunks(len(wanted), len(head.weight), CHUNK_LOGITS)
                for logits in [used.logits(hidden[part])]
            ]
        ).double()
    return found.sum(1)


def backward(model: Any, input_ids: Any, labels: Any, *, weight: Any, dtype: Any, position_ids: Any = None) -> Any:
    """Add the gradients of `weight` x the summed cross entropy of the labels to the trained weights; return that sum unweighted.

    `input_ids` and `labels` are (rows, tokens), right-padded; a token's hidden state predicts the next one. `weight` is one
    number for all rows, or a tensor (rows) of one each. `position_ids` are those of packed rows. Layers and logits are computed in `dtype`, and the softmax in float32.
    """
    import torch

    embedding = model.get_input_embeddings()
    if embedding.weight.requires_grad:
        # Of the tokens that were there alone, added to what the head has: a second gradient of all 262,144 tokens of Gemma 3
        # was 0.5 GB of a step's peak in float32.
        embedding.sparse = True
        _gradient(embedding.weight)
    with torch.autocast(input_ids.device.type, dtype, enabled=dtype != torch.float32):
        hidden = hidden_states(model, input_ids, position_ids)[:, :-1]
    if embedding.weight.requires_grad and input_ids.device.type == "cpu":
        give_back_freed()  # of earlier rows, before the head makes copies and logits that find no place between what is left
    labels = labels[:, 1:]
    labelled = labels != IGNORED
    hidden = hidden[labelled].to(dtype)
    if isinstance(weight, torch.Tensor):
        weight = weight[:, None].expand_as(labels)[labelled]
    with torch.no_grad():
        loss, gradient = cross_entropy(hidden, labels[labelled], head_of(model), weight)
    hidden.backward(gradient)
    return loss


def cross_entropy(
    hidden: Any, labels: Any, head: Head, weight: Any, chunk_logits: int = CHUNK_LOGITS
) -> tuple[Any, Any]:
    """The summed cross entropy of `labels` (positions) given `hidden` (positions, width), and its gradient x `weight`.

    `weight` is one number, or a tensor (positions) of one each. The gradient is made where a chunk's logits are at hand, and kept instead of them: what Liger Kernel (arXiv
    2410.10989, section 3.2) does on a GPU. That of the head itself, where it is trained, is added to it.
    """
    import torch

    loss = torch.zeros((), device=hidden.device)
    gradient = torch.empty_like(hidden)
    layer = head.weight.detach().to(hidden.dtype)
    used = replace(head, weight=layer)  # one copy of a head that is trained in another precision, and not one a chunk
    for positions in _chunks(len(labels), len(layer), chunk_logits):
        of_part = hidden[positions]
        logits = used.logits(of_part)
        wanted = labels[positions, None]
        highest = logits.amax(-1, keepdim=True)
        chosen = logits.gather(-1, wanted)
        slope = 1 - (logits / head.softcap).square() if head.softcap is not None else None
        likely = logits.sub_(highest).exp_()
        total = likely.sum(-1, keepdim=True)
        loss += (total.log() + highest - chosen).sum()
        share = (weight[positions, None] if isinstance(weight, torch.Tensor) else weight) * head.scale
        error = likely.mul_(total.reciprocal() * share).scatter_add_(-1, wanted, torch.ones_like(chosen) * -share)
        if slope is not None:
            error.mul_(slope)
        error = error.to(hidden.dtype)
        torch.mm(error, layer, out=gradient[positions])
        if head.weight.requires_grad:
            made = _gradient(head.weight)
            for start in range(0, len(layer), _HEAD_ROWS):
                rows = slice(start, start + _HEAD_ROWS)
                made[rows] += error[:, rows].T @ of_part
        if head.bias is not None and head.bias.requires_grad:
            _gradient(head.bias).add_(error.sum(0))
    return loss, gradient


def _chunks(labels: int, vocabulary: int, chunk_logits: int) -> list[slice]:
    """Positions whose logits exist at once."""
    step = max(1, chunk_logits // vocabulary)
    return [slice(start, min(start + step, labels)) for start in range(0, labels, step)]


def _gradient(parameter: Any) -> Any:
    import torch

    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
