"""How well the language voters do, alone and together: `python benchmarks/identification.py`.

On the sentences of SIB-200 in ../shared/data/eval (800 a language, about 130 letters each: shorter than any document that
the corpus stage keeps). Also how often a sentence of one language would pass as another of them, and what reading whole
documents of ../shared/data/corpus, in place of their ends, would change.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from xinstr_core.corpus.identification import Identification, first_vote, identify, letters_of, second_vote

EVALUATION = Path(__file__).resolve().parents[2] / "shared" / "data" / "eval"
CORPUS = EVALUATION.parent / "corpus"
LANGUAGES = ["bn", "en", "eu", "fi", "hi", "id", "ne", "sw", "ta", "th", "tr", "ur", "vi"]
LEAST_SCORE = 0.5


def best(votes: Mapping[str, float]) -> str:
    return max(votes, key=votes.__getitem__)


def whole(text: str) -> Identification:
    """Both voters over all letters of a text, with equal weight; the same languages are known to both here."""
    letters = letters_of(text)
    votes = first_vote(letters), second_vote(letters)
    return Identification({one: sum(vote.get(one, 0.0) for vote in votes) / 2 for one in votes[0] | votes[1]})


def changed_by_reading_all(language: str) -> tuple[int, int]:
    """(documents, those that pass by their ends and not as a whole, or the other way round)."""
    lines = (CORPUS / f"{language}.jsonl").read_text("utf-8").rstrip("\n").split("\n")
    texts = [json.loads(line)["text"] for line in lines]
    passes = [[one.of(language) >= LEAST_SCORE for one in map(read, texts)] for read in (identify, whole)]
    return len(texts), sum(a != b for a, b in zip(*passes, strict=True))


def main() -> None:
    print("| language | lid.176 | py3langid | both: label | both: score >= 0.5 |\n|---|---|---|---|---|")
    passes: Counter[tuple[str, str]] = Counter()
    for language in LANGUAGES:
        lines = (EVALUATION / f"sib200_{language}.jsonl").read_text("utf-8").rstrip("\n").split("\n")
        texts = [json.loads(line)["text"] for line in lines]
        letters = [letters_of(text) for text in texts]
        found = [identify(text) for text in texts]
        right = (
            sum(best(first_vote(one)) == language for one in letters),
            sum(best(second_vote(one)) == language for one in letters),
            sum(one.label == language for one in found),
            sum(one.of(language) >= LEAST_SCORE for one in found),
        )
        print(f"| {language} | " + " | ".join(f"{count / len(texts):.3f}" for count in right) + " |")
        passes.update(
            (language, other)
            for one in found
            for other in LANGUAGES
            if other != language and one.of(other) >= LEAST_SCORE
        )
    print("sentences that pass as another language:", dict(passes))
    counts = [changed_by_reading_all(language) for language in LANGUAGES if language != "en"]
    print(
        f"of {sum(n for n, _ in counts)} documents {sum(n for _, n in counts)} would be judged otherwise by all of their letters"
    )


if __name__ == "__main__":
    main()
