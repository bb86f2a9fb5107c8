"""What the stage adds to its libraries: `python benchmarks/corpus_loops.py`, needs ../shared/data.

Identification: both voters over every text of a language as the stage asks them, against a loop that hands the same letters
to lid.176 and, where the stage needs a second voter, to py3langid; and against a loop that hands them the whole text. MinHash:
`signatures` against a loop that makes the same shingles as Python strings and hands them to rensa. Processor time with
OMP_NUM_THREADS=1, paired; medians of the ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from real_text import SCRIPTS, texts_of
from rensa import RMinHash

from xinstr_core.corpus import identification, voters
from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES
from xinstr_core.corpus.duplicates import PERMUTATIONS, signatures
from xinstr_core.identity import normalised

LANGUAGES = ("sw", "th")
PAIRS = 9
CHARACTERS = 2200


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def ratio(ours: Callable[[], object], bare: Callable[[], object]) -> str:
    """Median, least and largest of ours / bare, over pairs in alternating order; the first pair only warms up."""
    found = []
    for pair in range(PAIRS + 1):
        first, second = (ours, bare) if pair % 2 else (bare, ours)
        times = {first: seconds(first), second: seconds(second)}
        found.append(times[ours] / times[bare])
    return f"{statistics.median(found[1:]):.2f} ({min(found[1:]):.2f} to {max(found[1:]):.2f})"


def measured(language: str) -> str:
    texts = [text[:CHARACTERS] for text in texts_of(language)]
    excerpts = [voters.excerpt_of(text) for text in texts]
    asked = [needs_second(excerpt) for excerpt in excerpts]
    script = SCRIPTS[language]

    def same_letters() -> None:
        for excerpt, second in zip(excerpts, asked, strict=True):
            voters.first_vote(excerpt)
            if second:
                voters.second_vote(excerpt)

    def whole_texts() -> None:
        for text in texts:
            voters.first_vote(text.replace("\n", " "))
            voters.second_vote(text)

    def strings() -> None:
        shingles = []
        for text in texts:
            form = normalised(text)
            if script in SCRIPTS_WITHOUT_SPACES:
                shingles.append([form[i : i + 5] for i in range(len(form) - 4)])
            else:
                words = form.split()
                shingles.append([" ".join(words[i : i + 3]) for i in range(len(words) - 2)])
        RMinHash.digest_matrix_from_token_sets(shingles, PERMUTATIONS, 42).to_rows()

    def identified() -> None:
        for text in texts:
            identification.identify(text)

    return (
        f"| {language} | {len(texts)} | {sum(asked) / len(texts):.2f} | {ratio(identified, same_letters)} "
        f"| {ratio(identified, whole_texts)} | {ratio(lambda: signatures(texts, script), strings)} |"
    )


def needs_second(letters: str) -> bool:
    """Whether the stage asks the second voter: it gives languages that the first one does not."""
    return identification.identify(letters).scores != voters.first_vote(letters)


def main() -> None:
    print("| language | texts | second voter asked | identification, same letters | whole texts | MinHash |")
    print("|---|---|---|---|---|---|")
    for language in LANGUAGES:
        print(measured(language), flush=True)


if __name__ == "__main__":
    main()
