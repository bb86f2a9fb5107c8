"""`xinstr audit`: pairs for a person to label blind, and what the labels say of the ratings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from xinstr_core.curation.audit import LabelledAudit, audit_file, read_audit, unknown_pairs, write_audit
from xinstr_core.errors import InputError
from xinstr_core.evaluation.agreement import Agreement, agreement, agreement_between
from xinstr_core.schemas.refined_pairs import PAIRS, REFINED_PAIRS
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import Overrides, Preset, choices_of
from xinstr_dagster.cli.output import console, plain

commands = CommandGroup(Panel.LABEL, "audit", "Pairs that a person labels blind in a spreadsheet, in audit/.")
Tag = Annotated[str, typer.Argument(help="language key, e.g. sw")]
_SHOWN_KEYS = 5


@commands.ending_with(*ORDINARY, name="write")
def write_file(
    tag: Tag,
    rows: Annotated[int, typer.Option(min=0, help="rows to draw; 0: as audit.rows says")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace a file that was filled in")] = False,
    preset: Preset = "",
    override: Overrides = None,
) -> None:
    """Draw rated pairs of a language, kept and dropped, into a file without ratings."""
    workspace = _workspace(preset, override)
    path, settings = audit_file(workspace.home, tag), workspace.settings(workspace.language(tag))
    written = write_audit(_rated_pairs(workspace, tag), path, rows or settings.audit.rows, overwrite=overwrite)
    console.print(
        f"{path}: {written} pairs to label, see {path.parent / 'README.md'}; then [bold]xinstr audit read {tag}[/]",
        soft_wrap=True,
        highlight=False,
    )


@commands.ending_with(*ORDINARY, name="read")
def read_file(tag: Tag, preset: Preset = "", override: Overrides = None) -> None:
    """Print how far the labels of a language agree with the ratings, and with those of a second person."""
    workspace = _workspace(preset, override)
    pairs, settings = _rated_pairs(workspace, tag), workspace.settings(workspace.language(tag))
    path, second_path = audit_file(workspace.home, tag), audit_file(workspace.home, tag, second=True)
    first = _read(path, pairs)
    results = agreement(first.labels, pairs.drop("instruction", "response").collect(), settings)
    if second_path.exists():
        results += agreement_between(first.labels, _read(second_path, pairs).labels, settings)
    if not results:
        raise InputError(f"{path}: none of its labels can be compared with the ratings of now: write a new file")
    _print_results(results)
    console.print(
        "Of the labelled rows as they were drawn, half of them kept pairs; the [bold]recall[/] alone weighs kept and dropped as all rated pairs have them."
    )
    if any(row.low is None for row in results):
        console.print(
            f"No interval where fewer than evaluation.minimum_cases ({settings.evaluation.minimum_cases}) rows are labelled, or none of them differ."
        )


def _workspace(preset: str, override: list[str] | None) -> Workspace:
    return Workspace(home_folder(), preset or None, choices_of("", "", "", preset, override)["overrides"])


def _rated_pairs(workspace: Workspace, tag: str) -> pl.LazyFrame:
    workspace.language(tag)
    partition = workspace.store.get(REFINED_PAIRS.asset, tag)
    if partition is None:
        raise InputError(f"{tag} has no rated pairs yet: xinstr build {tag} --to refined_pairs")
    partition.require_whole()
    return partition.scan(PAIRS.name)


def _read(path: Path, pairs: pl.LazyFrame) -> LabelledAudit:
    """The labels of a file, with everything said that is wrong with it."""
    audit = read_audit(path)
    console.print(f"{path}: {audit.labelled} of {len(audit.labels)} pairs labelled", soft_wrap=True, highlight=False)
    for trouble in audit.troubles:
        console.print(f"  [yellow]not counted:[/] {plain(trouble)}", soft_wrap=True, highlight=False)
    if unknown := unknown_pairs(audit.labels, pairs):
        keys = ", ".join(map(plain, unknown[:_SHOWN_KEYS])) + (" ..." if len(unknown) > _SHOWN_KEYS else "")
        console.print(
            f"  [yellow]not counted:[/] {len(unknown)} pairs are not among the rated ones (rated anew since?): {keys}",
            soft_wrap=True,
            highlight=False,
        )
    return audit


def _print_results(results: Sequence[Agreement]) -> None:
    table = Table("aspect", "measure", "value", "rows")
    for row in results:
        interval = "no interval" if row.low is None else f"{row.low:.3f} to {row.high:.3f}"
        table.add_row(row.aspect, row.measure, f"{row.value:.3f} [dim]({interval})[/]", str(row.n))
    console.print(table)
