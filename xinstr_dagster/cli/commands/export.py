"""`xinstr export`: the sets of languages as a folder that others load."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from xinstr_core.errors import SettingsError
from xinstr_core.exporting.export import Exported, export_dataset
from xinstr_core.exporting.hub import push as push_to_hub
from xinstr_core.exporting.hub import require_token
from xinstr_core.exporting.licensing import LicencesNotAcceptedError
from xinstr_core.progress import Progress, Reporter
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY, ExitCode
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import absolute_path, not_empty
from xinstr_dagster.cli.output import console, plain, print_notice
from xinstr_dagster.progress_output import progress_output

commands = CommandGroup(Panel.TAKE)


@commands.ending_with(*sorted((*ORDINARY, ExitCode.NOT_ACCEPTED)))
def export(
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="language keys, e.g. sw fi")],
    to: Annotated[Path, typer.Option(help="folder to write, new or empty")],
    accept_licence: Annotated[
        list[str] | None,
        typer.Option(
            help="a licence whose rows are written, e.g. CC-BY-SA-4.0; repeat it; 'unknown' for rows that name none"
        ),
    ] = None,
    with_seeds: Annotated[
        bool, typer.Option("--with-seeds", help="seed pairs in the language too, as the config `seeds`")
    ] = False,
    push: Annotated[
        str,
        typer.Option(
            callback=not_empty, help="upload it to this dataset of the hub, private, by the token in HF_TOKEN"
        ),
    ] = "",
    public: Annotated[bool, typer.Option("--public", help="with --push: for everybody to see")] = False,
) -> None:
    """Write the final sets of languages as chat messages, Alpaca and preference triples, with a dataset card.

    load_dataset(DIR) and load_dataset(DIR, "alpaca") read them; files are DIR/TAG/CONFIG/SPLIT.parquet and .jsonl, and of
    several languages each has configs of its own, such as chat-sw. Without --accept-licence it lists the licences of the rows, writes nothing and ends with exit code 3.
    """
    if public and not push:
        raise SettingsError("--public is of --push: say where to push to")
    token = require_token(push) if push else ""
    try:
        found = _exported(tags, absolute_path(to), accept_licence or [], with_seeds)
    except LicencesNotAcceptedError as error:
        table = Table("language", "licence", "rows", "sources", "asks for")
        for tag, totals in error.totals.items():
            for one in totals:
                table.add_row(tag, plain(one.name), str(one.rows), str(one.sources), one.asks)
        console.print(table)
        _tell_in_vain(error.in_vain)
        print_notice(str(error))
        raise typer.Exit(ExitCode.NOT_ACCEPTED) from None
    _tell_in_vain(found.in_vain)
    _tell(found)
    if push:
        _say(f"{push_to_hub(found.folder, push, token, public=public)}: {'public' if public else 'private'}")


def _exported(tags: list[str], folder: Path, licences: list[str], with_seeds: bool) -> Exported:
    with ExitStack() as stack:
        listen = stack.enter_context(progress_output(console))

        def progress(tag: str) -> Progress:
            return stack.enter_context(Reporter("export", tag, [listen]))

        return export_dataset(
            Workspace(home_folder()), tags, folder, accepted_licences=licences, with_seeds=with_seeds, progress=progress
        )


def _tell_in_vain(names: Mapping[str, str]) -> None:
    for name, near in names.items():
        print_notice(f"no row has the licence {name}" + (f"; did you mean {near}?" if near else ""))


def _tell(found: Exported) -> None:
    for language in found.languages:
        for table, split in language.splits:
            _say(f"{found.folder / split.path}: {split.rows} rows, {table.name}, {split.split}")
        left_out = ", ".join(f"{one.rows} of {one.name}" for one in language.licences if not one.accepted)
        if left_out:
            print_notice(f"{language.tag}: left out, as their licences were not accepted: {left_out}")
        if language.triples_left_out:
            print_notice(
                f"{language.tag}: {language.triples_left_out} preference triples left out, of texts of seeds (--with-seeds) or of "
                "licences that were not accepted"
            )
    _say(f"{found.folder}: read README.md, the dataset card, before you publish; places to FILL IN are yours")


def _say(line: str) -> None:
    console.print(plain(line), soft_wrap=True, highlight=False)
