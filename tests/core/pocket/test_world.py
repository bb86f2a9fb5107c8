from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.identity import document_key
from xinstr_core.pocket.documents import Topic
from xinstr_core.pocket.oracle import Reading, read_document, read_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates
from xinstr_core.pocket.world import COMMON_INTENTS, WORLDS, write_world
from xinstr_core.workspace import Workspace

Rows = Callable[[str, str], list[dict[str, Any]]]
KINDS = {
    "clean": 350,
    "navigation": 6,
    "other_language": 7,
    "too_short": 6,
    "price_table": 5,
    "truncated": 28,
    "spliced": 28,
    "shuffled": 22,
    "boilerplate": 6,
    "exact_duplicate": 7,
    "near_duplicate": 7,
}
WRITE_THAI = """
import pathlib, sys
from xinstr_core.pocket.world import write_world
write_world(pathlib.Path(sys.argv[1]), "th")
"""
every_language = pytest.mark.parametrize("language", POCKET_LANGUAGES)


def held_out_subjects(language: str) -> list[str]:
    return [subject for intent in load_templates(language).intents.values() for subject in intent.held_out]


def named(subjects: list[str], texts: list[str]) -> set[str]:
    together = "\n".join(texts).casefold()
    return {subject for subject in subjects if subject.casefold() in together}


@every_language
def test_gold_counts_every_planted_kind(rows: Rows, language: str) -> None:
    assert Counter(row["kind"] for row in rows("gold", language)) == KINDS


@every_language
def test_gold_belongs_to_the_corpus_row_by_row(rows: Rows, language: str) -> None:
    corpus, gold = rows("corpus", language), rows("gold", language)
    assert [row["doc_id"] for row in gold] == [document_key(language, row["text"]) for row in corpus]
    assert [row["id"] for row in corpus] == [f"{language}-{number:04d}" for number in range(472)]
    assert {tuple(row) for row in corpus} == {("id", "text", "source", "licence")}
    assert {(row["source"], row["licence"]) for row in corpus} == {("pocket world (generated)", "Apache-2.0")}


@every_language
def test_the_corpus_does_not_tell_which_rows_are_junk(rows: Rows, language: str) -> None:
    kinds = [row["kind"] for row in rows("gold", language)]
    thirds = [Counter(kinds[start : start + 157])["clean"] for start in (0, 157, 314)]
    assert min(thirds) > 90
    assert all("kind" not in row and "subject" not in row for row in rows("corpus", language))


@every_language
def test_the_oracle_reads_every_clean_document_back_exactly(rows: Rows, language: str) -> None:
    for row, gold in zip(rows("corpus", language), rows("gold", language), strict=True):
        if gold["kind"] == "clean":
            topic = Topic(language, gold["intent"], gold["subject"])
            assert read_document(row["text"], language) == Reading(topic, 1.0)


@every_language
def test_the_oracle_reads_every_held_out_document_back_exactly(rows: Rows, language: str) -> None:
    held_out = rows("gold", f"{language}.heldout")
    for row in held_out:
        assert read_document(row["text"], language) == Reading(Topic(language, row["intent"], row["subject"]), 1.0)
    assert sorted(row["subject"] for row in held_out) == sorted(held_out_subjects(language))


@every_language
def test_the_oracle_reads_every_prompt_back_in_both_languages(rows: Rows, language: str) -> None:
    prompts = rows("prompts", language)
    topics: dict[str, list[Topic | None]] = {"en": [], language: []}
    for row in prompts:
        topics[row["prompt_language"]].append(read_instruction(row["instruction"], language, row["prompt_language"]))
    intents = load_templates(language).intents
    assert topics["en"] == topics[language]
    assert set(topics["en"]) == {Topic(language, i.name, subject) for i in intents.values() for subject in i.held_out}
    assert [row["id"] for row in prompts] == [
        f"{language}-prompt-{number:03d}-{written_in}" for number in range(96) for written_in in ("en", language)
    ]


@every_language
def test_every_seed_answers_its_own_instruction(rows: Rows, language: str) -> None:
    seeds = rows("seeds", language)
    topics = [read_instruction(row["instruction"], language) for row in seeds]
    assert None not in topics
    assert [read_document(row["response"], language) for row in seeds] == [Reading(t, 1.0) for t in topics if t]
    assert Counter(topic.intent for topic in topics if topic) == dict.fromkeys(load_templates(language).intents, 15)


@every_language
def test_no_held_out_subject_is_named_in_corpus_or_seeds(rows: Rows, language: str) -> None:
    subjects = held_out_subjects(language)
    assert len(subjects) == 96
    assert named(subjects, [row["text"] for row in rows("corpus", language)]) == set()
    assert named(subjects, [value for row in rows("seeds", language) for value in row.values()]) == set()


@every_language
def test_every_held_out_subject_is_named_in_the_held_out_documents_and_prompts(rows: Rows, language: str) -> None:
    subjects = held_out_subjects(language)
    assert named(subjects, [row["text"] for row in rows("gold", f"{language}.heldout")]) == set(subjects)
    assert named(subjects, [row["instruction"] for row in rows("prompts", language)]) == set(subjects)


@every_language
def test_copies_repeat_a_clean_document_and_carry_its_topic(rows: Rows, language: str) -> None:
    def without_numbers(text: str) -> str:
        return re.sub(r"\d+", "", text).strip()

    together = list(zip(rows("corpus", language), rows("gold", language), strict=True))
    exact = {(row["text"], gold["subject"]) for row, gold in together if gold["kind"] == "clean"}
    alike = {(without_numbers(text), subject) for text, subject in exact}
    for row, gold in together:
        if gold["kind"] == "exact_duplicate":
            assert (row["text"], gold["subject"]) in exact
        if gold["kind"] == "near_duplicate":
            assert (row["text"], gold["subject"]) not in exact
            assert (without_numbers(row["text"]), gold["subject"]) in alike


@every_language
def test_clean_documents_differ_from_each_other(rows: Rows, language: str) -> None:
    keys = [row["doc_id"] for row in rows("gold", language) if row["kind"] not in ("exact_duplicate", "near_duplicate")]
    assert len(keys) == len(set(keys)) == 458


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_world_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    write_world(tmp_path / "here", "th")
    environment = os.environ | {"PYTHONd0303e25e6f4f66630a9d626fa1067a0109bb09f556092854b2a26a243e0683eSEED": "4711"}
    subprocess.run([sys.executable, "-c", WRITE_THAI, str(tmp_path / "there")], check=True, env=environment)
    written = files_of(tmp_path / "here")
    assert set(written) == {
        "corpus/th.jsonl",
        "gold/th.heldout.jsonl",
        "gold/th.jsonl",
        "prompts/th.jsonl",
        "seeds/th.jsonl",
    }
    assert written == files_of(tmp_path / "there")


def test_one_language_does_not_depend_on_what_was_written_before(tmp_path: Path) -> None:
    write_world(tmp_path / "alone", "sw")
    write_world(tmp_path / "second", "fi")
    write_world(tmp_path / "second", "sw")
    assert (tmp_path / "alone/corpus/sw.jsonl").read_bytes() == (tmp_path / "second/corpus/sw.jsonl").read_bytes()


def test_a_language_outside_the_world_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_world(tmp_path, "xx")
    assert list(tmp_path.iterdir()) == []


def test_the_even_world_is_the_one_that_all_published_figures_are_about(tmp_path: Path) -> None:
    write_world(tmp_path, "sw")
    together = hashlib.sha256(b"".join(content for _, content in sorted(files_of(tmp_path).items())))
    assert together.hexdigest() == "d0303e25e6f4f66630a9d626fa1067a0109bb09f556092854b2a26a243e0683e"


@pytest.fixture
def skewed(tmp_path: Path) -> Path:
    write_world(tmp_path, "sw", "pocket-skewed")
    return tmp_path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@every_language
def test_three_intents_hold_four_fifths_of_the_skewed_worlds_clean_documents(tmp_path: Path, language: str) -> None:
    write_world(tmp_path, language, "pocket-skewed")
    gold = read(tmp_path / "gold" / f"{language}.jsonl")
    assert Counter(row["kind"] for row in gold) == KINDS
    intents = Counter(row["intent"] for row in gold if row["kind"] == "clean")
    assert sum(intents[name] for name in COMMON_INTENTS) == 280
    assert set(intents) == set(load_templates(language).intents)
    assert {intents[name] for name in COMMON_INTENTS} == {93, 94}
    assert {count for name, count in intents.items() if name not in COMMON_INTENTS} == {7, 8}
    assert [row["doc_id"] for row in gold] == [
        document_key(language, row["text"]) for row in read(tmp_path / "corpus" / f"{language}.jsonl")
    ]
    single = [row["doc_id"] for row in gold if row["kind"] not in ("exact_duplicate", "near_duplicate")]
    assert len(set(single)) == 458


def test_seeds_prompts_and_held_out_documents_are_those_of_the_even_world(skewed: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "even", "sw")
    for name in ("seeds/sw.jsonl", "prompts/sw.jsonl", "gold/sw.heldout.jsonl"):
        assert (skewed / name).read_bytes() == (tmp_path / "even" / name).read_bytes()
    held_out = held_out_subjects("sw")
    assert named(held_out, [row["text"] for row in read(skewed / "corpus/sw.jsonl")]) == set()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    entries = {
        "sw": 'corpus = "pocket"',
        "fi": 'corpus = "pocket-skewed"',
        "tr": 'corpus = { path = "pocket-skewed" }',
        "ur": 'corpus = "own.jsonl"',
    }
    text = "".join(
        f'[{tag}]\nname = "Some"\nscript = "Latn"\nseeds = "pocket"\n{entry}\n' for tag, entry in entries.items()
    )
    (tmp_path / "languages.toml").write_text(text, "utf-8")
    (tmp_path / "own.jsonl").write_text('{"text": "x"}\n', "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("tag", "corpus", "world"),
    [
        ("sw", None, "pocket"),
        ("sw", "pocket-skewed", "pocket-skewed"),
        ("fi", None, "pocket-skewed"),
        ("fi", "pocket", "pocket"),
        ("tr", None, "pocket-skewed"),
        ("ur", None, None),
        ("ur", "pocket-skewed", "pocket-skewed"),
    ],
)
def test_a_build_knows_the_gold_of_its_own_world(home: Path, tag: str, corpus: str | None, world: str | None) -> None:
    workspace = Workspace(home, corpus=corpus)
    language = workspace.language(tag)
    assert workspace.is_pocket(language) is (world is not None)
    assert workspace.seeds_file(language) == home / "data" / "pocket" / "seeds" / f"{tag}.jsonl"
    if world is None:
        assert workspace.corpus_source(language).path == str(home / "own.jsonl")
        assert (workspace.gold_file(language), workspace.prompts_file(language)) == (None, None)
        return
    folder = home / "data" / world
    assert world in WORLDS
    assert workspace.corpus_source(language).path == str(folder / "corpus" / f"{tag}.jsonl")
    assert workspace.gold_file(language) == folder / "gold" / f"{tag}.jsonl"
    assert workspace.gold_file(language, ".heldout") == folder / "gold" / f"{tag}.heldout.jsonl"
    assert workspace.prompts_file(language) == folder / "prompts" / f"{tag}.jsonl"
    texts = [document_key(tag, row["text"]) for row in read(Path(workspace.corpus_source(language).path))]
    assert texts == [row["doc_id"] for row in read(folder / "gold" / f"{tag}.jsonl")]
