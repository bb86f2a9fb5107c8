"""The command line `xinstr`: thin, over the same Dagster assets as the UI."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from xinstr_core.corpus.sources import files_of, records_of
from xinstr_core.errors import SettingsError, XinstrError
from xinstr_core.languages import CorpusSource, active_languages, check_tag, get_language, read_languages, write_entry
from xinstr_core.parallel import cores
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.text import printable
from xinstr_core.workspace import Workspace, home_folder

if TYPE_CHECKING:
    from xinstr_dagster.build import Outcome

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Natural text in; curated pairs, a tuned model and a report out."
)
languages_app = typer.Typer(no_args_is_help=True, help="The language registry, languages.toml.")
app.add_typer(languages_app, name="languages")
console = Console()

DEMO_LANGUAGES = "sw,fi,ur"
Tags = Annotated[list[str], typer.Argument(help="language keys, e.g. sw ur fi")]
Preset = Annotated[str, typer.Option(help="preset of settings")]
CorpusPath = Annotated[str, typer.Option("--corpus", help="corpus file or folder, for this build")]
SeedsPath = Annotated[str, typer.Option("--seeds", help="seed file or folder, for this build")]
BaseModel = Annotated[str, typer.Option(help="local directory or hub id")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="a setting of this build, e.g. --set tuning.epochs=2")
]


@app.command()
def demo(
    languages: Annotated[str, typer.Option(help="comma-separated keys, or 'all'")] = DEMO_LANGUAGES,
    jobs: Annotated[int, typer.Option(min=0, help="languages built at once; 0: one a processor")] = 0,
) -> None:
    """Build the embedded world's languages and print what came out."""
    home = home_folder()
    tags = (
        sorted(active_languages(home / "languages.toml"))
        if languages == "all"
        else [tag.strip() for tag in languages.split(",")]
    )
    tags = list(dict.fromkeys(tags))
    succeeded = _build(tags, {}, jobs)
    _print_measures(Workspace(home), tags)
    if not succeeded:
        raise typer.Exit(1)


@app.command()
def build(
    tags: Tags,
    corpus: CorpusPath = "",
    seeds: SeedsPath = "",
    base_model: BaseModel = "",
    preset: Preset = "pocket",
    first: Annotated[str, typer.Option("--from", help="first stage")] = "raw_corpus",
    last: Annotated[str, typer.Option("--to", help="last stage")] = "eval_report",
    override: Overrides = None,
    jobs: Annotated[int, typer.Option(min=1, help="languages built at once, each in a process of its own")] = 1,
) -> None:
    """Build languages, or the part of the line between two stages; what is up to date is left alone."""
    choices = {**_choices(corpus, seeds, base_model, preset, override), "first": first, "last": last}
    if not _build(list(dict.fromkeys(tags)), choices, jobs):
        raise typer.Exit(1)


@languages_app.command("list")
def list_languages() -> None:
    """Every registered language."""
    table = Table("key", "language", "script", "corpus", "seeds", "")
    for tag, language in sorted(read_languages(home_folder() / "languages.toml").items()):
        table.add_row(
            tag,
            _plain(language.name),
            language.script,
            _plain(language.corpus_source.path),
            _plain(language.seeds or "-"),
            "retired" if language.retired else "",
        )
    console.print(table)


@languages_app.command("add")
def add_language(
    tag: Annotated[str, typer.Argument(help="lower-case BCP 47 key, e.g. eu")],
    name: Annotated[str, typer.Option(help="English name")],
    script: Annotated[str, typer.Option(help="ISO 15924 code, e.g. Latn")],
    corpus: Annotated[str, typer.Option(help="'pocket', a file or a folder")],
    seeds: Annotated[str, typer.Option(help="'pocket', a file or a folder")],
) -> None:
    """Register a language: it appears in the UI within seconds."""
    registry = home_folder() / "languages.toml"
    if check_tag(tag) in read_languages(registry):
        raise SettingsError(f"{tag} is registered already: change its entry in {registry}")
    for source, what in ((corpus, "corpus"), (seeds, "seeds")):
        if source != "pocket":
            files_of(CorpusSource(path=_absolute(source)), tag, what)
        elif tag not in POCKET_LANGUAGES:
            raise SettingsError(
                f"the pocket world has no {tag}: give --{what} a file or folder; it has {', '.join(POCKET_LANGUAGES)}"
            )
    values = {"name": name, "script": script, "corpus": _absolute(corpus), "seeds": _absolute(seeds)}
    write_entry(registry, tag, values)
    console.print(f"added {_plain(name)} ({tag}): build it with [bold]xinstr build {tag}[/]")


@languages_app.command("fit")
def fit_language(
    tag: Annotated[str, typer.Argument(help="language key")],
    corpus: Annotated[str, typer.Option(help="text of the language that is known to be good: a file or a folder")] = "",
    output: Annotated[str, typer.Option(help="folder of the pack; packs/ beside languages.toml unless told")] = "",
) -> None:
    """Fit the limits, stop words and profile of a language to text of its own, in a file to read and edit."""
    from xinstr_core.corpus.packs import fit_from_records

    workspace = Workspace(home_folder(), corpus=_absolute(corpus) if corpus else None)
    language = workspace.language(tag)
    records = records_of(workspace.corpus_source(language), tag)
    pack = fit_from_records(records, tag, language.script, workspace.settings.corpus)
    path = (Path(output) if output else workspace.home / "packs") / f"{tag}.toml"
    pack.write(path)
    console.print(f"{_plain(language.name)}: fitted from {pack.documents} documents, written to {path}")


@languages_app.command("retire")
def retire_language(tag: Annotated[str, typer.Argument(help="language key")]) -> None:
    """Stop building a language. What was built stays."""
    registry = home_folder() / "languages.toml"
    get_language(registry, tag)
    write_entry(registry, tag, {"retired": True})
    console.print(f"{tag} is retired: its data stays in data/")


@app.command()
def status(
    corpus: CorpusPath = "",
    seeds: SeedsPath = "",
    base_model: BaseModel = "",
    preset: Preset = "pocket",
    override: Overrides = None,
) -> None:
    """Which stages of which language are current, stale or missing, seen by a build with the same options."""
    from xinstr_dagster.board import CURRENT, MISSING, rows_of, short, states
    from xinstr_dagster.build import BuildRequest

    request = BuildRequest(**_choices(corpus, seeds, base_model, preset, override))
    workspace = request.workspace(home_folder())
    _ = workspace.settings, workspace.model  # what is wrong with these is wrong with every language
    for source in (request.corpus, request.seeds):
        if source not in ("", "pocket") and "://" not in source and not Path(source).exists():
            raise SettingsError(f"{source} does not exist: give the file or folder of the build")
    shown: dict[str, dict[str, str]] = {}
    for tag in sorted(read_languages(workspace.registry)):
        for stage, state in states(workspace, tag):
            rows = rows_of(workspace, stage, tag)
            colour = {CURRENT: "green", MISSING: "dim"}.get(state, "yellow")
            text = f"[{colour}]{short(state)}{'' if rows is None else f' {rows}'}[/]"
            shown.setdefault(stage, {})[tag] = text
    tags = list(next(iter(shown.values()), {}))
    table = Table("stage", *tags, padding=0)  # stages down the side: ten languages fit 80 columns
    for stage, cells in shown.items():
        table.add_row(stage, *(cells[tag] for tag in tags))
    console.print(table)


@app.command()
def lineage(pair_id: Annotated[str, typer.Argument(help="key of a pair, from any table or the UI")]) -> None:
    """Follow a pair: document, instruction, ratings, cluster, split, model."""
    from xinstr_core.catalogue import pair_lineage

    table = Table(show_header=False)
    for name, value in pair_lineage(Workspace(home_folder()).store, pair_id).items():
        table.add_row(name, "-" if value is None else _plain(str(value)))
    console.print(table)


@app.command()
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


def _choices(corpus: str, seeds: str, base_model: str, preset: str, override: list[str] | None) -> dict[str, Any]:
    """What `build` and `status` take alike, as a build request has it."""
    return {
        "corpus": _absolute(corpus),
        "seeds": _absolute(seeds),
        "base_model": _absolute_model(base_model),
        "preset": preset,
        "overrides": _parse_overrides(override or []),
    }


def _build(tags: list[str], choices: dict[str, Any], jobs: int) -> bool:
    """Build every language, `jobs` at once (0: one a processor). Whether all succeeded; all are tried."""
    from xinstr_dagster.build import BuildRequest, check_inputs
    from xinstr_dagster.instance import prepare_home
    from xinstr_dagster.processes import build_each
    from xinstr_dagster.progress_bar import progress_bar

    home = home_folder()
    request = BuildRequest(**choices)
    request.stages()
    prepare_home(home)
    check_inputs(request.workspace(home), tags)
    failed = False
    try:
        with progress_bar(console) as listen:
            for outcome in build_each(home, request, tags, jobs or cores(), listen):
                failed = bool(outcome.error) or failed
                _print_outcome(outcome)
                if not (outcome.error or outcome.up_to_date):
                    _print_funnels(request.workspace(home), request.stages(), outcome.language)
    except KeyboardInterrupt:
        _print_error("interrupted: the same command goes on from here")
        raise
    return not failed


def _print_outcome(outcome: Outcome) -> None:
    tag = outcome.language
    if outcome.error:
        _print_error(f"{tag}: {outcome.error}" + (f" (run {outcome.run_id})" if outcome.run_id else ""))
    elif outcome.up_to_date:
        console.print(f"[green]{tag}[/] is up to date: nothing to do")
    else:
        console.print(f"[green]{tag}[/] built in {outcome.seconds:.0f} s")


def _print_funnels(workspace: Workspace, stages: list[str], tag: str) -> None:
    """What each stage took, lost for which reasons, and kept."""
    for stage in stages:
        partition = workspace.store.get(stage, tag)
        funnel = partition.figures.get("funnel", {}) if partition else {}
        if funnel:
            (first, taken), *_, (last, kept) = funnel.items()
            lost = [f"{count} {step[2:]}" for step, count in funnel.items() if step.startswith("- ") and count]
            reasons = f" [dim]({', '.join(map(_plain, lost))})[/]" if lost else ""
            console.print(f"  {stage}: {taken} {_plain(first)} -> {kept} {_plain(last)}{reasons}", soft_wrap=True)


def _print_measures(workspace: Workspace, tags: list[str]) -> None:
    table = Table("measure", "of", "prompts", *tags)
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for tag in tags:
        partition = workspace.store.get("eval_report", tag)
        for row in partition.read("measures").iter_rows(named=True) if partition else []:
            prompts = "native" if row["prompts"] == tag else row["prompts"]
            shown = f"{row['value']:.3f} [dim]({row['low']:.3f} to {row['high']:.3f})[/]"
            rows.setdefault((row["metric"], row["model"], prompts), {})[tag] = shown
        if partition:
            console.print(f"report: {partition.folder('report') / 'index.html'}", soft_wrap=True)
    for key, values in rows.items():
        table.add_row(*key, *(values.get(tag, "-") for tag in tags))
    console.print(table)


def _parse_overrides(assignments: list[str]) -> dict[str, Any]:
    """`section.key=value` as nested settings; values are read as TOML, anything else is text."""
    import tomllib

    parsed: dict[str, Any] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found:
            raise SettingsError(f"--set {assignment!r}: write it as section.key=value")
        section = parsed
        *parents, key = name.strip().split(".")
        if len(parents) > 1:
            raise SettingsError(f"--set {assignment[:80]!r}: a setting has one section, as in tuning.epochs=2")
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise SettingsError(f"--set {assignment!r}: {parent} already has the value {section!r}")
        try:
            section[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            section[key] = value
    return parsed


def _absolute(source: str) -> str:
    """A path the user typed, seen from where it was typed; URLs, the word 'pocket' and nothing stay."""
    return source if source in ("", "pocket") or "://" in source else str(Path(source).expanduser().resolve())


def _absolute_model(name: str) -> str:
    folder = Path(name).expanduser()
    return str(folder.resolve()) if name and folder.is_dir() else name


def _print_error(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    Console(stderr=True).print(f"[red]error:[/] {_plain(message)}", soft_wrap=True, highlight=False)


def _plain(text: str) -> str:
    """Text from outside, without console markup of its own."""
    from rich.markup import escape

    return escape(printable(" ".join(text.split())))


def main() -> None:
    """Run the command line; an error that the user can mend, of the file system too, is one line."""
    try:
        app()
    except (XinstrError, OSError) as error:
        _print_error(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
