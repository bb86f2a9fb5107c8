"""What the languages of benchmarks/real.py are built from, and their builds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from real_models import GEMMA, MINILM, MODELS
from real_text import DATA

from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.precision import choose_precision
from xinstr_core.files import write_text
from xinstr_core.identity import content_key, normalised
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.store import Partition, Store
from xinstr_core.workspace import home_folder

FOLDER = home_folder() / "data" / "benchmarks" / "real"
GOLD = 0.2  # of the seeds' responses
MEASURED = 96  # gold pairs that every model of the report reads
ASKED = 24  # open English prompts that every model of the report replies to, and as many native questions
# (English name, script, seeds, whether parallel documents make seeds, too); pairs of English people teach the languages that have none.
LANGUAGES = {
    "fi": ("Finnish", "Latn", "seeds/fi.jsonl", False),
    "hi": ("Hindi", "Deva", "seeds/hi.jsonl", False),
    "th": ("Thai", "Thai", "seeds/th.jsonl", False),
    "tr": ("Turkish", "Latn", "seeds/tr.jsonl", False),
    "vi": ("Vietnamese", "Latn", "seeds/vi.jsonl", False),
    "id": ("Indonesian", "Latn", "seed_en.jsonl", True),
    "sw": ("Swahili", "Latn", "seed_en.jsonl", True),
}
TRANSLATED = (
    200  # parallel documents that make seeds: Swahili has 851, whose instructions alone would be written for hours
)
BEGINNING = 120  # characters
PROSE = {"news", "health", "news-window"}  # kinds of parallel documents with one sentence a line
# To bring 45 minutes a language within reach: forty pairs for each arm, and no seeds beside them, so that an arm is its pairs alone.
SET = {
    "reverse_model.maximum_seed_pairs": "700",
    "diversity.encoder": json.dumps(str(MODELS / MINILM.name)),
    "diversity.target_rows": "40",
    "tuning.include_seeds": "false",
    "evaluation.maximum_prompts": str(ASKED),
    "evaluation.maximum_new_tokens": "96",
    "evaluation.arms": '["seed_only", "random", "uncurated", "bottom_half"]',
}


def records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def is_gold(response: str) -> bool:
    """Whether a response is kept out of training: all of its questions are, then."""
    return int(content_key("real", normalised(response))[:8], 16) / 16**8 < GOLD


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def prepare(tag: str, documents: int, folder: str = "") -> Path:
    """The home of a language: corpus, the English sides that it has, seeds, gold and registry.

    Documents of the corpus make no seeds. Gold of languages without English instructions are native questions.
    """
    name, script, seeds, parallel = LANGUAGES[tag]
    home = FOLDER / (folder or tag)
    home.mkdir(parents=True, exist_ok=True)
    corpus = list(records(DATA / "corpus" / f"{tag}.jsonl"))[:documents]
    write_lines(home / "corpus.jsonl", corpus)
    translated = list(map(as_running_text, records(DATA / "parallel" / f"{tag}.jsonl")))
    of_corpus = {beginning(row["text"]) for row in corpus}
    write_lines(home / "english.jsonl", (row for row in translated if beginning(row["text"]) in of_corpus))
    entry = {"name": f'"{name}"', "script": f'"{script}"', "corpus": '"corpus.jsonl"', "seeds": '"seeds.jsonl"'}
    entry |= {"gold": '"measured.jsonl"', "prompts": '"prompts.jsonl"'}
    native = list(questions_in(tag))
    write_lines(home / "prompts.jsonl", [*open_prompts(), *map(as_prompt, native)])
    if parallel:
        write_lines(home / "seeds.jsonl", records(DATA / seeds))
        others = [row for row in translated if beginning(row["text"]) not in of_corpus]
        write_lines(home / "parallel.jsonl", sorted(others, key=lambda row: content_key(row["id"]))[:TRANSLATED])
        entry["seeds"] = '{ path = "seeds.jsonl", parallel = "parallel.jsonl" }'
        gold = native
    else:
        write_lines(home / "seeds.jsonl", (row for row in records(DATA / seeds) if not is_gold(row["response"])))
        gold = [row for row in records(DATA / seeds) if is_gold(row["response"])]
        write_lines(home / "gold.jsonl", gold)
    write_lines(home / "measured.jsonl", sorted(gold, key=lambda row: content_key("measured", row["id"]))[:MEASURED])
    write_text(home / "languages.toml", f"[{tag}]\n" + "".join(f"{key} = {value}\n" for key, value in entry.items()))
    return home


def questions_in(tag: str) -> Iterator[dict[str, Any]]:
    """What people asked in the language, with the paragraphs that they asked it of; nothing where nobody did."""
    path = DATA / "seeds" / f"{tag}.native.jsonl"
    if path.is_file():
        yield from (row for row in records(path) if row["kind"] == "question-paragraph")


def open_prompts() -> Iterator[dict[str, Any]]:
    for row in records(DATA / "eval" / "prompts_en.jsonl"):
        yield {"id": row["id"], "instruction": row["prompt"], "prompt_language": "en"}


def as_prompt(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "instruction": row["instruction"], "prompt_language": row["instruction_language"]}


def beginning(text: str) -> str:
    """How a text is known: corpus and parallel documents were cut at different places."""
    return normalised(text)[:BEGINNING]


def as_running_text(row: dict[str, Any]) -> dict[str, Any]:
    if row["kind"] not in PROSE:
        return row
    return row | {side: row[side].replace("\n", " ") for side in ("text_en", "text")}


def build(tag: str, home: Path, last: str, *, first: str = RAW_CORPUS.asset, settings: Mapping[str, str] = SET) -> None:
    """Build the stages of a language from the first to the last; what is built already stays."""
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    stages = ["--from", first, "--to", last]
    command = [sys.executable, "-m", "xinstr_dagster.cli", "build", tag, "--preset", "small", *stages]
    base = ["--base-model", str(MODELS / GEMMA.name)]
    # A stage that keeps nothing ends the build: that is a result, and the table shows how far it came.
    subprocess.run([*command, *base, *options], env={**os.environ, "XINSTR_HOME": str(home)}, check=False)


def built(home: Path, asset: str, tag: str) -> Partition:
    found = Store(home / "data").get(asset, tag)
    if found is None:
        raise SystemExit(f"{home}: {asset} of {tag} is not built")
    return found


def gemma() -> ModelReference:
    return resolve_model(str(MODELS / GEMMA.name), choose_precision("auto").name)
