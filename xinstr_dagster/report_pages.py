"""The reports over HTTP: the pages that were written, read-only, below one path of the UI's own address.

    /reports/            all languages beside each other
    /reports/<tag>       the report of a language; <tag>.html is the same, as pages name each other

A page stands on the origin of the UI, whose interface launches runs, and it shows text from anywhere. Escaping is the
page's affair; here its origin is taken from it (`sandbox`), so that whatever ran in one could ask the UI for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from xinstr_core.identity import is_language_key
from xinstr_core.text import printable

REPORTS = "/reports"
OVERVIEW = f"{REPORTS}/"
_INDEX = "index"
# Scripts: those alone that the page's own policy names by their hash. No request to anywhere, this server included.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox allow-scripts allow-popups allow-modals allow-downloads",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",  # a build replaces them
}
_MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>No report</title>
<style>:root {{ color-scheme: light dark }} body {{ font: 1rem/1.5 sans-serif; margin: 2rem auto; max-width: 40rem; padding: 0 1rem }}</style>
<h1>No report</h1><p>{line}</p><p><a href="{overview}">All languages</a></p></html>
"""


def report_address(tag: str) -> str:
    """Where a language's report is, on whatever address the UI has: people reach it through tunnels and proxies."""
    return f"{REPORTS}/{tag}"


def report_routes(folder: Path) -> Sequence[BaseRoute]:
    """Routes of everything below REPORTS, over the pages in a folder. GET and HEAD alone, and no other file."""

    def answer(request: Request) -> Response:
        name = request.path_params.get("path", "").removesuffix(".html") or _INDEX
        page = folder / f"{name}.html"
        if not (name == _INDEX or is_language_key(name)) or not page.is_file():
            return HTMLResponse(_MISSING.format(line=_why(name), overview=OVERVIEW), 404, _HEADERS)
        return Response(page.read_bytes(), headers=_HEADERS, media_type="text/html")

    # What the pages call each other by holds below the path alone.
    return [Route(REPORTS, lambda _: RedirectResponse(OVERVIEW)), Route(f"{OVERVIEW}{{path:path}}", answer)]


def _why(name: str) -> str:
    """What has to be done for there to be such a page, as HTML."""
    if name == _INDEX:
        return "Nothing is built to its report yet: <code>xinstr build LANGUAGE</code> does it."
    if not is_language_key(name):
        return f"“{escape(printable(name[:80]))}” can be the key of no language."
    return (
        f"There is no report of “{name}”: <code>xinstr build {name}</code> builds that language to its report, "
        "and <code>xinstr report</code> writes those of what is built."
    )
