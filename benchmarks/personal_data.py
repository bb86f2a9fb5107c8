"""How well personal data is found: `python benchmarks/personal_data.py`; `--missed` prints the lines that were judged wrong.

`personal_data.jsonl` holds labelled lines in two halves: `work`, by which rules were written, and `held`, on which they
were measured alone. A line with a `text` was written for it, its numbers and addresses invented, before the rules were;
one with a `line` instead is the hash of an excerpt of ../shared/data that was drawn by hash from numbers and at signs and
labelled by reading: those are left out where the data is not there. An excerpt is a match of one of PATTERNS with what
stands around it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from real_text import DATA

from xinstr_core.corpus.personal_data import personal_data

LABELS = Path(__file__).with_name("personal_data.jsonl")
PATTERNS = tuple(
    map(
        re.compile,
        (
            r"@|\(at\)|\[at\]",
            r"\d(?:[^\w\n]{0,3}\d){6,}",
            r"https?://\S*\d\S*",
            r"[^\D0-9]\D{0,2}[^\D0-9]",
            r"(?<![\w.,/-])(?:\+|\(|[0\u0e50])[ ]?\d(?:[ .()-]{0,2}\d){6,}",
            r"\d[\d.,:/-]{2,}",
        ),
    )
)
FIELDS = ("text", "response")
AROUND = 90  # characters on either side, and on to the next space, but for
LONGEST = 130


def excerpts() -> Iterator[str]:
    """Every excerpt of the data that can have been drawn."""
    files = [
        *sorted(DATA.glob("corpus/*")),
        DATA / "raw_noisy.jsonl",
        DATA / "seed_en.jsonl",
        *sorted(DATA.glob("seeds/*")),
    ]
    for path in files:
        for record in map(json.loads, path.read_text("utf-8").rstrip("\n").split("\n")):
            for text in (record[field] for field in FIELDS if isinstance(record.get(field), str)):
                for line in re.split("[\n\u2028]", text):
                    yield from (around(line, *found.span()) for one in PATTERNS if (found := one.search(line)))


def around(line: str, start: int, end: int) -> str:
    first, last = max(0, start - AROUND), end + AROUND
    while first > 0 and not line[first - 1].isspace() and start - first < LONGEST:
        first -= 1
    while last < len(line) and not line[last].isspace() and last - end < LONGEST:
        last += 1
    return line[first:last].strip()


def key(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def labelled() -> list[dict[str, Any]]:
    """The labels, each with its text, those aside whose text is not there."""
    labels = [json.loads(line) for line in LABELS.read_text("utf-8").splitlines()]
    texts = {key(text): text for text in excerpts()} if DATA.exists() else {}
    return [{"text": texts.get(one.get("line", "")), **one} for one in labels if "text" in one or one["line"] in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--missed", choices=("work", "held"), help="print the lines of this half that were judged wrong"
    )
    missed = parser.parse_args().missed
    print("| half | lines | with personal data | precision | recall |\n|---|---|---|---|---|")
    rows = labelled()
    for half, drawn in (("work", False), ("work", True), ("held", False), ("held", True)):
        of_half = [one for one in rows if one["half"] == half and ("line" in one) == drawn]
        if not of_half:
            continue
        found = [personal_data(one["text"]) is not None for one in of_half]
        true = [one["personal_data"] is not None for one in of_half]
        both = sum(a and b for a, b in zip(found, true, strict=True))
        name = f"{half}, {'drawn' if drawn else 'written'}"
        print(f"| {name} | {len(of_half)} | {sum(true)} | {both / sum(found):.3f} | {both / sum(true):.3f} |")
        if half == missed:
            for one, a, b in zip(of_half, found, true, strict=True):
                if a != b:
                    print("missed" if b else "false", one["language"], one["text"])


if __name__ == "__main__":
    main()
