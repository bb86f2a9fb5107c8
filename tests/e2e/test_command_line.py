"""What the commands do, and leave alone; test_bad_input.py has what they refuse."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import polars as pl
import pytest

from tests.e2e.conftest import CommandLine, assert_one_line, complaints, on_a_terminal, record, texts_in
from xinstr_core.presets.explain import explain
from xinstr_core.stages.raw_corpus import clean_corpus
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import Store
from xinstr_core.workspace import Workspace


def test_a_corpus_folder_for_one_language_is_enough_when_others_were_built(xinstr: CommandLine) -> None:
    """The board looks at every language, also at those that this build's folder does not hold."""
    folder = xinstr.home / "corpora"
    folder.mkdir()
    (folder / "fi.jsonl").write_bytes(b"".join(map(record, texts_in("fi", 10))))
    assert xinstr("build", "sw", "--to", "raw_corpus").returncode == 0
    done = xinstr("build", "fi", "--corpus", str(folder), "--to", "raw_corpus")
    assert (done.returncode, complaints(done.stderr)) == (0, []), done.stdout


def test_status_outlives_a_corpus_that_was_deleted(xinstr: CommandLine) -> None:
    corpus = xinstr.home / "eu.jsonl"
    corpus.write_bytes(b"".join(map(record, texts_in("sw", 10))))
    registry = xinstr.home / "languages.toml"
    registry.write_text(registry.read_text("utf-8").replace("[sw]", f'[sw]\ncorpus = "{corpus}"'), "utf-8")
    assert xinstr("build", "sw", "--to", "raw_corpus").returncode == 0
    corpus.unlink()
    assert _status(xinstr)["fi"] == ["·"] * 9


def test_one_bad_language_does_not_keep_the_other_from_being_built(xinstr: CommandLine) -> None:
    folder = xinstr.home / "corpora"
    folder.mkdir()
    (folder / "sw.jsonl").write_bytes(b"plain words\n" * 20)
    (folder / "fi.jsonl").write_bytes(b"".join(map(record, texts_in("fi", 10))))
    done = xinstr("build", "sw", "fi", "--corpus", str(folder), "--to", "raw_corpus")
    assert done.returncode == 1
    assert "lost 20 of 20 documents" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.parent.name for path in xinstr.home.glob("data/raw_corpus/*/manifest.json")] == ["language=fi"]


def test_on_a_terminal_a_stage_is_seen_while_it_runs(xinstr: CommandLine) -> None:
    """Dagster turns standard output into a file meanwhile."""
    code, printed = on_a_terminal(xinstr, "", "build", "sw", "--to", "raw_corpus")
    before, built, _ = printed.partition("sw\x1b[0m built in ")
    assert (code, bool(built)) == (0, True)
    assert re.search(r"sw raw_corpus \(\d+ s\): judging 472 records", before)


def test_a_build_that_is_up_to_date_does_nothing(xinstr: CommandLine) -> None:
    first = xinstr("build", "sw", "--to", "seed_pairs")
    assert first.returncode == 0
    ended = [line.split(" (")[0] for line in first.stderr.splitlines() if line.endswith("; done")]
    assert (ended, complaints(first.stderr)) == (["sw raw_corpus"], [])  # the other one has nothing to count
    built, funnel = first.stdout.splitlines()[:2]
    assert built.startswith("sw built in ")
    assert re.fullmatch(r"  raw_corpus: 472 documents and spans -> \d+ kept \(7 exact_duplicate, .*\)", funnel)
    stamps = {path: path.stat().st_mtime_ns for path in xinstr.home.glob("data/*/*/*")}
    second = xinstr("build", "sw", "--to", "seed_pairs")
    assert (second.returncode, second.stdout, second.stderr) == (0, "sw is up to date: nothing to do\n", "")
    assert {path: path.stat().st_mtime_ns for path in xinstr.home.glob("data/*/*/*")} == stamps


def test_languages_are_added_listed_and_retired(xinstr: CommandLine) -> None:
    (xinstr.home / "eu.jsonl").write_bytes(record("x"))
    source = str(xinstr.home / "eu.jsonl")
    arguments = ["eu", "--name", "Basque", "--script", "Latn", "--corpus", source, "--seeds", source]
    added = xinstr("languages", "add", *arguments)
    assert (added.returncode, added.stdout) == (0, "added Basque (eu): build it with xinstr build eu\n")
    assert [
        line.split("│")[1].strip() for line in xinstr("languages", "list").stdout.splitlines() if "Latn" in line
    ] == [
        "eu",
        "fi",
        "sw",
    ]
    retired = xinstr("languages", "retire", "eu")
    assert (retired.returncode, retired.stdout) == (0, "eu is retired: its data stays in data/\n")
    (line,) = [line for line in xinstr("languages", "list").stdout.splitlines() if "Basque" in line]
    assert "retired" in line


def test_a_language_is_added_with_what_it_is_built_with(xinstr: CommandLine) -> None:
    arguments = ["--name", "Turkish", "--script", "Latn", "--corpus", "pocket", "--seeds", "pocket"]
    done = xinstr("languages", "add", "tr", *arguments, "--preset", "fancy")
    assert (done.returncode, done.stderr) == (
        1,
        "error: unknown preset 'fancy'; known: faithful, modern, pocket, small\n",
    )
    done = xinstr("languages", "add", "tr", *arguments, "--preset", "modern", "--base-model", "org/large")
    assert done.returncode == 0
    entry = (xinstr.home / "languages.toml").read_text("utf-8").partition("[tr]\n")[2].splitlines()
    assert entry[-2:] == ['preset = "modern"', 'base_model = "org/large"']


def test_a_registry_keeps_its_comments_when_a_language_is_retired(xinstr: CommandLine) -> None:
    registry = xinstr.home / "languages.toml"
    registry.write_text("# ours\n" + registry.read_text("utf-8"), "utf-8")
    before = registry.read_text("utf-8")
    assert xinstr("languages", "retire", "sw").returncode == 0
    assert registry.read_text("utf-8") == before.replace('Latn"\n\n[fi]', 'Latn"\nretired = true\n\n[fi]')


BAD_LANGUAGES = {
    "a registered key": (["sw", "--name", "Swahili", "--script", "Latn"], "sw is registered already"),
    "no key": (["a,b", "--name", "A", "--script", "Latn"], "'a,b' is no language key"),
    "an unknown script": (
        ["tr", "--name", "Turkish", "--script", "Basq"],
        "script 'Basq' is not known: give an ISO 15924 code",
    ),
    "no name": (["tr", "--name", "", "--script", "Latn"], "name"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_LANGUAGES.values(), ids=BAD_LANGUAGES.keys())
def test_a_bad_entry_is_refused_and_the_registry_stays(xinstr: CommandLine, arguments: list[str], said: str) -> None:
    before = (xinstr.home / "languages.toml").read_bytes()
    assert_one_line(xinstr, ["languages", "add", *arguments, "--corpus", "pocket", "--seeds", "pocket"], said)
    assert (xinstr.home / "languages.toml").read_bytes() == before


def test_an_unknown_language_cannot_be_retired(xinstr: CommandLine) -> None:
    assert_one_line(xinstr, ["languages", "retire", "xx"], "unknown language 'xx'; known: fi, sw")


def test_a_retired_language_is_not_built(xinstr: CommandLine) -> None:
    xinstr("languages", "retire", "sw")
    assert_one_line(xinstr, ["build", "sw", "--to", "raw_corpus"], "sw", "retired")


def test_status_shows_what_is_current_stale_and_missing(xinstr: CommandLine) -> None:
    xinstr("build", "sw", "--to", "seed_pairs")
    rows = Store(xinstr.home / "data").get("raw_corpus", "sw")
    assert rows is not None
    count = rows.scan("documents").select(pl.len()).collect().item()
    assert _status(xinstr) == {
        "fi": ["·"] * 9,
        "sw": [f"✓ {count}", "✓ 180", *["·"] * 7],
    }
    with (xinstr.home / "xinstr.toml").open("a", encoding="utf-8") as settings:
        settings.write("[corpus]\nminimum_characters = 100\n")
    assert _status(xinstr)["sw"][:2] == [f"stale {count}", "✓ 180"]


def test_status_sees_every_language_with_what_it_is_built_with(xinstr: CommandLine) -> None:
    registry = xinstr.home / "languages.toml"
    text = registry.read_text("utf-8")
    for tag in ("sw", "fi"):
        (xinstr.home / f"{tag}.jsonl").write_bytes(b"".join(map(record, texts_in(tag, 10))))
        text = text.replace(f"[{tag}]", f'[{tag}]\ncorpus = "{tag}.jsonl"')
    registry.write_text(text, "utf-8")
    for tag in ("sw", "fi"):
        run_stage(Workspace(xinstr.home), clean_corpus, tag, {})
    with registry.open("a", encoding="utf-8") as entries:
        entries.write("[fi.settings.corpus]\nminimum_characters = 100\n")
    found = _status(xinstr)
    assert (found["fi"][0].split()[0], found["sw"][0].split()[0]) == ("stale", "✓")
    with registry.open("a", encoding="utf-8") as entries:
        entries.write("speed = 2\n")
    done = xinstr("status")
    assert done.returncode == 1
    assert done.stderr.startswith("error: languages.toml [fi]: unknown setting 'corpus.speed'; known here: minimum_ch")


def _status(xinstr: CommandLine) -> dict[str, list[str]]:
    done = xinstr("status")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("│", "┃"))]
    header, *rows = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines]
    return {tag: [row[column] for row in rows] for column, tag in enumerate(header) if column}


BAD_STATUS = {
    "setting": (["--set", "nope.x=1"], "nope"),
    "preset": (["--preset", "nope"], "unknown preset 'nope'"),
    "model": (["--base-model", "no/such/model"], "no/such/model"),
    "corpus": (["--corpus", "missing.jsonl"], "missing.jsonl does not exist"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_STATUS.values(), ids=BAD_STATUS.keys())
def test_status_with_bad_choices_is_one_line(xinstr: CommandLine, arguments: list[str], said: str) -> None:
    assert_one_line(xinstr, ["status", *arguments], said)


def test_a_name_with_markup_is_listed_as_it_is(xinstr: CommandLine) -> None:
    (xinstr.home / "gl.jsonl").write_bytes(record("x"))
    source = str(xinstr.home / "gl.jsonl")
    arguments = ["gl", "--name", "[red]Gal[/bold]", "--script", "Latn", "--corpus", source, "--seeds", source]
    assert xinstr("languages", "add", *arguments).returncode == 0
    assert "[red]Gal[/bold]" in xinstr("languages", "list").stdout


def test_a_language_outside_the_pocket_world_needs_files(xinstr: CommandLine) -> None:
    arguments = ["eu", "--name", "Basque", "--script", "Latn", "--corpus", "pocket", "--seeds", "pocket"]
    assert_one_line(xinstr, ["languages", "add", *arguments], "the pocket world has no eu")


def test_a_file_of_another_suffix_is_not_taken_for_a_folder(xinstr: CommandLine) -> None:
    (xinstr.home / "x.docx").write_text("a,b", "utf-8")
    assert_one_line(xinstr, ["build", "sw", "--corpus", str(xinstr.home / "x.docx")], "cannot read .docx")


def test_lineage_of_an_unknown_pair_is_one_line(xinstr: CommandLine) -> None:
    assert_one_line(xinstr, ["lineage", "0123456789abcdef0123"], "no catalogue at", "build a language first")


def test_lineage_before_there_is_any_pair_is_one_line(xinstr: CommandLine) -> None:
    xinstr("build", "sw", "--to", "raw_corpus")
    done = xinstr("lineage", "0123456789abcdef0123")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: no pair '0123456789abcdef0123' in ")
    assert len(done.stderr.splitlines()) == 1


def test_explain_loses_no_word_on_lines_of_80_characters(xinstr: CommandLine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xinstr_dagster.cli", "explain", "faithful"],
        env={**xinstr.environment(), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    printed = set(done.stdout.split())
    settings = explain("faithful")
    assert {setting.key.rpartition(".")[2] for setting in settings} <= printed
    assert {word for setting in settings for word in setting.reason.split()} <= printed
    assert {"sentence-transformers/", "all-MiniLM-L6-v2", "weaker_response,", "32000", "false", "1e-05"} <= printed
    summary = done.stdout[done.stdout.index(f"The {len(settings)} settings of faithful:") :].splitlines()[1:]
    counted = Counter(setting.level for setting in settings)
    assert {line.split()[1]: int(line.split()[0]) for line in summary if "*" not in line} == counted


def test_explain_can_leave_out_what_is_the_authors(xinstr: CommandLine) -> None:
    def rows(*options: str) -> list[tuple[str, str]]:
        done = xinstr("explain", "faithful", *options)
        assert (done.returncode, done.stderr) == (0, "")
        cells = [re.split(" {3,}", line.strip()) for line in done.stdout.splitlines()]
        return [(row[0], row[2]) for row in cells if len(row) == 4 and row[2] != "certainty"]

    everything = [(setting.key.rpartition(".")[2], setting.level) for setting in explain("faithful")]
    assert rows() == everything
    assert rows("--ours") == [(name, level) for name, level in everything if level in ("inferred", "ours")]


def test_explain_of_an_unknown_preset_is_one_line(xinstr: CommandLine) -> None:
    assert_one_line(xinstr, ["explain", "nope"], "unknown preset 'nope'; known: faithful, modern, pocket, small")
