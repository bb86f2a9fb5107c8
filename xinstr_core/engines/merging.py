"""A tuned model as one whole model on disk, believed only after it was read back and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xinstr_core.engines.models import (
    ModelReference,
    load_adapted_model,
    load_causal_model,
    load_prompt_format,
    load_tokenizer,
    load_trained_model,
    training_method,
)
from xinstr_core.engines.precision import Precision
from xinstr_core.errors import InputError

# Between logits in float32: a right merge moves them by rounding alone, a wrong one or a missing adapter by whole units.
MAXIMUM_DIFFERENCE = 1e-3
_COMPARED_TOKENS = 64  # of a prompt: with a vocabulary of 262,144 their logits take 67 MB


def write_merged(
    base: ModelReference, trained: Path, folder: Path, precision: Precision, prompts: Sequence[str]
) -> float:
    """Write `trained`, what train_adapter() left, as whole weights into `folder`, which has the tokenizer already.

    Merged in float32, stored in `precision`. Gives the largest difference between a logit of the tuned model and one of
    what was written, loaded again, over `prompts` in float32. Where bfloat16 rounds the weights, the merge is compared
    before, and the file with what was rounded. InputError above MAXIMUM_DIFFERENCE: then the folder is not to be used.
    """
    import torch

    rows = _encoded(base, prompts)
    model = _beside(replace(base, precision="float32"), trained)
    tuned = _logits(model, rows)
    if training_method(trained) == "lora":
        model = model.merge_and_unload()
    _check("merged in memory", tuned, _logits(model, rows))
    _hold_in(getattr(torch, precision), model)
    model.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):  # the library lets nobody else read them
        path.chmod((folder / "config.json").stat().st_mode & 0o777)
    _hold_in(torch.float32, model)
    stored = tuned if precision == "float32" else _logits(model, rows)
    del model  # before the next one: one model fits
    written = replace(base, name="what was written", path=folder, fingerprint="", precision="float32")
    found = _logits(load_causal_model(written), _encoded(written, prompts))
    _check("loaded again", stored, found)
    return _difference(tuned, found)


def _beside(base: ModelReference, trained: Path) -> Any:
    """The tuned model, with its adapter not merged."""
    if training_method(trained) == "full":
        return load_trained_model(base, trained)
    return load_adapted_model(base, trained).eval()


def _hold_in(dtype: Any, model: Any) -> None:
    """Parameters alone: tables of positions are made anew in float32 by whoever loads the model."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _encoded(model: ModelReference, prompts: Sequence[str]) -> list[list[int]]:
    prompt_format = load_prompt_format(model, load_tokenizer(model))
    return [prompt_format.encoded(prompt).prompt[:_COMPARED_TOKENS] for prompt in prompts]


def _logits(model: Any, rows: Sequence[Sequence[int]]) -> list[Any]:
    """Of every position of every row, a tensor (tokens, vocabulary) each."""
    import torch

    with torch.inference_mode():
        return [model(input_ids=torch.tensor([row], device=model.device)).logits[0].cpu() for row in rows]


def _check(how: str, expected: Sequence[Any], found: Sequence[Any]) -> None:
    difference = _difference(expected, found)
    if not difference <= MAXIMUM_DIFFERENCE:  # a number that is none is above it too
        raise InputError(
            f"the model {how} is not the tuned one: its logits differ by up to {difference:.3g}, and "
            f"{MAXIMUM_DIFFERENCE:g} is allowed; nothing was written. The adapter itself can be had without --merge"
        )


def _difference(expected: Sequence[Any], found: Sequence[Any]) -> float:
    """The largest between two logits; infinite where a text has other tokens or a vocabulary another size."""
    if [one.shape for one in expected] != [other.shape for other in found]:
        return float("inf")
    return max(float((one - other).abs().max()) for one, other in zip(expected, found, strict=True))
