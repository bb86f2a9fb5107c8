"""`xinstr demo` and `xinstr build`: languages through the line, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from xinstr_core.errors import SettingsError
from xinstr_core.languages import active_languages
from xinstr_core.parallel import cores
from xinstr_core.progress import duration
from xinstr_core.reporting.render import report_file
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import Funnel
from xinstr_core.schemas.eval_report import EVAL_REPORT, MEASURES
from xinstr_core.schemas.raw_corpus import CorpusFigures
from xinstr_core.schemas.refined_pairs import RefinedFigures
from xinstr_core.schemas.shared import Advises
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.cli.exit_codes import ORDINARY, ExitCode
from xinstr_dagster.cli.group import CommandGroup, Panel
from xinstr_dagster.cli.options import (
    BaseModel,
    Budget,
    CorpusPath,
    Overrides,
    Preset,
    ProgressOutput,
    Replace,
    SeedsPath,
    choices_of,
)
from xinstr_dagster.cli.output import console, plain, print_error
from xinstr_dagster.progress_output import Output, progress_output

if TYPE_CHECKING:
    from xinstr_core.stages.replacement import Replacement
    from xinstr_dagster.build import Outcome

commands = CommandGroup(Panel.BUILD)
_SMALL = 0.01  # of the free memory: a model under that is built before anybody would have read an estimate
DEMO_LANGUAGES = "sw,fi,ur"
DEMO_WORLD = {"preset": "pocket", "base_model": "pocket"}  # whatever is kept: minutes on any machine, and no download


@commands.ending_with(*ORDINARY)
def demo(
    languages: Annotated[str, typer.Option(help="comma-separated keys, or 'all'")] = DEMO_LANGUAGES,
    jobs: Annotated[int, typer.Option(min=0, help="languages built at once; 0: one a processor")] = 0,
    replace: Replace = False,
    progress: ProgressOutput = Output.TEXT,
) -> None:
    """Build the embedded world's languages and print what came out."""
    home = home_folder()
    tags = (
        sorted(active_languages(home / "languages.toml"))
        if languages == "all"
        else [tag.strip() for tag in languages.split(",")]
    )
    tags = list(dict.fromkeys(tags))
    succeeded = _build(tags, {**DEMO_WORLD, "replace": replace}, jobs, progress)
    _print_measures(Workspace(home), tags)
    if not succeeded:
        raise typer.Exit(ExitCode.FAILED)


@commands.ending_with(*ORDINARY)
def build(
    tags: Annotated[list[str], typer.Argument(help="language keys, e.g. sw ur fi")],
    corpus: CorpusPath = "",
    seeds: SeedsPath = "",
    base_model: BaseModel = "",
    preset: Preset = "",
    first: Annotated[str, typer.Option("--from", help="first stage")] = "raw_corpus",
    last: Annotated[str, typer.Option("--to", help="last stage")] = "eval_report",
    override: Overrides = None,
    jobs: Annotated[int, typer.Option(min=1, help="languages built at once, each in a process of its own")] = 1,
    replace: Replace = False,
    progress: ProgressOutput = Output.TEXT,
    budget: Budget = None,
) -> None:
    """Build languages, or the part of the line between two stages; what is up to date is left alone."""
    choices = choices_of(corpus, seeds, base_model, preset, override)
    wanted = {"first": first, "last": last, "replace": replace, "budget": budget or 0.0}
    if not _build(list(dict.fromkeys(tags)), {**choices, **wanted}, jobs, progress):
        raise typer.Exit(ExitCode.FAILED)


def _build(tags: list[str], choices: dict[str, Any], jobs: int, progress: Output) -> bool:
    """Build every language, `jobs` at once (0: one a processor). Whether all succeeded; all are tried."""
    from xinstr_dagster.build import BuildRequest, check_budget, check_inputs, in_work, replacements, settled
    from xinstr_dagster.instance import prepare_home
    from xinstr_dagster.processes import build_each

    home = home_folder()
    request = BuildRequest(**choices)
    request.stages()
    prepare_home(home)
    done = in_work(home, tags)
    free = [tag for tag in tags if tag not in done]
    check_inputs(request.workspace(home), free, request.stages())
    check_budget(request.workspace(home), request, free)
    if found := replacements(home, request, free):
        _ask_to_replace(found)
        request = BuildRequest(**choices | {"replace": True})
    done |= settled(home, request, free)
    waiting = [tag for tag in free if tag not in done]
    _warn_of_size(request.workspace(home), waiting, request.stages())
    failed = False
    try:
        with progress_output(console, progress) as listen:
            for outcome in chain(done.values(), build_each(home, request, waiting, jobs or cores(), listen)):
                failed = bool(outcome.error) or failed
                _print_outcome(outcome)
                if not (outcome.error or outcome.up_to_date):
                    _print_funnels(request.workspace(home), request.stages(), outcome.language)
    except KeyboardInterrupt:
        print_error("interrupted: the same command goes on from here")
        raise
    return not failed


def _warn_of_size(workspace: Workspace, tags: Sequence[str], stages: Sequence[str]) -> None:
    """Say of languages whose base model is no small thing here what these stages will take, before anything is loaded."""
    from xinstr_core.engines.machine import machine_rate
    from xinstr_core.engines.memory import free_memory
    from xinstr_core.estimate.cost import estimate
    from xinstr_core.stages import STAGES
    from xinstr_dagster.board import not_current

    for tag in tags:
        language = workspace.language(tag)
        if not any(STAGES[name].needs_model(workspace, language) for name in stages):
            continue
        weights = workspace.model(language).path.glob("*.safetensors")
        if sum(path.stat().st_size for path in weights) < _SMALL * free_memory():
            continue
        found = estimate(workspace, tag, machine_rate(workspace.precision(language).name))
        wanted = {*not_current(workspace, tag)}.intersection(stages)
        open_stages = [stage for stage in found.stages if stage.asset in wanted]
        if not open_stages:  # the catalogue alone has to be written
            continue
        peak, seconds = max(stage.memory for stage in open_stages), sum(stage.seconds for stage in open_stages)
        said = f"{tag}: about {peak / 2**30:.1f} GiB and {duration(seconds)} (xinstr estimate {tag} says of what)"
        console.print(f"[yellow]{plain(said)}[/]" if found.advice else plain(said), soft_wrap=True, highlight=False)
        if found.advice:
            console.print(f"[yellow]  does not fit: {plain(found.advice)}[/]", soft_wrap=True, highlight=False)


def _ask_to_replace(found: Sequence[Replacement]) -> None:
    """Go on if the user says so. SettingsError if not, or where nobody is there to be asked."""
    kept = "what a build takes without options stands in xinstr.toml and in the language's entry of languages.toml"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise SettingsError(f"{'; '.join(map(str, found))}. Say --replace to let it; {kept}")
    for one in found:
        console.print(plain(str(one)), soft_wrap=True, highlight=False)
    if not typer.confirm("Replace it?"):
        raise SettingsError(f"nothing was built: {kept}")


def _print_outcome(outcome: Outcome) -> None:
    tag = outcome.language
    if outcome.error:
        print_error(f"{tag}: {outcome.error}" + (f" (run {outcome.run_id})" if outcome.run_id else ""))
    elif outcome.up_to_date:
        console.print(f"[green]{tag}[/] is up to date: nothing to do")
    else:
        console.print(f"[green]{tag}[/] built in {outcome.seconds:.0f} s")


def _print_funnels(workspace: Workspace, stages: list[str], tag: str) -> None:
    """What each stage took, lost for which reasons, and kept; what came of rounds; and what a user should do."""
    told = set()
    for stage in stages:
        partition = workspace.store.get(stage, tag)
        if partition is None:
            continue
        figures = partition.read_figures(CONTRACTS[stage].figures)
        for funnel in (value for _, value in figures.told() if isinstance(value, Funnel)):
            lost = ", ".join(f"{count} {plain(reason)}" for reason, count in funnel.lost.items() if count)
            said = f"{funnel.taken} {plain(funnel.came)} -> {funnel.kept} {plain(funnel.left)}"
            console.print(f"  {stage}: {said}" + (f" [dim]({lost})[/]" if lost else ""), soft_wrap=True)
        if isinstance(figures, CorpusFigures) and figures.passed_over:
            said = ", ".join(f"{count} {kind}" for kind, count in figures.passed_over.items())
            console.print(f"    no pages, passed over: {plain(said)}", soft_wrap=True, highlight=False)
        if isinstance(figures, RefinedFigures):
            rounds = [f"round {later.round} {later.outcome}" for later in figures.rounds[1:]]
            proofs = [proof.said for proof in (figures.precision, figures.audit) if proof]
            for line in [*rounds, *proofs]:
                console.print(f"    {plain(line)}", soft_wrap=True, highlight=False)
        if isinstance(figures, Advises) and figures.advice and figures.advice not in told:
            told.add(figures.advice)
            console.print(f"    [yellow]{plain(figures.advice)}[/]", soft_wrap=True, highlight=False)


def _print_measures(workspace: Workspace, tags: list[str]) -> None:
    table = Table("measure", "of", "prompts", *tags)
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for tag in tags:
        partition = workspace.store.get(EVAL_REPORT.asset, tag)
        if partition is None or not partition.holds(EVAL_REPORT):
            continue
        for row in partition.read(MEASURES.name).iter_rows(named=True):
            prompts = "native" if row["prompts"] == tag else row["prompts"]
            known = row["low"] is not None and row["high"] is not None
            interval = f" [dim]({row['low']:.3f} to {row['high']:.3f})[/]" if known else ""
            shown = f"{row['value']:.3f}{interval}"
            rows.setdefault((row["metric"], row["model"], prompts), {})[tag] = shown
        console.print(f"report: {report_file(workspace.store, tag)}", soft_wrap=True)
    for key, values in rows.items():
        table.add_row(*key, *(values.get(tag, "-") for tag in tags))
    console.print(table)
