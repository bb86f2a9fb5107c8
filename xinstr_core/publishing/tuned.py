"""The tuned model of a language as it was built: on which base, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from xinstr_core.engines.models import ModelReference, local_folder, resolve_model, training_method
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.weights import weight_shapes
from xinstr_core.errors import InputError
from xinstr_core.evaluation.arm_models import taught_template
from xinstr_core.exporting.intact import require_intact
from xinstr_core.languages import Language
from xinstr_core.prompts.render import Rendered, prompt
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, SELECTED
from xinstr_core.schemas.reverse_model import ADAPTER
from xinstr_core.schemas.tuned_model import TOKENIZER, TUNED_MODEL, TunedFigures
from xinstr_core.workspace import Workspace

_INSTRUCTIONS = 4  # on which a merged model is compared: enough to see a wrong one, seconds on a processor


@dataclass(frozen=True)
class TunedModel:
    """`trained` and `tokenizer` are the partition's folders; `instructions` are a few that its pairs have."""

    workspace: Workspace
    language: Language
    trained: Path
    tokenizer: Path
    figures: TunedFigures
    instructions: tuple[str, ...]

    @classmethod
    def find(cls, workspace: Workspace, tag: str) -> TunedModel:
        """InputError for a language without one, or whose one is of an earlier release or no longer what was stored."""
        language = workspace.language(tag)
        built, selection = (workspace.store.get(contract.asset, tag) for contract in (TUNED_MODEL, DIVERSIFIED_SET))
        if built is None or selection is None:
            raise InputError(f"{tag} has no tuned model yet: xinstr build {tag} --to {TUNED_MODEL.asset}")
        if TOKENIZER.name not in built.manifest["folders"]:
            raise InputError(f"the tuned model of {tag} is of an earlier release: xinstr build {tag} makes it anew")
        require_intact(selection, tables=(SELECTED.name,))
        require_intact(built, folders=(ADAPTER.name, TOKENIZER.name))
        weight_shapes(built.folder(ADAPTER.name), f"tuned model of {tag}")  # that the headers can be read
        rows = selection.scan(SELECTED.name).sort("pair_id").head(_INSTRUCTIONS).select("instruction").collect()
        return cls(
            workspace,
            language,
            built.folder(ADAPTER.name),
            built.folder(TOKENIZER.name),
            built.read_figures(TUNED_MODEL.figures),
            tuple(rows["instruction"]),
        )

    @cached_property
    def base(self) -> ModelReference:
        """The base, in the precision that it was tuned in. InputError where it is no longer what it was."""
        for precision in get_args(Precision):
            found = resolve_model(
                self.figures.base_model, precision, self.figures.prompt_format, self.figures.system_text
            )
            if found.fingerprint == self.figures.base_model_fingerprint:
                return found
        raise InputError(
            f"base model {self.figures.base_model!r}, or how it is asked, has changed since {self.language.tag} was tuned on it: "
            f"xinstr build {self.language.tag} tunes what it is now"
        )

    @property
    def is_adapter(self) -> bool:
        """Whether an adapter was trained, and not all weights."""
        return training_method(self.trained) == "lora"

    @property
    def base_folder(self) -> Path | None:
        """Where a base lies that is on this machine alone; None for a hub id."""
        folder = local_folder(self.figures.base_model)
        return folder and folder.resolve()

    def ask(self, instruction: str) -> Rendered:
        """The prompt of an instruction, as the model was taught to answer it."""
        taught = prompt(taught_template(self.figures.seed_rows))
        return taught.render(instruction=instruction, language=self.language.name)
