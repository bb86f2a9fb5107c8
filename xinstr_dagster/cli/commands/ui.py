"""`xinstr ui`: the Dagster UI on this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from xinstr_core.errors import XinstrError
from xinstr_core.workspace import home_folder
from xinstr_dagster.cli.exit_codes import ExitCode
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.output import console

commands = CommandGroup(Panel.LOOK)


# Ctrl-C is how the UI is closed: Dagster, which this process becomes, then ends with 0.
@commands.ending_with(ExitCode.DONE, ExitCode.FAILED, ExitCode.USAGE)
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
