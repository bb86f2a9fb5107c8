"""What files of weights say of themselves, from their headers: nothing of the weights is read, however large they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import regex

from xinstr_core.errors import InputError

_LAYER = regex.compile(r"\.(?:layers|h|blocks|block)\.(\d+)\.")  # as Llama, GPT-2, MPT and T5 name theirs


def weight_shapes(folder: Path, what: str) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights in a folder of safetensors, by name.

    InputError, which begins with `what`, when a file is damaged, cut off, or one that the index names is missing.
    """
    from huggingface_hub import parse_local_safetensors_file_metadata
    from huggingface_hub.errors import SafetensorsParsingError

    shapes: dict[str, tuple[int, ...]] = {}
    for path in _files(folder, what):
        try:
            tensors = parse_local_safetensors_file_metadata(path).tensors
        except (SafetensorsParsingError, OSError, KeyError, TypeError) as error:
            reason = str(error).partition("(path")[0].strip() or type(error).__name__
            raise InputError(f"{what}: {path.name} is damaged ({reason}): fetch it again") from error
        wanted, there = _size(path, tensors), path.stat().st_size
        if there < wanted:
            raise InputError(f"{what}: {path.name} is cut off, {there} of {wanted} bytes: fetch it again")
        shapes |= {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return shapes


def check_layers(shapes: dict[str, tuple[int, ...]], config: Any, what: str) -> None:
    """InputError where the weights are not those of the configuration: layers that are missing, another width."""
    layers = {int(found[1]) for name in shapes if (found := _LAYER.search(name))}
    expected = getattr(config, "num_hidden_layers", None)
    if layers and expected and (missing := sorted({*range(expected)} - layers)):
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise InputError(f"{what}: its files have no weights of layers {shown} of {expected}: fetch it again")
    # OPT's embeddings may be narrower than its layers.
    width = getattr(config, "word_embed_proj_dim", None) or getattr(config, "hidden_size", None)
    wide = {shape[1] for name, shape in shapes.items() if _is_embedding(name) and len(shape) == 2}
    if width and wide and width not in wide:
        raise InputError(
            f"{what}: config.json says that it is {width} wide, its embedding is {min(wide)}: they are of different models"
        )


def _is_embedding(name: str) -> bool:
    return name.endswith(("embed_tokens.weight", "wte.weight"))


def _files(folder: Path, what: str) -> list[Path]:
    """The files with weights; an index says which there have to be."""
    found = sorted(folder.glob("*.safetensors"))
    for index in sorted(folder.glob("*.safetensors.index.json")):
        try:
            named = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{what}: {index.name} cannot be read: fetch it again") from error
        if missing := sorted(named - {path.name for path in found}):
            raise InputError(f"{what}: {', '.join(missing)} of {index.name} is missing: fetch it again")
    return found


def _size(path: Path, tensors: dict[str, Any]) -> int:
    """Bytes that a file has to have: the length of its header, the header, and the furthest tensor."""
    with path.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    return 8 + header + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
