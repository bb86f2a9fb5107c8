"""How well the language voters do, alone and together: `python benchmarks/identification.py`.

On the sentences of SIB-200 in ../shared/data/eval (800 a language, about 130 letters each: shorter than any document that
the corpus stage keeps). Also how often a sentence of one language would pass as another of them, and what reading whole
documents of ../shared/data/corpus, in place of their ends, would change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from real_text import LANGUAGES, texts_of

from xinstr_core.corpus.identification import LOOK_ALIKES, Identification, Identifier
from xinstr_core.corpus.voters import first_vote, letters_of, second_vote

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
    texts, identifier = texts_of(language), Identifier(language)
    passes = [
        [identifier.score(one) >= LEAST_SCORE for one in map(read, texts)] for read in (identifier.identify, whole)
    ]
    return len(texts), sum(a != b for a, b in zip(*passes, strict=True))


def main() -> None:
    print("| language | lid.176 | py3langid | both: label | both: score >= 0.5 |\n|---|---|---|---|---|")
    passes: Counter[tuple[str, str]] = Counter()
    sure: Counter[tuple[float, bool]] = Counter()
    for language in sorted([*LANGUAGES, "en"]):
        texts = texts_of(language, "eval/sib200_{}.jsonl")
        letters = [letters_of(text) for text in texts]
        identifier = Identifier(language)
        found = [identifier.identify(text) for text in texts]
        for votes in map(first_vote, letters):
            label = best(votes)
            if not any(label in group for group in LOOK_ALIKES):
                sure.update((least, label == language) for least in (0.5, 0.7, 0.9) if votes[label] >= least)
        right = (
            sum(best(first_vote(one)) == language for one in letters),
            sum(best(second_vote(one)) == language for one in letters),
            sum(one.label == language for one in found),
            sum(identifier.score(one) >= LEAST_SCORE for one in found),
        )
        print(f"| {language} | " + " | ".join(f"{count / len(texts):.3f}" for count in right) + " |")
        passes.update(
            (language, other)
            for one in found
            for other in [*LANGUAGES, "en"]
            if other != language and Identifier(other).score(one) >= LEAST_SCORE
        )
    print("sentences that pass as another language:", dict(passes))
    print("no look-alike, lid.176 at least so sure, right or not:", dict(sorted(sure.items())))
    counts = [changed_by_reading_all(language) for language in LANGUAGES]
    print(
        f"of {sum(n for n, _ in counts)} documents {sum(n for _, n in counts)} would be judged otherwise by all of their letters"
    )


if __name__ == "__main__":
    main()
