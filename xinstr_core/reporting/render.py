"""Pages from what a home holds: the report of a language, and one across languages.

A page is a view over partitions, as the catalogue is: it can tell cost, time and the build before, which no partition's
content knows. It holds no clock, so the same store gives the same bytes. One file, no request to anywhere: its policy
forbids them, and lets run what stands in it alone. Everything that comes from data is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from xinstr_core.errors import InputError
from xinstr_core.files import write_text
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.drawing import script
from xinstr_core.reporting.overview import languages, overview_blocks
from xinstr_core.reporting.sections import SECTIONS
from xinstr_core.reporting.summary import Summary
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.store import MANIFEST, Store
from xinstr_core.workspace import Workspace

OVERVIEW = "index.html"
PAGE = "{tag}.html"


def render_report(workspace: Workspace, tag: str, *, overview: str = OVERVIEW) -> str:
    """The report of a language as one HTML page; `overview` is the address of the other page, to link to.

    InputError, in one line, for what is no language, for one that is not built, and for partitions that another release
    stored otherwise or whose files are gone.
    """
    built = Built.of(workspace.store, tag)
    summary = Summary(built)
    sections = [found for section in SECTIONS if (found := section(built))]
    return _page(
        "report.html.jinja",
        title=f"{built.language} ({tag}): report",
        summary=summary,
        language=built.language,
        tag=tag,
        sections=sections,
        overview=overview,
    )


def render_overview(workspace: Workspace, *, page: str = PAGE, linked: Collection[str] | None = None) -> str:
    """All languages of which something is stored, a row each, as one HTML page.

    `page` is the address of a report, and `linked` are the languages that have one there: None for all that are built. Never fails over one language: a row says why there is no report.
    """
    found = languages(workspace.store)
    return _page("overview.html.jinja", title="Languages: report", blocks_of_page=overview_blocks(found, page, linked))


def reports_folder(store: Store) -> Path:
    """Where pages are written after a build."""
    return store.root / "reports"


def report_file(store: Store, tag: str) -> Path:
    """Where the page of a language is written after a build."""
    return reports_folder(store) / PAGE.format(tag=tag)


def render_reports(workspace: Workspace, tags: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The pages of these languages by key, and a line for each of which there is none."""
    pages, troubles = dict[str, str](), list[str]()
    for tag in tags:
        try:
            pages[tag] = render_report(workspace, tag)
        except InputError as error:
            troubles.append(str(error))
    return pages, troubles


def write_pages(workspace: Workspace, pages: Mapping[str, str], folder: Path | None = None) -> list[Path]:
    """Write pages and the overview of the home into a folder, else data/reports: each whole or not at all."""
    folder = folder or reports_folder(workspace.store)
    folder.mkdir(parents=True, exist_ok=True)
    named = {folder / PAGE.format(tag=tag): page for tag, page in pages.items()}
    for path, page in named.items():
        write_text(path, page)
    there = [tag for tag in reported(workspace.store) if (folder / PAGE.format(tag=tag)).is_file()]
    write_text(folder / OVERVIEW, render_overview(workspace, linked=there))
    return [*named, folder / OVERVIEW]


def reported(store: Store) -> list[str]:
    """The languages that have been built to their report."""
    asset = EVAL_REPORT.asset
    return [tag for tag in store.languages(asset) if (store.path(asset, tag) / MANIFEST).is_file()]


def _page(template: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files(__package__) / name).read_text("utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["in_script"] = _in_script
    drawing = script()
    digest = base64.b64encode(hashlib.sha256(drawing.encode()).digest()).decode()
    return environment.get_template(template).render(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=(files(__package__) / "style.css").read_text("utf-8"),
        script=drawing,
        **values,
    )


def _in_script(text: str) -> Any:
    """JSON as it may stand in a script element: with nothing that ends the element, or a line for whoever parses it."""
    from markupsafe import Markup

    escaped = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return Markup("".join(escaped.get(character, character) for character in text))
