"""What users meet on the command line: bad input is one line that says what to do, bad records are rows."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.conftest import CommandLine
from xinstr_core.pocket.documents import draw_topics, write_document
from xinstr_core.store import Store

TRUNCATED = 1000  # bytes that are left of the weights


def _assert_one_line(xinstr: CommandLine, arguments: list[str], *said: str) -> None:
    """The command fails with one line on stderr that holds all of `said`, and nothing is written."""
    done = xinstr(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert [part for part in said if part not in lines[0]] == [], lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    assert xinstr.manifests() == []


BAD_ARGUMENTS = {
    "an unknown language": (["xx"], ["unknown language 'xx'; known: fi, sw", "xinstr languages add xx"]),
    "a key with a slash": (["sw/x"], ["'sw/x' is no language key", "BCP 47"]),
    "a key that climbs": (["../sw"], ["'../sw' is no language key", "BCP 47"]),
    "a key with a comma": (["sw,fi"], ["'sw,fi' is no language key", "BCP 47"]),
    "a good key and a bad one": (["sw", "xx"], ["unknown language 'xx'"]),
    "an unknown setting": (
        ["sw", "--set", "tuning.epoch=2"],
        ["unknown setting 'tuning.epoch'; known here: epochs, learning_rate, rank,", "include_seeds"],
    ),
    "an unknown section": (["sw", "--set", "tunning.epochs=2"], ["unknown setting 'tunning'; known here: base_model"]),
    "a value out of bounds": (["sw", "--set", "generation.top_p=2"], ["setting generation.top_p:", "(got 2)"]),
    "a setting without a value": (["sw", "--set", "tuning.epochs"], ["write it as section.key=value"]),
    "a setting inside a setting": (["sw", "--set", "tuning=1", "--set", "tuning.epochs=2"], ["tuning"]),
    "an unknown preset": (["sw", "--preset", "fancy"], ["unknown preset 'fancy'; known: ", "pocket"]),
    "an unknown stage": (["sw", "--to", "evalreport"], ["unknown stage 'evalreport'; known: raw_corpus, seed_pairs"]),
    "stages in the wrong order": (
        ["sw", "--from", "tuned_model", "--to", "raw_corpus"],
        ["tuned_model comes after raw_corpus: the order is raw_corpus"],
    ),
    "a missing corpus": (["sw", "--corpus", "nowhere.jsonl"], ["no corpus file for 'sw': looked for", "nowhere.jsonl"]),
    "a missing corpus folder": (["sw", "--corpus", "nowhere"], ["no corpus file for 'sw'", "nowhere/sw.parquet"]),
    "missing seeds": (["sw", "--seeds", "nowhere.jsonl"], ["no seeds file for 'sw': looked for", "nowhere.jsonl"]),
    "a missing model": (["sw", "--base-model", "/nowhere/model"], ["base model '/nowhere/model'", "hub id"]),
    "a model that the hub does not give": (
        ["sw", "--base-model", "no/model"],
        ["base model 'no/model'", "the hub gave"],
    ),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_a_bad_argument_is_one_line(xinstr: CommandLine, arguments: list[str], said: list[str]) -> None:
    _assert_one_line(xinstr, ["build", *arguments], *said)


def test_an_empty_corpus_is_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "empty.jsonl").touch()
    _assert_one_line(
        xinstr, ["build", "sw", "--corpus", str(xinstr.home / "empty.jsonl")], "empty.jsonl is empty", "give a file"
    )


def test_empty_seeds_are_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "empty.jsonl").touch()
    _assert_one_line(
        xinstr, ["build", "sw", "--seeds", str(xinstr.home / "empty.jsonl")], "empty.jsonl is empty", "give a file"
    )


def test_seeds_without_any_pair_are_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "seeds.jsonl").write_text('{"text": "no pair"}\n', "utf-8")
    _assert_one_line(
        xinstr,
        ["build", "sw", "--from", "seed_pairs", "--to", "seed_pairs", "--seeds", str(xinstr.home / "seeds.jsonl")],
        "gave no seed pair",
        "records need instruction and response",
    )


def test_a_language_without_pocket_text_is_one_line(xinstr: CommandLine) -> None:
    with (xinstr.home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write('\n[eu]\nname = "Basque"\nscript = "Latn"\n')
    _assert_one_line(xinstr, ["build", "eu"], "the pocket world has no Basque (eu): set its corpus and seeds")


def test_a_home_without_a_registry_is_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "languages.toml").unlink()
    for command in (["build", "sw"], ["demo"], ["languages", "list"], ["status"], ["ui"]):
        _assert_one_line(xinstr, command, "languages.toml", "XINSTR_HOME")


def test_a_registry_that_is_no_toml_is_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "languages.toml").write_text("[sw\n", "utf-8")
    _assert_one_line(xinstr, ["build", "sw"], "languages.toml: ")


def test_settings_that_are_no_toml_are_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "xinstr.toml").write_text("[tuning\n", "utf-8")
    _assert_one_line(xinstr, ["build", "sw"], "xinstr.toml: ")


def _without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _with_truncated_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:TRUNCATED])


def _with_garbage_config(folder: Path) -> None:
    (folder / "config.json").write_text("{garbage", "utf-8")


def _with_a_config_of_nothing(folder: Path) -> None:
    (folder / "config.json").write_text("{}", "utf-8")


def _without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_config, "has no config.json; give a Hugging Face model directory or hub id"),
        (_without_weights, "has no .safetensors weights; convert the model to safetensors"),
        (_with_truncated_weights, "model.safetensors is damaged"),
        (_with_garbage_config, "base model"),
        (_with_a_config_of_nothing, "base model"),
        (_without_tokenizer, "tokenizer cannot be read"),
    ],
)
def test_an_unreadable_model_is_one_line(
    xinstr: CommandLine, asking_model: Path, spoil: Callable[[Path], None], said: str
) -> None:
    folder = xinstr.home / "spoilt"
    shutil.copytree(asking_model, folder)
    spoil(folder)
    _assert_one_line(xinstr, ["build", "sw", "--base-model", str(folder), "--to", "reverse_model"], said)


def _texts_in(language: str, count: int) -> list[str]:
    rng = random.Random(5)
    return [write_document(topic, rng) for topic in draw_topics(language, count, rng)]


def _record(text: str) -> bytes:
    return json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"


BAD_RECORDS = {
    "bytes that are not UTF-8": (b'{"text": "caf\xe9 \xff"}\n', "not_utf8"),
    "a record without text": (b'{"title": "no text"}\n', "no_text"),
    "a text that is a number": (b'{"text": 12}\n', "no_text"),
    "a line of ten megabytes": (b'{"text": "' + b"a" * 10_000_000 + b'"}\n', "line_too_long"),
    "a NUL": (b'{"text": "' + b"maji safi " * 30 + b'\\u0000"}\n', "not_text"),
    "a raw NUL": (b'{"text": "maji \x00 safi"}\n', "not_json"),
    "a lone surrogate": (b'{"text": "' + b"maji safi " * 30 + b'\\ud800"}\n', "not_text"),
    "what is not JSON": (b"plain words\n", "not_json"),
    "a list": (b"[1, 2]\n", "not_a_record"),
}


def test_bad_records_are_rows_with_a_reason_and_the_build_goes_on(xinstr: CommandLine) -> None:
    corpus = xinstr.home / "corpus.jsonl"
    good = _texts_in("sw", 20)
    bad = [record for record, _ in BAD_RECORDS.values()]
    corpus.write_bytes(b"".join([_record(good[0]), *bad, *map(_record, good[1:])]))
    done = xinstr("build", "sw", "--corpus", str(corpus), "--to", "raw_corpus")
    assert (done.returncode, done.stderr) == (0, "")
    partition = Store(xinstr.home / "data").get("raw_corpus", "sw")
    assert partition is not None
    rejected = partition.read("rejected").select("place", "reason").rows()
    assert rejected[: len(bad)] == [
        (f"corpus.jsonl:{number}", reason) for number, (_, reason) in enumerate(BAD_RECORDS.values(), start=2)
    ]
    kept = partition.read("documents")["text"].to_list()
    assert set(kept) <= set(good)
    assert len(kept) >= 15


def test_a_corpus_of_junk_alone_stops_with_the_numbers(xinstr: CommandLine) -> None:
    corpus = xinstr.home / "corpus.jsonl"
    corpus.write_bytes(b"plain words\n" * 20)
    _assert_one_line(
        xinstr,
        ["build", "sw", "--corpus", str(corpus), "--to", "raw_corpus"],
        "lost 20 of 20 documents (20 not_json): is it one JSON object a line?",
        "Raise corpus.maximum_lost_share",
    )


def test_a_corpus_without_any_document_fails_every_time(xinstr: CommandLine) -> None:
    """The blocking check says no; that the empty partition is current must not turn its no into a yes."""
    corpus = xinstr.home / "corpus.jsonl"
    corpus.write_bytes(b"\n\n\n")
    for _ in range(2):
        done = xinstr("build", "sw", "--corpus", str(corpus), "--to", "raw_corpus")
        assert done.returncode == 1, done.stdout
        assert "has_documents" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_corpus_folder_for_one_language_is_enough_when_others_were_built(xinstr: CommandLine) -> None:
    """The board looks at every language, also at those that this build's folder does not hold."""
    folder = xinstr.home / "corpora"
    folder.mkdir()
    (folder / "fi.jsonl").write_bytes(b"".join(map(_record, _texts_in("fi", 10))))
    assert xinstr("build", "sw", "--to", "raw_corpus").returncode == 0
    done = xinstr("build", "fi", "--corpus", str(folder), "--to", "raw_corpus")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_status_outlives_a_corpus_that_was_deleted(xinstr: CommandLine) -> None:
    corpus = xinstr.home / "eu.jsonl"
    corpus.write_bytes(b"".join(map(_record, _texts_in("sw", 10))))
    registry = xinstr.home / "languages.toml"
    registry.write_text(registry.read_text("utf-8").replace("[sw]", f'[sw]\ncorpus = "{corpus}"'), "utf-8")
    assert xinstr("build", "sw", "--to", "raw_corpus").returncode == 0
    corpus.unlink()
    assert _status(xinstr)["fi"] == ["·"] * 9


def test_one_bad_language_does_not_keep_the_other_from_being_built(xinstr: CommandLine) -> None:
    folder = xinstr.home / "corpora"
    folder.mkdir()
    (folder / "sw.jsonl").write_bytes(b"plain words\n" * 20)
    (folder / "fi.jsonl").write_bytes(b"".join(map(_record, _texts_in("fi", 10))))
    done = xinstr("build", "sw", "fi", "--corpus", str(folder), "--to", "raw_corpus")
    assert done.returncode == 1
    assert "lost 20 of 20 documents" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.parent.name for path in xinstr.home.glob("data/raw_corpus/*/manifest.json")] == ["language=fi"]


def test_a_build_that_is_up_to_date_does_nothing(xinstr: CommandLine) -> None:
    first = xinstr("build", "sw", "--to", "seed_pairs")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("sw built in ")
    stamps = {path: path.stat().st_mtime_ns for path in xinstr.home.glob("data/*/*/*")}
    second = xinstr("build", "sw", "--to", "seed_pairs")
    assert (second.returncode, second.stdout, second.stderr) == (0, "sw is up to date: nothing to do\n", "")
    assert {path: path.stat().st_mtime_ns for path in xinstr.home.glob("data/*/*/*")} == stamps


def test_languages_are_added_listed_and_retired(xinstr: CommandLine) -> None:
    (xinstr.home / "eu.jsonl").write_bytes(_record("x"))
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


def test_a_registry_keeps_its_comments_when_a_language_is_retired(xinstr: CommandLine) -> None:
    registry = xinstr.home / "languages.toml"
    registry.write_text("# ours\n" + registry.read_text("utf-8"), "utf-8")
    before = registry.read_text("utf-8")
    assert xinstr("languages", "retire", "sw").returncode == 0
    assert registry.read_text("utf-8") == before.replace('Latn"\n\n[fi]', 'Latn"\nretired = true\n\n[fi]')


BAD_LANGUAGES = {
    "a registered key": (["sw", "--name", "Swahili", "--script", "Latn"], "sw is registered already"),
    "no key": (["a,b", "--name", "A", "--script", "Latn"], "'a,b' is no language key"),
    "an unknown script": (["tr", "--name", "Turkish", "--script", "Basq"], "script 'Basq' is not known; known: Arab"),
    "no name": (["tr", "--name", "", "--script", "Latn"], "name"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_LANGUAGES.values(), ids=BAD_LANGUAGES.keys())
def test_a_bad_entry_is_refused_and_the_registry_stays(xinstr: CommandLine, arguments: list[str], said: str) -> None:
    before = (xinstr.home / "languages.toml").read_bytes()
    _assert_one_line(xinstr, ["languages", "add", *arguments, "--corpus", "pocket", "--seeds", "pocket"], said)
    assert (xinstr.home / "languages.toml").read_bytes() == before


def test_an_unknown_language_cannot_be_retired(xinstr: CommandLine) -> None:
    _assert_one_line(xinstr, ["languages", "retire", "xx"], "unknown language 'xx'; known: fi, sw")


def test_a_retired_language_is_not_built(xinstr: CommandLine) -> None:
    xinstr("languages", "retire", "sw")
    _assert_one_line(xinstr, ["build", "sw", "--to", "raw_corpus"], "sw", "retired")


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
    _assert_one_line(xinstr, ["status", *arguments], said)


def test_a_name_with_markup_is_listed_as_it_is(xinstr: CommandLine) -> None:
    (xinstr.home / "gl.jsonl").write_bytes(_record("x"))
    source = str(xinstr.home / "gl.jsonl")
    arguments = ["gl", "--name", "[red]Gal[/bold]", "--script", "Latn", "--corpus", source, "--seeds", source]
    assert xinstr("languages", "add", *arguments).returncode == 0
    assert "[red]Gal[/bold]" in xinstr("languages", "list").stdout


def test_a_language_outside_the_pocket_world_needs_files(xinstr: CommandLine) -> None:
    arguments = ["eu", "--name", "Basque", "--script", "Latn", "--corpus", "pocket", "--seeds", "pocket"]
    _assert_one_line(xinstr, ["languages", "add", *arguments], "the pocket world has no eu")


def test_a_file_of_another_suffix_is_not_taken_for_a_folder(xinstr: CommandLine) -> None:
    (xinstr.home / "x.csv").write_text("a,b", "utf-8")
    _assert_one_line(xinstr, ["build", "sw", "--corpus", str(xinstr.home / "x.csv")], "cannot read .csv")


def test_lineage_of_an_unknown_pair_is_one_line(xinstr: CommandLine) -> None:
    _assert_one_line(xinstr, ["lineage", "0123456789abcdef0123"], "no catalogue at", "build a language first")


def test_lineage_before_there_is_any_is_one_line(xinstr: CommandLine) -> None:
    xinstr("build", "sw", "--to", "raw_corpus")
    done = xinstr("lineage", "0123456789abcdef0123")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no language has been built as far as diversified_set: there is no lineage yet\n"
