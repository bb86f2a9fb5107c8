"""`xinstr chat`: the tuned model, or the base beside it, tried in the terminal."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from xinstr_core.engines.base import Completion, Decoding, Request
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.engines.fit import check_fits
from xinstr_core.engines.resume import Load
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import SettingsError
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.schemas.metrics import BASE, TUNED
from xinstr_core.text import printable
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.output import console, print_error, print_notice

commands = CommandGroup(Panel.TAKE)
_EXIT = "/exit"


@commands.ending_with(*ORDINARY)
def chat(
    tag: Annotated[str, typer.Argument(help="language key, e.g. sw")],
    base: Annotated[bool, typer.Option("--base", help="ask the base model instead")] = False,
    both: Annotated[bool, typer.Option("--both", help="ask the base model and the tuned one")] = False,
    temperature: Annotated[float, typer.Option(min=0, help="of sampling; 0: the most probable reply")] = 0.0,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(min=1, max=2, help="1.1 ends most loops; default: as evaluation.repetition_penalty says"),
    ] = None,
    tokens: Annotated[int, typer.Option(min=0, help="longest reply; 0: as evaluation.maximum_new_tokens says")] = 0,
) -> None:
    """Ask the tuned model of a language: a line, a reply; /exit or Ctrl-D ends. No line remembers another."""
    if base and both:
        raise SettingsError("--base asks the base model alone, --both asks both: say one of them")
    for name, value in {"temperature": temperature, "repetition-penalty": repetition_penalty or 1.0}.items():
        if not math.isfinite(value):
            raise SettingsError(f"--{name} {value}: a number is wanted")
    workspace = Workspace(home_folder())
    found = TunedModel.find(workspace, tag)
    adapters = {BASE: None, TUNED: found.trained}
    asked = [BASE, TUNED] if both else [BASE if base else TUNED]
    settings = workspace.settings(workspace.language(tag))
    settings = settings.model_copy(update={"engines": settings.engines.without_actors()})  # one line needs no cluster
    gpu = DeviceLock(f"{tag} chat", print_notice)
    chosen = settings.engines.of("tuned")
    if chosen.is_here:  # there must be room here, once nobody else is there
        gpu.take()
        check_fits(found.base, chosen.precision or found.base.precision, copies=len(asked))
    evaluation = settings.evaluation
    decoding = Decoding(
        tokens or evaluation.maximum_new_tokens,
        temperature,
        repetition_penalty=repetition_penalty or evaluation.repetition_penalty,
    )

    def engines() -> Engines:
        return Engines(settings, found.base, gpu=gpu)

    # Engines of their own, so that both models stay loaded; where one serves both, a second would find no room.
    of_each = [engines()] * len(asked) if chosen.serves_adapters else [engines() for _ in asked]
    models = {name: one.tuned(adapters[name]) for name, one in zip(asked, of_each, strict=True)}
    for turn, line in enumerate(_lines()):
        request = Request(f"turn {turn}", found.ask(line))
        for name, load in models.items():
            reply = _reply(load, request, decoding)
            if both:
                console.print(f"[dim]{name}:[/]")
            _print(reply)


def _lines() -> Iterator[str]:
    """What is typed or piped in, until /exit or the end; nothing is prompted for in a pipe."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    prompt = ""
    if sys.stdin.isatty():
        import readline  # noqa: F401  # its import makes input() a line editor

        prompt = "> "
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            if prompt:
                print()  # Ctrl-D leaves the cursor behind the prompt
            return
        if line == _EXIT:
            return
        if line:
            yield line


def _reply(load: Load, request: Request, decoding: Decoding) -> Completion | Fault:
    """What the model makes of one prompt; one on which it fails costs that reply alone."""
    ((_, made),) = isolated(lambda rows: load().generate(rows, decoding), [request])
    return made if isinstance(made, Fault) else made[0]


def _print(reply: Completion | Fault) -> None:
    """A reply as text and nothing else: no markup, no control characters but its line ends."""
    if isinstance(reply, Fault):
        print_error(reply.reason)
        return
    text = "\n".join(map(printable, reply.text.strip().splitlines()))
    cut = "" if reply.finished else f" [dim](cut at {reply.completion_tokens} tokens)[/]"
    console.print(escape(text) + cut, soft_wrap=True, highlight=False, emoji=False)
