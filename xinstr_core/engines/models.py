"""Models: where a base comes from, what identifies it, how it and what was trained on it are loaded. None of their code runs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from xinstr_core.engines.control_tokens import make_control_tokens_special
from xinstr_core.engines.device import device
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.prompt_format import ChatFormat, FormatName, PlainFormat, has_chat_template
from xinstr_core.engines.weights import check_layers, weight_shapes
from xinstr_core.errors import InputError
from xinstr_core.identity import files_hash, fingerprint
from xinstr_core.prompts.render import turns_identity

POCKET = "pocket"
GENERATION_CONFIG = "generation_config.json"
# What a model is passed on with, and what its licence is read from; no content, so no fingerprint knows it.
_TERMS = ("README.md", "LICENSE*", "LICENCE*", "NOTICE*", "*TERMS*", "*USE_POLICY*")
# Weights, configuration and every form in which a tokenizer and its chat template are stored; never code, never pickles.
_CONTENT_SUFFIXES = frozenset({".safetensors", ".json", ".model", ".txt", ".jinja"})


@dataclass(frozen=True)
class ModelReference:
    """A model's folder on disk, how it is held and asked, and what identifies it: all of that, by content.

    In another precision or form of prompts a model gives other numbers, so whatever is keyed by `fingerprint` is never taken
    for one's own.
    """

    name: str
    path: Path
    fingerprint: str
    precision: Precision = "float32"
    prompt_format: FormatName = "plain"
    system_text: str = ""


def resolve_model(
    name: str,
    precision: Precision = "float32",
    prompt_format: Literal["plain", "chat", "auto"] = "plain",
    system_text: str = "",
) -> ModelReference:
    """Find a model: `pocket`, a local directory, or a hub id (downloaded once, then from the cache).

    `auto` asks a model that has a chat template by it. Raises InputError when there is no such model, when its files are not
    what transformers can load, or when it has no chat template that is asked for.
    """
    path = local_folder(name) or _download(name)
    if not (path / "config.json").is_file():
        raise InputError(
            f"base model {name!r}: {path} has no config.json; give a Hugging Face model directory or hub id"
        )
    weights = sorted(p.name for p in path.glob("*.safetensors"))
    if not weights:
        raise InputError(f"base model {name!r}: {path} has no .safetensors weights; convert the model to safetensors")
    content = sorted(p.name for p in path.iterdir() if p.suffix in _CONTENT_SUFFIXES and p.is_file())
    held = files_hash(path, content)
    chat = prompt_format != "plain" and has_chat_template(path)
    if prompt_format == "chat" and not chat:
        raise InputError(
            f'base model {name!r} has no chat template: set prompt_format = "plain", or add one to its files'
        )
    if system_text and not chat:
        raise InputError(f'base model {name!r} is asked in plain text, which has no system turn: set system_text = ""')
    parts: dict[str, str] = {} if precision == "float32" else {"precision": precision}
    if chat:
        parts |= {"turns": turns_identity(), "system": system_text}
    identity = fingerprint({"content": held, **parts}) if parts else held
    return ModelReference(name, path, identity, precision, "chat" if chat else "plain", system_text)


def local_folder(name: str) -> Path | None:
    """Where a model lies that is `pocket` or a local directory; None for a hub id."""
    if name == POCKET:
        return Path(str(files("xinstr_core.pocket") / "model"))
    return Path(name) if Path(name).is_dir() else None


def folder_at_hand(name: str) -> Path | None:
    """Where a model lies on this machine, a hub id in the cache; None for one that is not here. Asks no hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if (local := local_folder(name)) is not None:
        return local
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        return None


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [*(f"*{suffix}" for suffix in sorted(_CONTENT_SUFFIXES)), *_TERMS]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except HFValidationError:
        raise InputError(
            f"base model {name!r} is neither a directory nor a hub id such as org/model: correct base_model"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"base model {name!r}: there is no such directory, and the hub gave no model of that name "
            f"({_first_line(error)}): correct base_model, or put the model there"
        ) from error


def _quiet() -> None:
    """Keep transformers' own bars and a deprecation of its own making off the terminal: the stages report progress."""
    import warnings

    from transformers.utils import logging

    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
    warnings.filterwarnings(
        "ignore", message="fan_in_fan_out is set to", category=UserWarning
    )  # peft knows, and mends it
    warnings.filterwarnings("ignore", message="Could not find a config file", category=UserWarning)


def check_model(reference: ModelReference) -> None:
    """Read configuration, weight headers and tokenizer, so that a broken model is found before any work is done."""
    config, what = read_config(reference), f"base model {reference.name!r}"
    check_layers(weight_shapes(reference.path, what), config, what)
    tokenizer = load_tokenizer(reference)
    check_ends(reference, tokenizer, config.vocab_size)
    load_prompt_format(reference, tokenizer)
    # Control tokens that no text gives may lie beyond the embeddings: Gemma 3's mark of an image does.
    control = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    highest = max(set(tokenizer.get_vocab().values()) - (control - {tokenizer.bos_token_id}))
    if highest >= config.vocab_size:
        raise InputError(
            f"base model {reference.name!r}: its tokenizer gives ids up to {highest}, and it has embeddings for "
            f"{config.vocab_size} tokens: tokenizer and weights are of different models"
        )


def check_ends(reference: ModelReference, tokenizer: Any, embedded: int) -> None:
    """InputError where texts end or are padded with a token that is not among the `embedded` ones of the weights."""
    if max(tokenizer.pad_token_id, tokenizer.eos_token_id) >= embedded:
        raise InputError(
            f"base model {reference.name!r}: its tokenizer ends or pads texts with a token that is not among the "
            f"{embedded} of its weights: tokenizer and weights are of different models"
        )


def read_config(reference: ModelReference) -> Any:
    """The configuration of a model, of one with several parts that of its text part."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(reference.path, trust_remote_code=False).get_text_config()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"base model {reference.name!r}: config.json cannot be read ({_first_line(error)}): fetch it again"
        ) from error


def load_tokenizer(reference: ModelReference) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(reference.path, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"base model {reference.name!r}: its tokenizer cannot be read ({_first_line(error)}): fetch it again"
        ) from error
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"base model {reference.name!r}: its tokenizer has no end token, so no reply could end: "
            "name its eos_token in tokenizer_config.json, or take another base"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    make_control_tokens_special(tokenizer)
    return tokenizer


def load_prompt_format(reference: ModelReference, tokenizer: Any) -> PlainFormat:
    """How the model is asked, and what ends its replies: every stop token of its generation config does.

    InputError for a chat template that cannot be used.
    """
    stops = stop_tokens(reference.path)
    if reference.prompt_format == "plain":
        return PlainFormat(tokenizer, stops)
    return ChatFormat(tokenizer, stops, reference.system_text, f"base model {reference.name!r}")


def stop_tokens(folder: Path) -> list[int]:
    """Those that a model's generation config names; none where there is no such file.

    One that the weights do not have, as stands in configurations that came with a library's defaults, is never written.
    """
    path = folder / GENERATION_CONFIG
    if not path.is_file():
        return []
    try:
        named = json.loads(path.read_text("utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({_first_line(error)}): fetch the model again") from error
    found = named if isinstance(named, list) else [] if named is None else [named]
    if wrong := [one for one in found if type(one) is not int or one < 0]:
        raise InputError(f"{path}: eos_token_id names {wrong[0]!r}, which is no token: correct it")
    return found


def load_causal_model(reference: ModelReference) -> Any:
    """The model in its precision on the best device there is, in evaluation mode."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    _quiet()
    try:
        model, loaded = AutoModelForCausalLM.from_pretrained(
            reference.path,
            dtype=getattr(torch, reference.precision),
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"base model {reference.name!r} cannot be loaded ({_first_line(error)})") from error
    # The library would fill them at random, and go on.
    if missing := sorted(loaded["missing_keys"]):
        raise InputError(
            f"base model {reference.name!r}: its files lack {len(missing)} weights, {missing[0]} the first: fetch it again"
        )
    return model.to(device()).eval()


def training_method(folder: Path) -> Literal["lora", "full"]:
    """How the model in a folder of train_adapter() was trained: only LoRA leaves an adapter_config.json."""
    return "lora" if (folder / "adapter_config.json").is_file() else "full"


def adapter_hash(folder: Path) -> str:
    """Of the content of a folder of train_adapter()."""
    return files_hash(folder, sorted(p.name for p in folder.iterdir() if p.is_file()))


def load_trained_model(base: ModelReference, folder: Path) -> Any:
    """What train_adapter() left in `folder`, loaded as a base is: an adapter on `base`, or all weights in its place.

    An adapter is merged into weights in float32. Beside others it stays, in their precision: their digits would not hold
    its small differences, and its own matrices do. Raises InputError when all weights are there but cannot be loaded.
    """
    if training_method(folder) == "full":
        return load_causal_model(replace(base, name=f"{base.name}, trained: {folder.name}", path=folder))
    adapted = load_adapted_model(base, folder)
    if base.precision == "float32":
        return adapted.merge_and_unload()
    layers = adapted.get_base_model()
    # As a base's weights are: torch copies a matrix that needs no gradient before a slice of states is multiplied by it.
    return layers.to(layers.dtype).requires_grad_(True).eval()


def load_trainable_model(base: ModelReference, start_from: Path | None, method: Literal["lora", "full"]) -> Any:
    """The base, or what train_adapter() left in `start_from`, to be trained on: an adapter beside the base, or all weights.

    All weights are trained in float32, whatever the base is held in: the steps are too small for fewer digits.
    """
    if method == "full":
        whole = replace(base, precision="float32")
        return load_trained_model(whole, start_from) if start_from else load_causal_model(whole)
    if start_from is None:
        return load_causal_model(base)
    continued = load_adapted_model(base, start_from, is_trainable=True)
    # The name that the adapter was saved with is no path: at each checkpoint peft would ask the hub about it.
    continued.peft_config["default"].base_model_name_or_path = str(base.path)
    return continued


def load_adapted_model(base: ModelReference, folder: Path, *, is_trainable: bool = False) -> Any:
    """The base with the adapter in `folder` beside its weights. InputError for one of another base."""
    from peft import PeftModel

    model = load_causal_model(base)
    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=is_trainable)
    except (RuntimeError, ValueError) as error:
        if not re.search("size mismatch|[Tt]arget modules", str(error)):
            raise
        raise another_base(base, folder) from error


def another_base(base: ModelReference, adapter: Path) -> InputError:
    return InputError(
        f"the adapter in {adapter} does not fit base model {base.name!r}, so it was trained on another one: "
        "give that one, or build it anew"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
