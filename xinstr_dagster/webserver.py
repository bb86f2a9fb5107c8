"""Dagster's webserver with the reports on the same address: `python -m xinstr_dagster.webserver FOLDER OPTIONS`.

FOLDER holds the pages, the options are Dagster's own. One process and one port serve both, so a link from an asset's page
to a report needs no host, and whoever came through a tunnel or a proxy comes to the report as well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette

from xinstr_dagster.report_pages import report_routes


def serve(folder: Path) -> None:
    """Serve until it is told to end, as sys.argv says."""

    def create_app(*arguments: Any, **options: Any) -> Starlette:
        app = create_app_from_workspace_process_context(*arguments, **options)
        app.router.routes[:0] = report_routes(folder)  # before Dagster's last one, which takes every path
        return app

    # The webserver has no way to be given routes: this is the name by which its `main` makes the application.
    cli.create_app_from_workspace_process_context = create_app  # type: ignore[attr-defined]
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    serve(Path(sys.argv.pop(1)))
