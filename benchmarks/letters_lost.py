"""Which letters datatrove's default normalisation loses before it compares texts, and ours: `python benchmarks/letters_lost.py`.

Over the words of the real corpora in ../shared/data, lower case and composed: the share of combining marks that are left, and
of words that become one with another. Ours is `normalised`; theirs runs in the environment that corpus_vs_datatrove.py
makes.
"""

from __future__ import annotations

import json
import subprocess
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from corpus_vs_datatrove import environment
from real_text import LANGUAGES, texts_of

from xinstr_core.identity import normalised
from xinstr_core.text import words

THEIRS = """
import json, sys
from datatrove.utils.text import simplify_text
print(json.dumps([simplify_text(word) for word in json.load(sys.stdin)]))
"""


def marks(text: str) -> int:
    return sum(unicodedata.category(character) in ("Mn", "Mc") for character in unicodedata.normalize("NFC", text))


def row(before: Sequence[str], after: Sequence[str]) -> str:
    """Share of marks left, share of words that became one with another, and two such pairs."""
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
        found = {word for text in texts_of(language) for word in words(text)}
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
