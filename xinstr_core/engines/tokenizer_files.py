"""What a reader needs beside the weights: the tokenizer, its chat template where it has one, and how to end a reply."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from xinstr_core.engines.models import GENERATION_CONFIG, ModelReference, load_prompt_format, load_tokenizer
from xinstr_core.files import write_text

# Beside the vocabulary files, which each class of tokenizer names itself.
_TOKENIZER_FILES = frozenset({
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
})  # fmt: skip


def write_tokenizer(base: ModelReference, tokenizer: Any, folder: Path) -> None:
    """The files of the base's `tokenizer`, byte for byte, and a generation config, into an empty or new folder.

    Copied and not saved anew: so they load wherever the base does, whatever release of transformers wrote them. The
    generation config names the tokens that open, end and pad a text here, and nothing else: a base's penalties and
    sampling are not what its tuned model was measured with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(_TOKENIZER_FILES | set(tokenizer.vocab_files_names.values())):
        if (base.path / name).is_file():
            shutil.copyfile(base.path / name, folder / name)
    stops = load_prompt_format(base, tokenizer).stops
    tokens = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    known = {name: token for name, token in tokens.items() if token is not None}
    known["eos_token_id"] = stops[0] if len(stops) == 1 else stops
    write_text(folder / GENERATION_CONFIG, json.dumps(known, indent=1))


def as_typed(folder: Path, prompt: str) -> str:
    """A prompt as somebody has to type it who has nothing but the tokenizer in `folder`, to be read as it is here.

    Here every prompt opens with the begin-of-text token of models that have one (encode_prompt()); not every tokenizer
    writes it by itself.
    """
    tokenizer = load_tokenizer(ModelReference(folder.name, folder, fingerprint=""))
    begin = tokenizer.bos_token_id
    writes_it = begin is None or tokenizer(prompt)["input_ids"][:1] == [begin]
    return prompt if writes_it else f"{tokenizer.bos_token}{prompt}"
