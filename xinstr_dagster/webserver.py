"""Dagster's webserver with the reports on the same address: `python -m xinstr_dagster.webserver FOLDER OPTIONS`.

FOLDER holds the pages, the options are Dagster's own. One process and one port serve both, so a link from an asset's page
to a report needs no host, and whoever came through a tunnel or a proxy comes to the report as well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dagster_webserver import cli
from starlette.applications import Starlette

from xinstr_dagster.report_pages import report_routes

_dagsters_own = cli.create_app_from_workspace_process_context


def serve(folder: Path) -> None:
    """Serve until it is told to end, as sys.argv says."""

    def create_app(*arguments: Any, **options: Any) -> Starlette:
        app = _dagsters_own(*arguments, **options)
        app.router.routes[:0] = report_routes(folder)  # before Dagster's last one, which takes every path
        return app

    # The webserver has no way to be given routes; the name is the one that its `main` makes the application by.
    cli.create_app_from_workspace_process_context = create_app
    cli.main()


if __name__ == "__main__":
    serve(Path(sys.argv.pop(1)))
