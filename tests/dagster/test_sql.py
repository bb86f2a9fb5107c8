"""`xinstr sql` as people and scripts run it: what goes where, in which format, with which exit code; and the shell."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.core.small_world import write_small_world
from tests.e2e.conftest import CommandLine, on_a_terminal, wait_for
from xinstr_dagster.cli import main

KEPT = "SELECT pair_id, p_level_3 FROM refined_pairs WHERE kept ORDER BY pair_id"
Run = Callable[..., int]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_small_world(folder / "data")
    return folder


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`xinstr sql` in that home; gives the exit code."""
    monkeypatch.setenv("XINSTR_HOME", str(home))

    def run(*arguments: str, typed: str = "") -> int:
        monkeypatch.setattr(sys, "argv", ["xinstr", "sql", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def test_on_a_pipe_rows_are_csv_and_standard_input_is_asked(
    run: Run, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for arguments, typed in (((KEPT,), ""), ((), f"{KEPT};\n")):
        assert run(*arguments, typed=typed) == 0
        assert capfdbinary.readouterr().out == b"pair_id,p_level_3\np1,0.99\np2,0.95\n"


def test_a_table_is_cut_where_it_is_told_to_be(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{KEPT}; FROM range(100)", "--format", "table", "--rows", "10") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["│ pair_id │ p_level_3 │", "│ varchar │  double   │"]
    assert "100 rows" in lines[-2] + lines[-1]
    assert "(10 shown)" in lines[-2] + lines[-1]


def test_a_file_has_the_format_of_its_name(run: Run, tmp_path: Path) -> None:
    for name in ("kept.parquet", "kept.jsonl"):
        assert run(KEPT, "--to", str(tmp_path / name)) == 0
    assert pl.read_parquet(tmp_path / "kept.parquet").to_dicts() == pl.read_ndjson(tmp_path / "kept.jsonl").to_dicts()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((KEPT, "--format", "parquet"), "error: Parquet is no text: say with --to FILE where it shall be\n"),
        ((f"{KEPT}; {KEPT}", "--format", "json"), "error: json holds the rows of one query, and 2 were asked\n"),
        (("  ",), "error: nothing is asked: give a query, as in xinstr sql 'FROM lineage LIMIT 3'\n"),
        (("DROP VIEW lineage",), "error: only queries are taken here, and CREATE TEMP TABLE, VIEW or MACRO: DROP VIEW lineage\n"),
        (("FROM lineag",), 'error: Catalog Error: Table with name lineag does not exist! Did you mean "lineage"?\n'
         "LINE 1: FROM lineag\n             ^^^^^^\n"),
        (("--describe", "lineag"), "error: no view 'lineag': there are audit, builds, candidate_pairs, changes, "),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said_and_ends_with_1(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(*arguments) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(said)
    assert printed.out == ""


def test_a_file_of_no_known_format_is_refused(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("kept", "kept.xlsx"):
        assert run(KEPT, "--to", str(tmp_path / name)) == 1
        expected = "is to hold data: give it a name that ends in one of csv, json, jsonl, parquet, or a --format"
        assert expected in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_what_there_is_to_ask_is_told_without_anything_built(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XINSTR_HOME", str(tmp_path))
    assert run("--tables") == 0
    assert "Every pair back to its document, and on to the model that learned from it." in capsys.readouterr().out
    assert run("--describe", "role_costs") == 0
    assert "by the prices that the settings give" in capsys.readouterr().out
    assert run(KEPT) == 1
    assert "build a language first" in capsys.readouterr().err


def test_a_person_at_a_terminal_gets_a_shell_that_outlives_mistakes(home: Path) -> None:
    typed = "SELECT nothing\nFROM lineage;\n.help\n.nonsense\n.describe builds\n.again\nSELECT count(*) AS pairs\nFROM lineage;\n.exit"
    code, printed = on_a_terminal(CommandLine(home), typed, "sql")
    assert code == 0, printed
    lines = [line.rstrip() for line in printed.splitlines()]
    assert sum(line.startswith("For example:  SELECT language, licence") for line in lines) == 2
    assert 'Binder Error: Referenced column "nothing" not found' in printed
    assert "no .nonsense: there are .tables, .describe VIEW, .again, .help and .exit" in printed
    assert "what its last run took" in printed
    assert "│     3 │" in lines


def test_what_gives_no_rows_is_shown_alone_and_not_written(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("CREATE TEMP TABLE kept AS SELECT 1") == 0
    assert capsys.readouterr().out == "done\n"
    assert run("EXPLAIN FROM lineage") == 0
    assert capsys.readouterr().out.startswith("┌")
    assert run("CREATE TEMP TABLE kept AS SELECT 1", "--to", str(tmp_path / "x.csv")) == 1
    assert capsys.readouterr().err.startswith("error: csv holds the rows of a query, and this gives none: CREATE TEMP")
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_not_there_is_named(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "none" / "x.csv"
    assert run(KEPT, "--to", str(path)) == 1
    assert capsys.readouterr().err == f"error: {path} cannot be written: there is no folder {path.parent}\n"


def test_a_file_that_is_there_is_replaced_only_when_told(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    labels = tmp_path / "sw.csv"
    labels.write_text("a person's labels", "utf-8")
    assert run(KEPT, "--to", str(labels)) == 1
    assert capsys.readouterr().err == f"error: {labels} is there already: give another place, or --overwrite\n"
    assert labels.read_text("utf-8") == "a person's labels"
    assert run(KEPT, "--to", str(labels), "--overwrite") == 0
    assert labels.read_text("utf-8") == "pair_id,p_level_3\np1,0.99\np2,0.95\n"


ENDLESS = "SELECT count(*) FROM range(300000) a, range(300000) b WHERE a.range * b.range % 7 = 3"


def read_until(stream: int, mark: str) -> None:
    seen = ""
    while mark not in seen:
        seen += os.read(stream, 4096).decode(errors="replace")


@pytest.mark.parametrize("kind", ["table", "csv"])
def test_an_interrupt_ends_a_long_query(home: Path, tmp_path: Path, kind: str) -> None:
    """Of several threads, also where it is they that work; the pair of queries says when the long one runs."""
    arguments = [f"SELECT 1; {ENDLESS}"] if kind == "table" else [ENDLESS, "--to", str(tmp_path / "x.csv")]
    with subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", "sql", *arguments, "--format", kind],
        env={**CommandLine(home).environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout
        if kind == "table":
            read_until(process.stdout.fileno(), "└")
        else:
            wait_for("the file to be begun", 60, lambda: [*tmp_path.iterdir()])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, b"Traceback" in errors) == (130, False)
    assert [*tmp_path.iterdir()] == []


def test_an_interrupt_in_the_shell_ends_the_query_and_not_the_shell(home: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", "sql"],
        env=CommandLine(home).environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(theirs)
    read_until(ours, "xinstr>")
    os.write(ours, f"SELECT 1; {ENDLESS};\n".encode())
    read_until(ours, "└")
    process.send_signal(signal.SIGINT)
    read_until(ours, "interrupted")
    os.write(ours, b"SELECT 40 + 2;\n")
    read_until(ours, "│       42 │")
    os.write(ours, b".exit\n")
    assert process.wait(timeout=20) == 0
    os.close(ours)
