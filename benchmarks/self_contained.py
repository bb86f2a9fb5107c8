"""Does the check of openings tell true openings from cuts? `python benchmarks/self_contained.py`, needs ../shared/data.

True openings: the first piece of every NTREX document, children's stories and Thai government news of which the corpus
holds one record (so it starts at the title), and the same stories and news without their title line. Cuts of the same
documents, four of each kind, drawn at random: at the start of an inner sentence, and between two words inside a sentence
(Thai: at a space, and between two letters); of the latter those before a small letter once more. Pieces: what follows the first piece of an NTREX document. Halves by the hash of the
document: lists were written in view of the half `fit`; `held-out` is reported. `--alarms` lists the flagged openings.

Translations: FLORES sentences whose English original opens with a connective, with a reference, or with neither by the
English list; the share flagged in the other language. Sentences of even number were read for the lists, odd ones not.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

import regex
from real_text import DATA, LANGUAGES, SCRIPTS

from xinstr_core.curation.self_contained import opening_flaw

STORIES = ("global-asp/",)
SETS = ("opening", "untitled", "piece", "sentence", "inside", "small")
SENTENCE_START = regex.compile(r"(?<=[.!?।۔]['\"”’)]?\s+|\n\s*)(?=\S)")
INSIDE = regex.compile(r"(?<=[^\s.!?।۔:\"“”‘’'*•–-][^\S\n])(?=[\p{L}\p{N}])")
THAI_PHRASE, THAI_LETTER = regex.compile(r"(?<=\s)(?=\S)"), regex.compile(r"(?<=\p{L}\p{M}?)(?=\p{L})")
KEPT = 120  # characters that a cut leaves at least
DRAWS = 4  # of a document


def half_of(document: str) -> str:
    return "fit" if sha256(document.encode()).digest()[0] % 2 == 0 else "held-out"


def cut(text: str, border: regex.Pattern[str], rng: random.Random) -> str | None:
    """The text from a random border on that is neither its start nor near its end."""
    borders = [found.end() for found in border.finditer(text) if 0 < found.end() < len(text) - KEPT]
    return text[rng.choice(borders) :] if borders else None


def samples(language: str) -> Iterable[tuple[str, str, str]]:
    """(half, set, text) of a language."""
    rng = random.Random(f"self-contained {language}")
    sentence, inside = (THAI_PHRASE, THAI_LETTER) if language == "th" else (SENTENCE_START, INSIDE)
    lines = (DATA / "corpus" / f"{language}.jsonl").read_text("utf-8").rstrip("\n").split("\n")
    records = [json.loads(line) for line in lines]
    pieces_of = Counter((record["source"], record.get("doc")) for record in records)
    for record in records:
        source, text = record["source"], record["text"]
        name, _, piece = (record.get("doc") or source).partition("#")
        half = half_of(name)
        news, whole = "NTREX" in source, pieces_of[source, record.get("doc")] == 1
        titled = source.startswith(STORIES) or "thaigov" in source
        if news and piece:
            yield half, "piece", text
        if not ((news and not piece) or (titled and whole)):
            continue
        yield half, "opening", text
        if titled and len(body := text.partition("\n")[2].strip()) > KEPT:
            yield half, "untitled", body
        for kind, border in [("sentence", sentence), ("inside", inside)] * DRAWS:
            if (rest := cut(text, border, rng)) is not None:
                yield half, kind, rest
                if kind == "inside" and rest[0].islower() and SCRIPTS[language] == "Latn":
                    yield half, "small", rest


def translations(language: str, half: str) -> str:
    """Share flagged, by what the English original opens with."""
    lines = (DATA / "eval" / f"parallel_{language}.jsonl").read_text("utf-8").rstrip("\n").split("\n")
    rows = [json.loads(line) for line in lines[half == "held-out" :: 2]]
    flagged: dict[str, list[bool]] = {"connective": [], "reference": [], "": []}
    for row in rows:
        if (flaw := opening_flaw(row["text_en"], "en")) in flagged:
            flagged[flaw].append(bool(opening_flaw(row["text"], language)))
    return " | ".join(f"{sum(found) / len(found):.3f} of {len(found)}" for found in flagged.values())


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--alarms", action="store_true")
    options.add_argument("--half", default="held-out", choices=["fit", "held-out"])
    options.add_argument("--languages", nargs="*", default=LANGUAGES)
    chosen = options.parse_args()
    print(
        "| language | "
        + " | ".join(SETS)
        + " | flaws of inner sentences | of cuts inside |\n|---"
        + "|---" * (len(SETS) + 2)
        + "|"
    )
    alarms: list[str] = []
    seconds, texts = 0.0, 0
    for language in chosen.languages:
        opening_flaw("", language)  # reads the lists
        flagged, count = Counter[str](), Counter[str]()
        flaws: dict[str, Counter[str]] = {name: Counter() for name in SETS}
        for half, name, text in samples(language):
            if half != chosen.half:
                continue
            started = time.perf_counter()
            flaw = opening_flaw(text, language)
            seconds, texts = seconds + time.perf_counter() - started, texts + 1
            count[name] += 1
            flagged[name] += bool(flaw)
            flaws[name][flaw or "none"] += 1
            if flaw and name in ("opening", "untitled"):
                alarms.append(f"{language} {name} {flaw}: {' '.join(text[:110].split())}")
        cells = [f"{flagged[name] / count[name]:.3f} of {count[name]}" if count[name] else "" for name in SETS]
        kinds = [", ".join(f"{kind} {n}" for kind, n in flaws[name].most_common()) for name in ("sentence", "inside")]
        print(f"| {language} | " + " | ".join([*cells, *kinds]) + " |", flush=True)
    print(f"\n{1e6 * seconds / texts:.1f} microseconds a text")
    print("\n| translations | connective | reference | neither |\n|---|---|---|---|")
    for language in chosen.languages:
        print(f"| {language} | {translations(language, chosen.half)} |")
    if chosen.alarms:
        print("", *alarms, sep="\n")


if __name__ == "__main__":
    main()
