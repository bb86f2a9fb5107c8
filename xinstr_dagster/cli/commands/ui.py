"""`xinstr ui`: the Dagster UI on this machine."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from xinstr_core.errors import XinstrError
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ExitCode
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.output import console, print_error

commands = CommandGroup(Panel.LOOK)


# Ctrl-C is how the UI is closed, so it ends with 0.
@commands.ending_with(ExitCode.DONE, ExitCode.FAILED, ExitCode.USAGE)
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="port on the loopback address")] = 3000) -> None:
    """Open the Dagster UI on this machine, with persistent history; whatever of it dies is started again."""
    from xinstr_core.locks import held
    from xinstr_core.reporting.render import reports_folder
    from xinstr_dagster.instance import PROJECT, open_instance, prepare_home
    from xinstr_dagster.report_pages import OVERVIEW
    from xinstr_dagster.services import keep_running, services

    home = home_folder()
    folder = prepare_home(home)
    address = f"http://127.0.0.1:{port}"
    served = "the UI of this home is served already", f"process {os.getpid()} at {address}"
    with held(folder / ".ui.lock", *served, "open that page, or stop it"), TemporaryDirectory() as temporary:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise XinstrError(f"port {port} is in use: is another UI open? Else choose another with --port")
        open_instance().dispose()  # made by one process before the UI's several use it
        console.print(
            f"opening [bold]{address}[/], reports at [bold]{address}{OVERVIEW}[/] (stop with Ctrl-C)", soft_wrap=True
        )
        os.chdir(PROJECT)
        with suppress(KeyboardInterrupt):
            reports = reports_folder(Workspace(home).store)
            keep_running(services(Path(temporary), PROJECT, port, reports), print_error)
