"""The command line `xinstr`: thin, over the same Dagster assets as the UI.

The commands are in modules of their own, in `commands/`; here they are put together.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from xinstr_core.errors import XinstrError
from xinstr_core.workspace import home_folder
from xinstr_dagster.cli.commands.audit import audit_app
from xinstr_dagster.cli.commands.build import build, demo
from xinstr_dagster.cli.commands.explain import explain
from xinstr_dagster.cli.commands.languages import languages_app
from xinstr_dagster.cli.commands.status import lineage, status
from xinstr_dagster.cli.output import console, print_error


def ui(port: Annotated[int, typer.Option(help="port on the loopback address")] = 3000) -> None:
    """Open the Dagster UI on this machine, with persistent history."""
    from xinstr_dagster.instance import PROJECT, open_instance, prepare_home

    home = home_folder()
    prepare_home(home)
    open_instance().dispose()  # made by one process before the UI's several use it
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise XinstrError(f"port {port} is in use: is the UI open already? Else choose another with --port")
    console.print(f"opening [bold]http://127.0.0.1:{port}[/] (stop with Ctrl-C)")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    arguments = ["dagster", "dev", "-w", str(PROJECT / "workspace.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    os.chdir(PROJECT)
    os.execvp("dagster", arguments)


app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Natural text in; curated pairs, a tuned model and a report out."
)
for command in (demo, build, status, lineage, explain, ui):
    app.command()(command)
app.add_typer(languages_app, name="languages")
app.add_typer(audit_app, name="audit")


def main() -> None:
    """Run the command line; an error that the user can mend, of the file system too, is one line."""
    try:
        app()
    except (XinstrError, OSError) as error:
        print_error(str(error))
        sys.exit(1)
