"""Which letters datatrove's default normalisation loses before it compares texts, and ours: `python benchmarks/letters_lost.py`.

Over all words of the real corpora in ../shared/data: combining marks that are gone, words that change though they are written
in lower case already, and different words that become one. Ours is `normalised`; theirs runs in the environment that
corpus_vs_datatrove.py makes.
"""

from __future__ import annotations

import json
import subprocess
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from corpus_vs_datatrove import DATA, environment

from xinstr_core.identity import normalised
from xinstr_core.text import words

LANGUAGES = ["bn", "eu", "fi", "hi", "id", "ne", "sw", "ta", "th", "tr", "ur", "vi"]
THEIRS = """
import json, sys
from datatrove.utils.text import simplify_text
print(json.dumps([simplify_text(word) for word in json.load(sys.stdin)]))
"""


def marks(text: str) -> int:
    return sum(unicodedata.category(character) in ("Mn", "Mc") for character in unicodedata.normalize("NFC", text))


def row(before: Sequence[str], after: Sequence[str]) -> str:
    """Marks kept, words of letters alone that changed, groups of different words that are one now; with two examples."""
    had = sum(map(marks, before))
    left = sum(map(marks, after))
    merged: dict[str, set[str]] = defaultdict(set)
    for one, other in zip(before, after, strict=True):
        merged[other].add(one)
    groups = [group for form, group in merged.items() if len(group) > 1 and form]
    shown = ", ".join("/".join(sorted(group)[:2]) for group in sorted(groups, key=len, reverse=True)[:2])
    share = f"{left / had:.3f}" if had else "-"
    return f"{share} | {sum(map(len, groups)) / len(before):.3f} | {shown}"


def main() -> None:
    python = environment()
    print(
        "| language | words | theirs: marks kept | words merged | such as | ours: marks kept | words merged | such as |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for language in LANGUAGES:
        lines = (DATA / f"{language}.jsonl").read_text("utf-8").rstrip("\n").split("\n")
        found = {word for line in lines for word in words(json.loads(line)["text"])}
        # Lower case, composed, letters and marks alone: what a normalisation may well change is out of the way.
        plain = {unicodedata.normalize("NFC", word.casefold()) for word in found}
        before = sorted(word for word in plain if all(unicodedata.category(c)[0] in "LM" for c in word))
        done = subprocess.run(
            [str(python), "-c", THEIRS], input=json.dumps(before), capture_output=True, text=True, check=True
        )
        theirs = json.loads(done.stdout)
        print(
            f"| {language} | {len(before)} | {row(before, theirs)} | {row(before, [normalised(word) for word in before])} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
