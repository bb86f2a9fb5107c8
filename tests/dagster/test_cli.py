"""What holds for every command: help that tells all, exit codes as declared, found without being listed."""

from __future__ import annotations

import importlib
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from inspect import getdoc
from pathlib import Path
from typing import get_type_hints

import polars as pl
import pytest
import typer
from typer.models import CommandInfo
from warcio.warcwriter import WARCWriter

from tests.small_line import commit_line, write_home
from xinstr_core import catalogue
from xinstr_core.errors import InputError
from xinstr_core.schemas.shared import Cost, EngineUse
from xinstr_core.stages import LINE, STAGES
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import StageOutput, Store
from xinstr_core.workspace import Workspace
from xinstr_dagster import processes
from xinstr_dagster.build import BuildRequest, Outcome, check_inputs
from xinstr_dagster.cli import commands, main
from xinstr_dagster.cli.commands.build import _print_funnels, _print_measures
from xinstr_dagster.cli.exit_codes import ORDINARY, ExitCode
from xinstr_dagster.cli.program import command_line

PROJECT = Path(__file__).parents[2]
ORDER = [
    "demo",
    "build",
    "estimate",
    "sweep",
    "report",
    "sql",
    "status",
    "lineage",
    "ui",
    "chat",
    "export",
    "model",
    "explain",
    "languages",
    "audit",
]


def _commands(app: typer.Typer, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], CommandInfo]:
    """Every command by what is typed for it."""
    found = {}
    for command in app.registered_commands:
        assert command.callback
        found[*path, command.name or command.callback.__name__] = command
    for group in app.registered_groups:
        assert group.typer_instance
        name = group.typer_instance.info.name
        found |= _commands(group.typer_instance, (*path, name) if isinstance(name, str) else path)
    return found


COMMANDS = _commands(command_line())
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`xinstr` in a home of its own; gives the exit code."""
    shutil.copy(PROJECT / "languages.toml", tmp_path)
    monkeypatch.setenv("XINSTR_HOME", str(tmp_path))

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["xinstr", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@pytest.fixture(params=COMMANDS.items(), ids=[" ".join(path) for path in COMMANDS])
def command(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], CommandInfo]:
    path, info = request.param
    return path, info


def test_the_help_of_a_command_says_what_it_does_what_it_takes_and_how_it_ends(
    command: tuple[tuple[str, ...], CommandInfo], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path, info = command
    assert run(*path, "--help") == ExitCode.DONE
    printed = capsys.readouterr().out
    said = getdoc(info.callback)
    assert said
    assert said.splitlines()[0] in printed
    hints = get_type_hints(info.callback, include_extras=True)
    parameters = {name: hint.__metadata__[0] for name, hint in hints.items() if name != "return"}
    assert [name for name, parameter in parameters.items() if not parameter.help] == []
    options = [parameter for parameter in parameters.values() if isinstance(parameter, typer.models.OptionInfo)]
    assert [option.help for option in options if option.help not in printed] == []
    declared = [code for code in ExitCode if f"{code.value}: {code.meaning}" in printed]
    own = {
        ("ui",): [code for code in ORDINARY if code != ExitCode.INTERRUPTED],
        ("export",): sorted((*ORDINARY, ExitCode.NOT_ACCEPTED)),
    }
    assert declared == own.get(path, [*ORDINARY])


def test_every_command_refuses_an_unknown_option(command: tuple[tuple[str, ...], CommandInfo], run: Run) -> None:
    path, _ = command
    assert run(*path, "--nonsense") == ExitCode.USAGE


def test_a_newcomer_sees_the_commands_by_what_they_are_for(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == ExitCode.DONE
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [row[1] for row in rows if row[1] != "--help"] == ORDER, "a new command has its place in ORDER"


def test_a_command_without_arguments_that_it_needs_is_a_wrong_use(run: Run) -> None:
    assert [run(), run("languages"), run("build")] == [ExitCode.USAGE] * 3


def test_a_command_that_did_its_work_ends_with_0(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("languages", "list") == 0
    assert "Swahili" in capsys.readouterr().out


def test_an_error_that_the_user_can_mend_ends_with_1(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "nope") == 1
    assert capsys.readouterr().err.startswith("error: unknown preset 'nope'")


def test_an_error_of_the_file_system_ends_with_1(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "languages.toml").unlink()
    (tmp_path / "languages.toml").mkdir()
    assert run("languages", "list") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_value_that_an_option_does_not_take_ends_with_2(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "sw", "--jobs", "none") == 2
    assert "--jobs" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/e2e/test_processes.py sends a real one to builds."""

    def interrupted(_store: object, _pair_id: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalogue, "pair_lineage", interrupted)
    assert run("lineage", "0123456789abcdef0123") == 130


def test_a_build_replaces_when_it_is_told_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """tests/e2e/test_replacing.py answers the question with no."""
    Store(tmp_path / "data").commit("reverse_model", "sw", "f", {"model": "another"}, StageOutput())
    requests = []

    def built(_home: Path, request: BuildRequest, *_: object) -> Iterator[Outcome]:
        requests.append(request)
        yield Outcome("sw", up_to_date=True)

    monkeypatch.setattr(processes, "build_each", built)
    assert run("build", "sw") == ExitCode.FAILED
    assert "Say --replace to let it" in capsys.readouterr().err
    assert (run("build", "sw", "--replace"), run("build", "sw", "--to", "seed_pairs")) == (ExitCode.DONE, ExitCode.DONE)
    assert [request.replace for request in requests] == [True, False]
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda _: True)
    assert run("build", "sw", "--preset", "pocket") == ExitCode.DONE
    assert (requests[-1].replace, requests[-1].preset) == (True, "pocket")


def test_a_build_says_what_a_large_model_will_take_unless_there_is_nothing_to_build(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "build_each", lambda *_: [])
    monkeypatch.setattr("xinstr_core.engines.machine.machine_rate", lambda _: 1e11)
    assert run("build", "sw") == ExitCode.DONE
    assert capsys.readouterr().out == ""  # the pocket model is none
    monkeypatch.setattr(importlib.import_module("xinstr_dagster.cli.commands.build"), "_SMALL", 0.0)
    assert run("build", "sw") == ExitCode.DONE
    assert re.fullmatch(
        r"sw: about \d\.\d GiB and \d+ (?:s|min) \(xinstr estimate sw says of what\)\n", capsys.readouterr().out
    )
    current = {"sw": Outcome("sw", up_to_date=True)}
    monkeypatch.setattr("xinstr_dagster.build.settled", lambda *_: current)
    assert run("build", "sw") == ExitCode.DONE
    assert capsys.readouterr().out == "sw is up to date: nothing to do\n"


def test_an_estimate_tells_what_is_built_from_what_is_not(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xinstr_core.engines.machine.machine_rate", lambda _: 1e11)
    assert run("estimate", "sw") == ExitCode.DONE
    printed = capsys.readouterr().out
    assert "built" not in printed
    assert "fits" in printed
    monkeypatch.setattr("xinstr_dagster.board.not_current", lambda *_: ["tuned_model"])
    assert run("estimate", "sw") == ExitCode.DONE
    printed = capsys.readouterr().out
    assert [line.count("built") for line in printed.splitlines() if "│" in line].count(1) == len(LINE) - 1
    assert "in all of what is not built yet" in printed


def test_an_estimate_says_which_build_it_goes_by_and_what_that_makes_in_money(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xinstr_core.engines.machine.machine_rate", lambda _: 1e11)
    workspace = Workspace(tmp_path)
    model = workspace.model(workspace.language("fi"))
    figures = {"cached_tokens": 0, "retries": 0, "gpu_seconds": 0, "money": 0}
    engine = f"transformers {model.name}"
    use = EngineUse(engine=engine, rows=100, prompt_tokens=9000, completion_tokens=1000, seconds=50, **figures)  # type: ignore[arg-type]
    output = StageOutput(
        cost=Cost(seconds=60, peak_memory=1, engines={"reverse": use}), built={"time": "2026-11-30T10:00:00+00:00"}
    )
    workspace.store.commit("candidate_pairs", "fi", "f", {"model": model.fingerprint}, output)
    (tmp_path / "xinstr.toml").write_text("[engines.default]\nprice_hour = 3600\n", "utf-8")
    assert run("estimate", "sw") == ExitCode.DONE
    printed = capsys.readouterr().out
    said = printed[printed.index("as seen in") :].splitlines()
    assert said[0] == "as seen in fi, 2026-11-30: candidate_pairs"
    assert said[1] == f"reverse ({engine}): 2.0 rows/s, 200 tokens/s"
    about = re.fullmatch(
        r"at least ([\d.]+) for engines, and what no build has told yet: evaluator, refined_pairs, diversified_set, eval_report; "
        r"by the prices of the settings, without trainings",
        said[2],
    )
    assert about
    assert re.search(rf"candidate_pairs .* {about[1]} *│", printed), "a unit of money a second"
    assert 50 < float(about[1]) < 1000


def test_an_engine_is_set_by_its_keys_and_one_that_cannot_play_its_role_is_told_before_the_first_stage(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["kind=openai", "address=http://127.0.0.1:9/v1"]
    of_tuned = [part for key in chosen for part in ("--set", f"engines.tuned.{key}")]
    penalty = ["--set", "evaluation.repetition_penalty=1.1"]
    told = (
        "error: the tuned cannot be an engine of kind 'openai', which lacks: repetition penalty; set engines.tuned.kind"
    )
    for command in ("build", "estimate"):
        assert run(command, "sw", *of_tuned, *penalty) == ExitCode.FAILED
        assert capsys.readouterr().err.startswith(told)
    assert not (tmp_path / "data" / "raw_corpus").exists()
    assert run("build", "sw", "--to", "raw_corpus", *of_tuned, *penalty) == ExitCode.DONE, "it is not played there"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("address=http://u:sk-secret@localhost/v1", "a key belongs in the environment"),
        ("key_variable=sk-secret", "the name of an environment variable is wanted, and not the key"),
    ],
)
def test_a_key_that_was_typed_where_none_belongs_is_not_shown(
    run: Run, capsys: pytest.CaptureFixture[str], key: str, shown: str
) -> None:
    assert (
        run("build", "sw", "--set", "engines.default.kind=openai", "--set", f"engines.default.{key}") == ExitCode.FAILED
    )
    said = capsys.readouterr().err
    assert shown in said
    assert "sk-secret" not in said


def test_a_program_that_reads_progress_reads_errors_alike(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xinstr_dagster.cli.output._for_programs", False)
    assert run("build", "xx", "--progress", "json") == ExitCode.FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["error"].startswith("unknown language 'xx'")


def test_a_model_is_asked_for_where_a_stage_uses_one_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = ["--base-model", "no/such/model"]
    assert run("build", "sw", "--to", "raw_corpus", *nowhere) == ExitCode.DONE
    capsys.readouterr()
    assert run("build", "sw", "--to", "reverse_model", *nowhere) == ExitCode.FAILED
    assert "'no/such/model' is neither a directory nor a hub id" in capsys.readouterr().err


def test_a_board_says_why_all_is_stale_where_the_model_is_gone(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "xinstr.toml").write_text('base_model = "no/such/model"\n', "utf-8")
    Store(tmp_path / "data").commit("reverse_model", "sw", "f", {}, StageOutput())
    assert run("status") == ExitCode.DONE
    said = capsys.readouterr().err
    assert said.startswith("error: sw: base model 'no/such/model'")
    assert said.count("\n") == 1, "of languages that were never built nothing is said"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chat", "sw", "--base", "--both"], "say one of them"),
        (["model", "sw", "--to", "out", "--dtype", "bfloat16"], "say --merge too"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(*arguments) == ExitCode.FAILED
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "sw", "--corpus"),
        ("build", "sw", "--seeds"),
        ("build", "sw", "--base-model"),
        ("status", "--preset"),
        ("estimate", "sw", "--seeds"),
        ("languages", "add", "eu", "--name", "Basque", "--script", "Latn", "--corpus", "pocket", "--seeds"),
        ("languages", "fit", "sw", "--output"),
    ],
)
def test_an_option_that_was_given_and_is_empty_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(*arguments, "") == ExitCode.FAILED
    assert capsys.readouterr().err == f"error: {arguments[-1]} is empty: say what, or leave it out\n"


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("20", "a budget of 20, and no engine has a price: set engines.default.price_prompt"),
        ("0", "--budget 0: say an amount above 0, or leave it out"),
        ("nan", "--budget nan: say an amount above 0, or leave it out"),
    ],
)
def test_a_budget_that_limits_nothing_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], amount: str, said: str
) -> None:
    assert run("build", "sw", "--budget", amount) == ExitCode.FAILED
    assert capsys.readouterr().err.startswith(f"error: {said}")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("loop.jsonl", "loop.jsonl: Symlink loop from "),
        ("~nobody-has-this-name/sw.jsonl", "Could not determine home directory: give the file or folder itself"),
        ("l\udce4tin.jsonl", "l\ufffdtin.jsonl: the name is not UTF-8: rename it"),
    ],
)
@pytest.mark.parametrize("option", ["--corpus", "--seeds", "--base-model"])
def test_a_path_that_is_none_is_one_line(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    typed: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    assert run("build", "sw", option, typed) == ExitCode.FAILED
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("what?", "rename what"),
        ("a[1]", "rename what"),
        ("all*", "rename what"),
        ("a%20b", "rename what"),
        ("\udce4", "not UTF-8"),
    ],
)
def test_a_home_that_dagsters_database_or_tables_cannot_name_is_one_line(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    said: str,
) -> None:
    home = tmp_path / name
    home.mkdir()
    shutil.copy(PROJECT / "languages.toml", home)
    monkeypatch.setenv("XINSTR_HOME", str(home))
    assert run("build", "sw") == ExitCode.FAILED
    assert said in capsys.readouterr().err
    assert [path.name for path in home.iterdir()] == ["languages.toml"]


def test_a_language_is_added_without_seeds_where_only_its_text_is_wanted(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "eu.jsonl").write_text('{"text": "kaixo"}\n', "utf-8")
    add = ("languages", "add", "eu", "--name", "Basque", "--script", "Latn", "--corpus")
    assert run(*add, str(tmp_path / "eu.jsonl")) == ExitCode.DONE
    assert "build it with xinstr build eu --to raw_corpus\n" in capsys.readouterr().out
    workspace = Workspace(tmp_path)
    assert workspace.seeds_file(workspace.language("eu")) is None
    check_inputs(workspace, ["eu"], ["raw_corpus"])


def test_seeds_are_asked_for_where_they_are_used_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "eu.jsonl").write_text('{"text": "kaixo"}\n', "utf-8")
    with (tmp_path / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write('\n[eu]\nname = "Basque"\nscript = "Latn"\ncorpus = "eu.jsonl"\nseeds = "nowhere.jsonl"\n')
    check_inputs(Workspace(tmp_path), ["eu"], ["raw_corpus"])
    with pytest.raises(InputError, match=r"no seeds file for 'eu': looked for .*nowhere\.jsonl"):
        check_inputs(Workspace(tmp_path), ["eu"], ["seed_pairs"])
    with pytest.raises(InputError, match=r"no seeds file for 'eu': looked for .*elsewhere\.jsonl"):
        check_inputs(Workspace(tmp_path, seeds="elsewhere.jsonl"), ["eu"], ["raw_corpus"])


NEW_GROUP = '''
from xinstr_dagster.cli.exit_codes import ORDINARY
from xinstr_dagster.cli.group import CommandGroup, Panel

commands = CommandGroup(Panel.LOOK)


@commands.ending_with(*ORDINARY)
def greet() -> None:
    """Say good day."""
    print("good day")
'''


def test_a_new_file_is_a_new_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "greet.py").write_text(NEW_GROUP, "utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(folder)])
    assert run("greet") == ExitCode.DONE
    assert capsys.readouterr().out == "good day\n"
    sys.modules.pop(f"{commands.__name__}.greet")


def test_a_build_says_what_of_archives_it_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\ncorpus = "c.warc"\n', "utf-8")
    with (tmp_path / "c.warc").open("wb") as stream:
        writer = WARCWriter(stream, gzip=False)
        for kind in ("warcinfo", "metadata", "metadata"):
            writer.write_record(writer.create_warc_record("https://example.org/", kind, io.BytesIO(b"x")))
    workspace = Workspace(tmp_path)
    run_stage(workspace, STAGES["raw_corpus"], "sw", {})
    _print_funnels(workspace, ["raw_corpus"], "sw")
    assert capsys.readouterr().out.splitlines()[1:] == ["    no pages, passed over: 2 metadata, 1 warcinfo"]


def test_a_language_that_no_identifier_knows_is_warned_of_and_taught_by_a_fit(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("xoqua", "vuz", "jiji", "kyx", "woxo", "quavuz", "jikyx")
    texts = (" ".join(words[(n * step + step) % 7] for step in range(1, 60)) for n in range(40))
    source = tmp_path / "wo.jsonl"
    source.write_text("".join(f'{{"text": "{text}."}}\n' for text in texts), "utf-8")
    arguments = ["--name", "Wolof", "--script", "Latn", "--corpus", str(source), "--seeds", str(source)]
    assert run("languages", "add", "wo", *arguments) == 0
    assert (
        "\nno identifier knows wo: any text of its script that is not English passes. Teach it"
        in capsys.readouterr().out
    )
    assert run("languages", "fit", "wo") == 0
    assert "the second identifier was taught Wolof: it tells it from 140 others\n" in capsys.readouterr().out


@pytest.fixture
def built(run: Run, tmp_path: Path) -> Path:
    """The home of `run` with Swahili and Urdu built."""
    write_home(tmp_path, "sw", "ur")
    return tmp_path


def test_reports_of_all_that_is_built_are_written(run: Run, built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report") == 0
    reports = built / "data" / "reports"
    assert capsys.readouterr().out.splitlines() == [str(reports / f"{name}.html") for name in ("sw", "ur", "index")]
    assert "<h1>Swahili" in (reports / "sw.html").read_text("utf-8")


def test_a_report_goes_where_it_is_wanted_and_again(run: Run, built: Path) -> None:
    for _ in range(2):
        assert run("report", "ur", "--to", str(built / "out")) == 0
        assert sorted(path.name for path in (built / "out").iterdir()) == ["index.html", "ur.html"]
    assert not (built / "data" / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sw", "fi"], "no report of fi: raw_corpus, "),
        (["../sw"], "nothing is stored of '../sw': it is no language key"),
        (["sw", "--to", "languages.toml"], "languages.toml is no folder: say another one with --to"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_line_and_nothing_is_written(
    run: Run,
    built: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(built)
    assert run("report", *arguments) == 1
    found = capsys.readouterr()
    assert said in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""
    assert not (built / "data" / "reports").exists()


def test_a_damaged_language_does_not_keep_others_from_their_report(
    run: Run, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(Store(built / "data").path("refined_pairs", "sw"))
    assert run("report") == 1
    found = capsys.readouterr()
    assert found.err == "error: no report of sw: refined_pairs not built; `xinstr build sw` builds what is missing\n"
    assert [Path(line).name for line in found.out.splitlines()] == ["ur.html", "index.html"]


def test_without_anything_built_a_report_says_what_to_do(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report") == 1
    assert capsys.readouterr().err == (
        "error: nothing to report: no language is built; `xinstr build LANGUAGE` builds one\n"
    )


def test_measures_without_an_interval_are_printed(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(built / "data")
    report = store.get("eval_report", "sw")
    assert report
    without = report.read("measures").with_columns(low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
    commit_line(store, "sw", tables={"eval_report": {"measures": without, "gaps": report.read("gaps")}})
    _print_measures(Workspace(built), ["sw", "ur"])
    assert "0.900" in capsys.readouterr().out
