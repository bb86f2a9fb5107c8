"""Sentence encoders: texts to unit vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy

from xinstr_core.engines.base import Engine
from xinstr_core.engines.crew import Crew
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.weights import weight_shapes
from xinstr_core.errors import InputError
from xinstr_core.identity import files_hash

BASE_MODEL = "base-model"
BATCH_TEXTS = 256
# From one or more texts to unit vectors (texts, dimensions) in float32, in the order of the texts.
Encode = Callable[[Sequence[str]], Any]


def encoder_identity(name: str, base: ModelReference) -> str:
    """What the encoder is, for keys and fingerprints: the base model's content, a local folder's, or a hub id."""
    if name == BASE_MODEL:
        return f"{BASE_MODEL} {base.fingerprint}"
    folder = Path(name)
    if not folder.is_dir():
        return name
    return files_hash(folder, sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()))


def check_encoder(name: str) -> None:
    """Raise InputError for an encoder's folder that is broken or not there; what is at the hub is not looked at."""
    folder, what = Path(name), f"diversity.encoder {name!r}"
    if name == BASE_MODEL:
        return
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{what}: the folder has no config.json, so it is no sentence encoder: fetch it again")
        weight_shapes(folder, what)
    # Not a hub id either, which is a name or organisation/name.
    elif folder.is_absolute() or name.count("/") > 1 or ("/" in name and folder.parent.is_dir()):
        raise InputError(f"{what}: there is no such folder: correct diversity.encoder, or put the encoder there")


def load_encoder(name: str) -> Encode:
    """A sentence encoder, loaded. Raises InputError when it cannot be, or its package is missing."""
    from safetensors import SafetensorError

    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError:
        raise InputError(
            f"diversity.encoder {name!r} needs sentence-transformers: pip install 'xinstr[encoders]'"
        ) from None
    logging.disable_progress_bar()
    try:
        model = SentenceTransformer(name, trust_remote_code=False, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"diversity.encoder {name!r} cannot be loaded ({str(error).splitlines()[0]}): correct it, or fetch it again"
        ) from error
    return lambda texts: model.encode(
        list(texts), batch_size=BATCH_TEXTS, normalize_embeddings=True, show_progress_bar=False
    )


def encode_in_batches(engine: Engine, texts: Sequence[str]) -> Any:
    """What an engine embeds, for any number of texts: batches of similar length, vectors in the order of the texts."""
    order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), index))
    batches = [order[start : start + BATCH_TEXTS] for start in range(0, len(order), BATCH_TEXTS)]
    crew = Crew[tuple[int, Any]](engine, BATCH_TEXTS)
    made = dict[int, Any]()
    try:
        for number, batch in enumerate(batches):
            made.update(crew.make(partial(_embedded, engine, number, [texts[index] for index in batch])))
        made.update(crew.rest())
    except BaseException:
        crew.give_up()
        raise
    vectors = numpy.concatenate([made[number] for number in range(len(batches))])
    return vectors[numpy.argsort(order)]


def _embedded(engine: Engine, number: int, texts: Sequence[str]) -> tuple[int, Any]:
    return number, engine.embed(texts)
