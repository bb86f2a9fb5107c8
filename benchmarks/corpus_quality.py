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


def main() -> None:
    print(
        "Other half's pack, and the pack that ships: documents, spans, spans without personal data; unrelated sentences.\n"
    )
    print(
        "| language | documents | spans | without p. | unrelated | documents | spans | without p. | reasons (shipped) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    translated = 0
    for language in LANGUAGES:
        texts = texts_of(language)
        halves = texts[::2], texts[1::2]
        packs = [fit_pack(half, language, SCRIPTS[language], "half") for half in halves]
        held_out = [
            found
            for half, pack in zip(halves, reversed(packs), strict=True)
            for found in judged(half, document_filter(language, pack))
        ]
        found_out = sum(
            reasons_of(judged(unrelated(half, language), document_filter(language, pack)))["unrelated_sentences"]
            for half, pack in zip(halves, reversed(packs), strict=True)
        )
        own = judged(texts, document_filter(language))
        reasons = reasons_of(own)
        translated += reasons["machine_translated"]
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        print(
            f"| {language} | {shares_kept(held_out)} | {found_out / 2 / UNRELATED:.2f} | {shares_kept(own)} | {listed} |",
            flush=True,
        )
    refused: Counter[str] = Counter()
    records: Counter[str] = Counter()
    why: dict[str, Counter[str]] = {}
    for line in (DATA / "raw_noisy.jsonl").read_text("utf-8").rstrip("\n").split("\n"):
        row = json.loads(line)
        (found,) = judged([row["text"]], document_filter(row["language"]))
        records[row["kind"]] += 1
        refused[row["kind"]] += not any(isinstance(one, Document) for one in found)
        why.setdefault(row["kind"], Counter()).update(
            one.reason if isinstance(one, Reject) else "kept" for one in found
        )
        if row["kind"] != "machine_translated_page":
            translated += any(isinstance(one, Reject) and one.reason == "machine_translated" for one in found)
    print("\n| kind | records | refused | outcomes of their spans |\n|---|---|---|---|")
    for kind, count in records.items():
        listed = ", ".join(f"{number} {reason}" for reason, number in why[kind].most_common())
        print(f"| {kind} | {count} | {refused[kind] / count:.3f} | {listed} |")
    hits = why["machine_translated_page"]["machine_translated"]
    print(
        f"\nmachine-translated pages: recall {hits / records['machine_translated_page']:.3f}, precision {hits / (hits + translated):.3f}"
    )


if __name__ == "__main__":
    main()
