"""The board: languages by stage, from the store itself, because Dagster has no overview of stale partitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xinstr_core.errors import XinstrError
from xinstr_core.languages import Language
from xinstr_core.stages import LINE
from xinstr_core.stages.stage import Stage, is_current
from xinstr_core.workspace import Workspace
from xinstr_dagster.metadata import markdown_table

MISSING, STALE, CURRENT = "missing", "stale", "current"


def short(state: str) -> str:
    """A state as a board shows it: nine stages have to fit the width of a terminal and of the UI's dialogue."""
    return {MISSING: "·", CURRENT: "✓"}.get(state, state)


def state_of(workspace: Workspace, stage: Stage, tag: str) -> str:
    """MISSING, STALE or CURRENT; STALE too where an input or the partition itself cannot be read any more."""
    try:
        if workspace.store.get(stage.name, tag) is None:
            return MISSING
        return CURRENT if is_current(workspace, stage, tag) else STALE
    except XinstrError:
        return STALE


def states(workspace: Workspace, tag: str) -> Iterator[tuple[str, str]]:
    """The state of every stage of a language. What comes after a stage that is not current is not current either."""
    behind: set[str] = set()
    for stage in LINE:
        state = state_of(workspace, stage, tag)
        if state == CURRENT and behind & set(stage.upstream):
            state = STALE
        if state != CURRENT:
            behind.add(stage.name)
        yield stage.name, state


def not_current(workspace: Workspace, tag: str) -> list[str]:
    """The stages that a build would run."""
    return [name for name, state in states(workspace, tag) if state != CURRENT]


def rows_of(workspace: Workspace, stage: str, tag: str) -> int | None:
    """Rows of the stage's main table; None where it has none, or where nobody can read how many."""
    try:
        partition = workspace.store.get(stage, tag)
    except XinstrError:
        return None
    tables = list(partition.tables.values()) if partition else []
    return int(tables[0]["rows"]) if tables else None


def board(workspace: Workspace, languages: Mapping[str, Language]) -> str:
    """A Markdown matrix of every registered language, with row counts where a stage has rows."""
    rows = []
    for tag, language in sorted(languages.items()):
        row: dict[str, object] = {"language": f"{language.name} ({tag}{', retired' if language.retired else ''})"}
        for stage, state in states(workspace, tag):
            count = rows_of(workspace, stage, tag)
            shown = short(state)
            row[stage.replace("_", " ")] = shown if count is None else f"{shown} {count}"
        rows.append(row)
    return markdown_table(rows)
