"""`xinstr model`: a tuned model as a folder that others load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from xinstr_core.disk import full_disk_told
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.models import check_model
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.tokenizer_files import as_typed
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.publishing.model_folder import write_trained, write_whole
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import absolute_path
from xinstr_dagster.cli.output import console, plain, print_error, print_notice

commands = CommandGroup(Panel.TAKE)


@commands.ending_with(*ORDINARY)
def model(
    tag: Annotated[str, typer.Argument(help="language key, e.g. sw")],
    to: Annotated[Path, typer.Option(help="folder to write, new or empty")],
    merge: Annotated[bool, typer.Option("--merge", help="the whole model instead of an adapter")] = False,
    dtype: Annotated[
        Precision, typer.Option(help="of a merged model; bfloat16 is half as large and rounds small differences away")
    ] = "float32",
) -> None:
    """Write the tuned model of a language as a folder that transformers, peft and vLLM load."""
    if dtype != "float32" and not merge:
        raise SettingsError("--dtype is of a merged model: say --merge too; an adapter stays as it was trained")
    found = TunedModel.find(Workspace(home_folder()), tag)
    folder = absolute_path(to)
    if merge:
        with full_disk_told(folder.parent), DeviceLock(f"{tag} model", print_notice) as gpu:
            gpu.take()
            difference = write_whole(found, folder, dtype)
        _say(
            f"{folder}: the whole model in {dtype}; loaded again, its logits differ from the tuned model's by at most {difference:.1g}"
        )
    else:
        with full_disk_told(folder.parent):
            write_trained(found, folder)
        _say(f"{folder}: what was trained on {found.figures.base_model}, with tokenizer and generation config")
        if found.is_adapter:
            _say_of_base(found)
    asked = found.ask(found.instructions[0])
    if found.figures.prompt_format == "plain":
        _say(f"it was taught to answer prompts such as {_quoted(as_typed(found.tokenizer, asked))}")
        return
    system = found.figures.system_text
    after = f", after the system turn {_quoted(system)}" if system else ""
    _say(f"it was taught to answer turns of its chat template, such as {_quoted(asked.turn)}{after}")


def _say_of_base(found: TunedModel) -> None:
    """What somebody who loads an adapter has to know of its base."""
    if found.base_folder:
        _say(f"it names its base by a path of this machine, {found.base_folder}: --merge writes what needs none")
    try:
        check_model(found.base)
    except InputError as error:
        print_error(f"the folder was written, but its base is not to be had here: {error}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _say(line: str) -> None:
    console.print(plain(line), soft_wrap=True, highlight=False)
