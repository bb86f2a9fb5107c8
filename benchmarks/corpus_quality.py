"""Which documents the corpus stage keeps: `python benchmarks/corpus_quality.py`, needs ../shared/data.

Clean documents: the real corpora, judged with a pack that was fitted on the other half of the same files, so that no
document sets its own limit; once more with the pack that ships. Documents of fifteen random sentences of a half, judged with
the other half's pack: how many are found out. Noisy ones: raw_noisy.jsonl by kind, with the pack that ships. A record
counts as refused when no span of it is kept. Machine-translated pages: precision over both sets.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from real_text import DATA, LANGUAGES, SCRIPTS, document_filter, texts_of

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.identification import Identifier
from xinstr_core.corpus.packs import fit_pack
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.text import whole_sentences

UNRELATED = 250  # of either half


Judged = list[list[Document | Reject]]  # of every record its spans


def judged(texts: Iterable[str], one: DocumentFilter) -> Judged:
    return [[*one.judge(Record(str(number), {"text": text}))] for number, text in enumerate(texts)]


def unrelated(texts: Sequence[str], language: str) -> Iterator[str]:
    """Documents of fifteen sentences, each from a text of its own; not a tokenised one among them."""
    rng = random.Random(language)
    pools = [found for text in texts if (found := [s.strip() for s in whole_sentences(text) if 40 <= len(s) <= 140])]
    for _ in range(UNRELATED):
        yield " ".join(rng.choice(pool) for pool in rng.sample(pools, min(15, len(pools))))


def shares_kept(found: Judged) -> str:
    """Share of documents of which something is kept; of spans; of spans without those refused for personal data."""
    kept = [sum(isinstance(one, Document) for one in spans) for spans in found]
    spans, personal = sum(map(len, found)), reasons_of(found)["personal_data"]
    return f"{sum(map(bool, kept)) / len(kept):.3f} | {sum(kept) / spans:.3f} | {sum(kept) / (spans - personal):.3f}"


def reasons_of(found: Judged) -> Counter[str]:
    return Counter(one.reason for spans in found for one in spans if isinstance(one, Reject))


def translated(found: Judged) -> int:
    """How many records are called machine-translated."""
    return sum(any(isinstance(one, Reject) and one.reason == "machine_translated" for one in spans) for spans in found)


def clean(language: str) -> tuple[str, int]:
    """A language's row of the table, and how many of its clean documents are called machine-translated."""
    texts = texts_of(language)
    halves = texts[::2], texts[1::2]
    filters = [
        document_filter(language, fit_pack(half, Identifier(language), SCRIPTS[language], "half")) for half in halves
    ]
    crossed = list(zip(halves, reversed(filters), strict=True))
    held_out = [found for half, one in crossed for found in judged(half, one)]
    found_out = sum(reasons_of(judged(unrelated(half, language), one))["unrelated_sentences"] for half, one in crossed)
    own = judged(texts, document_filter(language))
    listed = ", ".join(f"{count} {reason}" for reason, count in reasons_of(own).most_common())
    row = f"| {language} | {shares_kept(held_out)} | {found_out / 2 / UNRELATED:.2f} | {shares_kept(own)} | {listed} |"
    return row, translated(own)


def noisy() -> dict[str, Judged]:
    """The outcomes of the noisy records, by kind."""
    found: dict[str, Judged] = {}
    for line in (DATA / "raw_noisy.jsonl").read_text("utf-8").rstrip("\n").split("\n"):
        row = json.loads(line)
        found.setdefault(row["kind"], []).extend(judged([row["text"]], document_filter(row["language"])))
    return found


def noisy_row(kind: str, found: Judged) -> str:
    refused = sum(not any(isinstance(one, Document) for one in spans) for spans in found)
    outcomes = Counter(one.reason if isinstance(one, Reject) else "kept" for spans in found for one in spans)
    listed = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    return f"| {kind} | {len(found)} | {refused / len(found):.3f} | {listed} |"


def main() -> None:
    print(
        "Other half's pack, and the pack that ships: documents, spans, spans without personal data; unrelated sentences.\n"
    )
    print(
        "| language | documents | spans | without p. | unrelated | documents | spans | without p. | reasons (shipped) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    wrongly = 0
    for language in LANGUAGES:
        row, called_translated = clean(language)
        wrongly += called_translated
        print(row, flush=True)
    found = noisy()
    print("\n| kind | records | refused | outcomes of their spans |\n|---|---|---|---|")
    for kind, records in found.items():
        print(noisy_row(kind, records))
    pages = found.pop("machine_translated_page")
    hits = translated(pages)
    wrongly += sum(map(translated, found.values()))
    print(f"\nmachine-translated pages: recall {hits / len(pages):.3f}, precision {hits / (hits + wrongly):.3f}")


if __name__ == "__main__":
    main()
