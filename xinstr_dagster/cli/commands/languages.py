"""`xinstr languages`: the registry, languages.toml."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from xinstr_core.corpus.identification import Identifier
from xinstr_core.corpus.sources import files_of, records_of
from xinstr_core.corpus.voters import second_labels
from xinstr_core.errors import SettingsError
from xinstr_core.languages import CorpusSource, check_tag, get_language, read_languages, write_entry
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.pocket.world import WORLDS
from xinstr_core.presets import load_settings
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import absolute, absolute_model, absolute_path, not_empty
from xinstr_dagster.cli.output import console, plain

commands = CommandGroup(Panel.SET_UP, "languages", "The language registry, languages.toml.")


@commands.ending_with(*ORDINARY, name="list")
def list_languages() -> None:
    """Every registered language."""
    table = Table("key", "language", "script", "corpus", "seeds", "")
    for tag, language in sorted(read_languages(home_folder() / "languages.toml").items()):
        table.add_row(
            tag,
            plain(language.name),
            language.script,
            plain(language.corpus_source.path),
            plain(str(language.seed_source) or "-"),
            "retired" if language.retired else "",
        )
    console.print(table)


@commands.ending_with(*ORDINARY, name="add")
def add_language(
    tag: Annotated[str, typer.Argument(help="lower-case BCP 47 key, e.g. eu")],
    name: Annotated[str, typer.Option(help="English name")],
    script: Annotated[str, typer.Option(help="ISO 15924 code, e.g. Latn")],
    corpus: Annotated[str, typer.Option(callback=not_empty, help="'pocket', a file or a folder")],
    seeds: Annotated[
        str, typer.Option(callback=not_empty, help="'pocket', a file or a folder; raw_corpus needs none")
    ] = "",
    preset: Annotated[
        str, typer.Option(callback=not_empty, help="preset of settings that it is built with, if not that of all")
    ] = "",
    base_model: Annotated[
        str, typer.Option(callback=not_empty, help="local directory or hub id, if not that of all")
    ] = "",
) -> None:
    """Register a language: it appears in the UI within seconds."""
    registry = home_folder() / "languages.toml"
    if check_tag(tag) in read_languages(registry):
        raise SettingsError(f"{tag} is registered already: change its entry in {registry}")
    for source, what in ((corpus, "corpus"), (seeds, "seeds"))[: 2 if seeds else 1]:
        if source not in WORLDS:
            files_of(CorpusSource(path=absolute(source)), tag, what)
        elif tag not in POCKET_LANGUAGES:
            raise SettingsError(
                f"the pocket world has no {tag}: give --{what} a file or folder; it has {', '.join(POCKET_LANGUAGES)}"
            )
    if preset:
        load_settings(preset)
    values: dict[str, Any] = {
        "name": name,
        "script": script,
        "corpus": absolute(corpus),
        "seeds": absolute(seeds) or {},
    }
    built_with = {"preset": preset or None, "base_model": absolute_model(base_model) or None}
    write_entry(registry, tag, {**values, **built_with})
    to = "" if seeds else " --to raw_corpus"
    console.print(f"added {plain(name)} ({tag}): build it with [bold]xinstr build {tag}{to}[/]")
    _warn(Identifier(tag).advice)


@commands.ending_with(*ORDINARY, name="fit")
def fit_language(
    tag: Annotated[str, typer.Argument(help="language key")],
    corpus: Annotated[
        str,
        typer.Option(callback=not_empty, help="text of the language that is known to be good: a file or a folder"),
    ] = "",
    output: Annotated[
        str, typer.Option(callback=not_empty, help="folder of the pack; packs/ beside languages.toml unless told")
    ] = "",
    crawl: Annotated[
        str, typer.Option(callback=not_empty, help="text as it was crawled: learn to refuse what stands apart in it")
    ] = "",
    unwanted: Annotated[
        list[str] | None,
        typer.Option(help="examples of what to refuse, such as gambling=casino-pages.jsonl; may be repeated"),
    ] = None,
    may_lose: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="share of the trusted documents that a learned filter may cost")
    ] = 0.02,
) -> None:
    """Fit the limits, stop words and profile of a language to text of its own, in a file to read and edit.

    With --crawl or --unwanted also filters that are learned from the difference; those that the pack had stay.
    """
    from xinstr_core.corpus.packs import fit_from_records
    from xinstr_dagster.cli.learned_filters import with_filters

    workspace = Workspace(home_folder(), corpus=absolute(corpus) if corpus else None)
    language = workspace.language(tag)
    records = records_of(workspace.corpus_source(language), tag, script=language.script)
    identifier = Identifier(tag, language.identified_as)
    identifier.check()
    pack = fit_from_records(records, identifier, language.script, workspace.settings(language).corpus)
    path = (absolute_path(output) if output else workspace.home / "packs") / f"{tag}.toml"
    with_filters(pack, path, workspace, language, crawl, unwanted or [], may_lose).write(path)
    console.print(f"{plain(language.name)}: fitted from {pack.documents} documents, written to {path}")
    if pack.taught:
        console.print(
            f"the second identifier was taught {plain(language.name)}: it tells it from {len(second_labels())} others"
        )
    elif not identifier.knows:
        _warn(
            f"no identifier knows {tag}, and what was learned from this text would lose too much of it: any text of the script "
            "that is not English passes. Give more text, or name a model that knows it: corpus.identification_model"
        )


@commands.ending_with(*ORDINARY, name="retire")
def retire_language(tag: Annotated[str, typer.Argument(help="language key")]) -> None:
    """Stop building a language. What was built stays."""
    registry = home_folder() / "languages.toml"
    get_language(registry, tag)
    write_entry(registry, tag, {"retired": True})
    console.print(f"{tag} is retired: its data stays in data/")


def _warn(advice: str) -> None:
    if advice:
        console.print(f"[yellow]{plain(advice)}[/]", soft_wrap=True, highlight=False)
