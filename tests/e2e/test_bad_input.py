"""Bad input on the command line: one line that says what to do, or a rejected row with its reason."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine, assert_one_line, complaints, record, texts_in
from xinstr_core.catalogue import CATALOGUE, can_be_read
from xinstr_core.store import Store

TRUNCATED = 1000  # bytes that are left of the weights


BAD_ARGUMENTS = {
    "an unknown language": (["xx"], ["unknown language 'xx'; known: fi, sw", "xinstr languages add xx"]),
    "a key with a slash": (["sw/x"], ["'sw/x' is no language key", "BCP 47"]),
    "a key that climbs": (["../sw"], ["'../sw' is no language key", "BCP 47"]),
    "a key with a comma": (["sw,fi"], ["'sw,fi' is no language key", "BCP 47"]),
    "a good key and a bad one": (["sw", "xx"], ["unknown language 'xx'"]),
    "an unknown setting": (
        ["sw", "--set", "tuning.epoch=2"],
        ["unknown setting 'tuning.epoch'; known here: method, epochs, learning_rate, schedule,", "include_seeds"],
    ),
    "an unknown section": (
        ["sw", "--set", "tunning.epochs=2"],
        ["unknown setting 'tunning'; known here: preset, base_model"],
    ),
    "a value out of bounds": (["sw", "--set", "generation.top_p=2"], ["setting generation.top_p:", "(got 2)"]),
    "a setting without a value": (["sw", "--set", "tuning.epochs"], ["write it as section.key=value"]),
    "a setting inside a setting": (["sw", "--set", "tuning=1", "--set", "tuning.epochs=2"], ["tuning"]),
    "a setting nested too deeply": (["sw", "--set", "a." * 2000 + "b=1"], ["a setting has one section"]),
    "a corpus in a store that needs a package": (
        ["sw", "--corpus", "nosuchstore://bucket/sw.jsonl"],
        ["cannot open nosuchstore://"],
    ),
    "an evaluation set with another placeholder": (
        ["sw", "--set", 'corpus.evaluation_sets=["sib200_{lang}.jsonl"]'],
        ["no evaluation set", "sib200_{lang}.jsonl"],
    ),
    "a corpus path that no file system takes": (["sw", "--corpus", "x" * 5000], ["no corpus file for 'sw'"]),
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
    assert_one_line(xinstr, ["build", *arguments], *said)


def test_an_empty_corpus_is_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "empty.jsonl").touch()
    assert_one_line(
        xinstr, ["build", "sw", "--corpus", str(xinstr.home / "empty.jsonl")], "empty.jsonl is empty", "give a file"
    )


def test_empty_seeds_are_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "empty.jsonl").touch()
    assert_one_line(
        xinstr, ["build", "sw", "--seeds", str(xinstr.home / "empty.jsonl")], "empty.jsonl is empty", "give a file"
    )


def test_seeds_without_any_pair_are_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "seeds.jsonl").write_text('{"text": "no pair"}\n', "utf-8")
    assert_one_line(
        xinstr,
        ["build", "sw", "--from", "seed_pairs", "--to", "seed_pairs", "--seeds", str(xinstr.home / "seeds.jsonl")],
        "gave no seed pair",
        "records need instruction and response",
    )


def test_a_language_without_pocket_text_is_one_line(xinstr: CommandLine) -> None:
    with (xinstr.home / "languages.toml").open("a", encoding="utf-8") as registry:
        registry.write('\n[eu]\nname = "Basque"\nscript = "Latn"\n')
    assert_one_line(xinstr, ["build", "eu"], "the pocket world has no Basque (eu): set its corpus and seeds")


def test_a_home_without_a_registry_is_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "languages.toml").unlink()
    for command in (["build", "sw"], ["demo"], ["languages", "list"], ["status"], ["ui"]):
        assert_one_line(xinstr, command, "languages.toml", "XINSTR_HOME")


def test_a_registry_that_is_no_toml_is_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "languages.toml").write_text("[sw\n", "utf-8")
    assert_one_line(xinstr, ["build", "sw"], "languages.toml: ")


def test_settings_that_are_no_toml_are_one_line(xinstr: CommandLine) -> None:
    (xinstr.home / "xinstr.toml").write_text("[tuning\n", "utf-8")
    assert_one_line(xinstr, ["build", "sw"], "xinstr.toml: ")


@pytest.mark.parametrize("name", ["languages.toml", "xinstr.toml"])
def test_a_directory_in_the_place_of_a_file_is_one_line(xinstr: CommandLine, name: str) -> None:
    (xinstr.home / name).unlink(missing_ok=True)
    (xinstr.home / name).mkdir()
    assert_one_line(xinstr, ["build", "sw"], name)


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
    assert_one_line(xinstr, ["build", "sw", "--base-model", str(folder), "--to", "reverse_model"], said)


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
    good = texts_in("sw", 20)
    bad = [line for line, _ in BAD_RECORDS.values()]
    corpus.write_bytes(b"".join([record(good[0]), *bad, *map(record, good[1:])]))
    done = xinstr("build", "sw", "--corpus", str(corpus), "--to", "raw_corpus")
    assert (done.returncode, complaints(done.stderr)) == (0, [])
    partition = Store(xinstr.home / "data").get("raw_corpus", "sw")
    assert partition is not None
    rejected = partition.read("rejected").select("place", "reason").rows()
    assert rejected[: len(bad)] == [
        (f"corpus.jsonl:{number}", reason) for number, (_, reason) in enumerate(BAD_RECORDS.values(), start=2)
    ]
    kept = partition.read("documents")["text"].to_list()
    assert set(kept) <= set(good)
    assert len(kept) >= 15


def test_a_corpus_of_junk_alone_stops_with_the_numbers_whatever_may_be_lost(xinstr: CommandLine) -> None:
    """An empty partition would take the place of an earlier one and hide the reason."""
    corpus = xinstr.home / "corpus.jsonl"
    corpus.write_bytes(b"plain words\n" * 20)
    arguments = ["build", "sw", "--corpus", str(corpus), "--to", "raw_corpus"]
    said = "lost 20 of 20 documents (20 not_json): is it one JSON object a line?"
    assert_one_line(xinstr, arguments, said)
    assert_one_line(xinstr, [*arguments, "--set", "corpus.maximum_lost_share=1"], said)


def test_a_corpus_that_is_mostly_junk_stops_and_says_how_to_go_on(xinstr: CommandLine) -> None:
    corpus = xinstr.home / "corpus.jsonl"
    corpus.write_bytes(record(texts_in("sw", 1)[0]) + b"plain words\n" * 20)
    arguments = ["build", "sw", "--corpus", str(corpus), "--to", "raw_corpus"]
    assert_one_line(
        xinstr, arguments, "lost 20 of 21 documents", "Raise corpus.maximum_lost_share to go on all the same."
    )
    done = xinstr(*arguments, "--set", "corpus.maximum_lost_share=1")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_file_that_ends_too_early_stops_the_build_unless_that_is_accepted(xinstr: CommandLine) -> None:
    corpus = xinstr.home / "corpus.jsonl.gz"
    whole = gzip.compress(b"".join(record(text) for text in texts_in("sw", 60)))
    corpus.write_bytes(whole[: len(whole) // 2])
    arguments = ["build", "sw", "--corpus", str(corpus), "--to", "raw_corpus"]
    assert_one_line(xinstr, arguments, "1 of 1 files end too early or are damaged", "corpus.maximum_broken_share")
    done = xinstr(*arguments, "--set", "corpus.maximum_broken_share=1")
    assert done.returncode == 0, done.stderr


def test_a_corpus_without_any_document_fails_every_time(xinstr: CommandLine) -> None:
    """The blocking check says no; that the empty partition is current must not turn its no into a yes."""
    corpus = xinstr.home / "corpus.jsonl"
    corpus.write_bytes(b"\n\n\n")
    for _ in range(2):
        done = xinstr("build", "sw", "--corpus", str(corpus), "--to", "raw_corpus")
        assert done.returncode == 1, done.stdout
        assert "has_documents" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_damaged_partition_costs_its_own_language_alone_and_says_what_to_do(xinstr: CommandLine) -> None:
    assert xinstr("build", "sw", "fi", "--to", "raw_corpus").returncode == 0
    manifest = xinstr.home / "data" / "raw_corpus" / "language=sw" / "manifest.json"
    manifest.write_text("{", "utf-8")
    for command in (["status"], ["build", "fi", "--to", "seed_pairs"]):
        done = xinstr(*command)
        assert (done.returncode, complaints(done.stderr)) == (0, [])
    done = xinstr("build", "sw", "fi", "--to", "raw_corpus")
    assert done.returncode == 1
    assert "fi is up to date" in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: sw: raw_corpus: {manifest} is not a manifest (")
    assert f"): delete {manifest.parent} and build again" in line
    shutil.rmtree(manifest.parent)
    assert "sw built in" in xinstr("build", "sw", "--to", "raw_corpus").stdout


def test_what_is_damaged_and_what_another_release_stored_is_built_anew(xinstr: CommandLine) -> None:
    arguments = ["build", "sw", "--to", "raw_corpus"]
    assert xinstr(*arguments).returncode == 0
    partition = Store(xinstr.home / "data").get("raw_corpus", "sw")
    assert partition is not None
    manifest = partition.path / "manifest.json"
    for damage in (
        partition.table_path("documents").unlink,
        lambda: manifest.write_text(json.dumps({**partition.manifest, "figures": {"renamed": 1}}), "utf-8"),
        lambda: (xinstr.home / "data" / CATALOGUE).write_bytes(b"garbage"),
    ):
        damage()
        done = xinstr(*arguments)
        assert (done.returncode, complaints(done.stderr)) == (0, [])
        assert "sw built in" in done.stdout
        assert can_be_read(Store(xinstr.home / "data"))
        assert partition.table_path("documents").exists()
    assert "sw is up to date" in xinstr(*arguments).stdout
