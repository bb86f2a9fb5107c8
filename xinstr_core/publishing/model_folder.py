"""A folder with a tuned model that transformers, peft and vLLM load: the adapter, or the whole model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from xinstr_core.engines.fit import check_fits
from xinstr_core.engines.merging import write_merged
from xinstr_core.engines.precision import Precision
from xinstr_core.exporting.card import CARD_FILE
from xinstr_core.files import appearing_folder, write_text
from xinstr_core.publishing.model_card import model_card, terms_of
from xinstr_core.publishing.terms_beside import terms_beside
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.training.adapter import SUMMARY

_NOTICE = "Notice.txt"
_ADAPTER_CONFIG = "adapter_config.json"


def write_trained(model: TunedModel, folder: Path) -> None:
    """What was trained, as it is: an adapter that names its base, or all weights; with the tokenizer.

    The name of the base is its hub id, or the absolute path of a local one, since peft looks nowhere else.
    InputError when `folder` exists and is not empty.
    """
    with appearing_folder(folder) as unfinished:
        for path in sorted(model.trained.iterdir()):
            if path.name != SUMMARY:
                shutil.copyfile(path, unfinished / path.name)
        if model.is_adapter:
            configuration = json.loads((unfinished / _ADAPTER_CONFIG).read_text("utf-8"))
            configuration["base_model_name_or_path"] = str(model.base_folder or model.figures.base_model)
            write_text(unfinished / _ADAPTER_CONFIG, json.dumps(configuration, indent=1, sort_keys=True))
        _add_tokenizer(model, unfinished)
        _add_terms(model, unfinished)
        write_text(unfinished / CARD_FILE, model_card(model, is_merged=False))


def write_whole(model: TunedModel, folder: Path, precision: Precision) -> float:
    """The whole model with the adapter merged into it, and the tokenizer: see write_merged(), whose difference it gives.

    InputError when `folder` exists and is not empty, when the model does not fit into memory, and when what was written
    is not the tuned model; then there is no folder.
    """
    with appearing_folder(folder) as unfinished:
        check_fits(model.base, "float32")
        _add_tokenizer(model, unfinished)
        prompts = [model.ask(instruction) for instruction in model.instructions]
        difference = write_merged(model.base, model.trained, unfinished, precision, prompts)
        _add_tokenizer(model, unfinished)  # again: saving weights writes a generation config of its own
        _add_terms(model, unfinished)
        write_text(unfinished / CARD_FILE, model_card(model, is_merged=True))
        return difference


def _add_terms(model: TunedModel, folder: Path) -> None:
    """The terms that the base came with hold for what was made of it, too, and some ask for a notice beside it."""
    for name, content in terms_beside(model.figures.base_model).items():
        (folder / name).write_bytes(content)
    if notice := terms_of(model).notice:
        write_text(folder / _NOTICE, f"{notice}\n")


def _add_tokenizer(model: TunedModel, folder: Path) -> None:
    shutil.copytree(model.tokenizer, folder, dirs_exist_ok=True)
