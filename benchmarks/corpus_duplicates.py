"""Duplicates found and not found: `python benchmarks/corpus_duplicates.py`, needs ../shared/data.

1. Distinct documents: pieces of at least 200 characters of the real corpora, no text twice, and documents of random
   sentences, each 10,000. Of the pairs that are found nevertheless, the least Jaccard similarity of their shingles.
2. Planted: copies of whole spans with words (characters in Thai) exchanged until the similarity is 0.80 to 0.82.
3. The overlapping pairs of raw_noisy.jsonl: grouped when told matches lead from a span of the one to one of the other.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from real_text import DATA, SCRIPTS, document_filter, texts_of

from xinstr_core.corpus.assembly import Corpus, assemble
from xinstr_core.corpus.batches import BatchJudge
from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES
from xinstr_core.corpus.duplicates import DuplicateSearch, Match, shingles, signatures
from xinstr_core.corpus.readers import Record
from xinstr_core.corpus.spans import cut_spans
from xinstr_core.files import ShardLog
from xinstr_core.identity import document_key
from xinstr_core.settings import CorpusSettings
from xinstr_core.text import sentences

LANGUAGES = ("ta", "th", "ur", "vi")
SETTINGS = CorpusSettings()
DISTINCT = 10_000
PLANTED = 500
CHARACTERS = 1000  # of a document of random sentences


def pieces(texts: Sequence[str], least: int = 200) -> Iterator[str]:
    """Every text cut behind white space, each piece once."""
    seen = set()
    for text in texts:
        start = 0
        while len(text) - start >= least:
            end = next((place for place in range(start + least, len(text)) if text[place].isspace()), len(text))
            piece = text[start:end]
            if piece not in seen:
                seen.add(piece)
                yield piece
            start = end


def sentence_pool(language: str) -> list[str]:
    """Sentences of 40 to 300 characters of the real corpus, without markup and long numbers."""
    found = {s.strip() for text in texts_of(language) for s in sentences(text) if 40 <= len(s.strip()) <= 300}
    return sorted(s for s in found if not any(c in s for c in "@{}<>|*=\n") and sum(c.isdigit() for c in s) < 6)


def recombined(language: str, documents: int) -> Iterator[str]:
    pool, rng = sentence_pool(language), random.Random(language)
    for _ in range(documents):
        parts: list[str] = []
        while sum(map(len, parts)) < CHARACTERS:
            parts.append(rng.choice(pool))
        yield " ".join(parts)


def matches(texts: Sequence[str], script: str) -> list[Match]:
    with tempfile.TemporaryDirectory() as folder:
        search = DuplicateSearch(Path(folder), SETTINGS.near_duplicate_similarity)
        search.add([document_key("xx", text) for text in texts], signatures(texts, script))
        return list(search.find())


def jaccard(one: str, other: str, script: str) -> float:
    first, second = (set(found.tolist()) for found in shingles([one, other], script))
    return len(first & second) / len(first | second)


def planted(text: str, script: str, rng: random.Random) -> str | None:
    """A copy of similarity 0.80 to 0.82, or None where none was met."""
    parts = list(text) if script in SCRIPTS_WITHOUT_SPACES else text.split()
    joint = "" if script in SCRIPTS_WITHOUT_SPACES else " "
    for place in rng.sample(range(len(parts)), len(parts)):
        parts[place] = rng.choice(parts)
        similarity = jaccard(text, joint.join(parts), script)
        if similarity < 0.82:
            return joint.join(parts) if similarity >= 0.80 else None
    return None


def assembled(texts: Sequence[tuple[str, str]], language: str, folder: Path) -> Corpus:
    judge = BatchJudge(document_filter(language), ShardLog(folder / "judged"), ShardLog(folder / "refused"))
    key = judge((0, [Record(place, {"text": text}) for place, text in texts]))
    return assemble([judge.documents.path(key)], [judge.rejects.path(key)], folder, SETTINGS)


def noisy_pairs() -> str:
    rows = [json.loads(line) for line in (DATA / "raw_noisy.jsonl").read_text("utf-8").rstrip("\n").split("\n")]
    rows = [row for row in rows if row["kind"] == "near_duplicate"]
    group = {row["id"]: row["group"] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        corpus = assembled([(row["id"], row["text"]) for row in rows], "th", Path(folder))
        told = pl.read_parquet(corpus.tables["duplicates"])
        kept = pl.read_parquet(corpus.tables["documents"])
    judged = pl.concat([kept.select("doc_id", "place"), told.select("doc_id", "place")])
    page = {doc_id: place.split("[")[0] for doc_id, place in reversed(judged.rows())}  # of copies the first
    present = {place.split("[")[0] for place in judged["place"]}
    together = {one: {one} for one in group}
    for place, of in told.select("place", "duplicate_of").rows():
        union = together[place.split("[")[0]] | together[page[of]]
        together |= dict.fromkeys(union, union)
    pairs: dict[str, list[str]] = {}
    for one, name in group.items():
        pairs.setdefault(name, []).append(one)
    whole = [pair for pair in pairs.values() if present.issuperset(pair)]
    return (
        f"of {len(pairs)} overlapping pairs {len(whole)} come to the search with both pages, "
        f"{sum(pair[1] in together[pair[0]] for pair in whole)} of them are grouped; "
        f"told {dict(Counter(told['kind']))}, {told['refused'].sum()} spans refused"
    )


def main() -> None:
    print(
        "| language | pieces | matches | least similarity | recombined | matches | least similarity | planted | found |\n|---|---|---|---|---|---|---|---|---|"
    )
    for language in LANGUAGES:
        script = SCRIPTS[language]
        texts = texts_of(language)
        cells: list[object] = [language]
        for distinct in (list(pieces(texts))[:DISTINCT], list(recombined(language, DISTINCT))):
            found = matches(distinct, script)
            least = min((jaccard(distinct[m.document], distinct[m.earlier], script) for m in found), default=None)
            cells += [len(distinct), len(found), "" if least is None else f"{least:.3f}"]
        rng = random.Random(language)
        spans = [text[s:e] for text in texts for s, e in cut_spans(text, *SETTINGS.span_bounds)]
        spans = [span for span in spans if SETTINGS.minimum_characters <= len(span) <= SETTINGS.maximum_characters]
        pairs = [(span, copy) for span in spans if (copy := planted(span, script, rng))][:PLANTED]
        found = matches([text for pair in pairs for text in pair], script)
        hits = {m.document for m in found if m.document % 2 and m.earlier == m.document - 1}
        cells += [len(pairs), f"{len(hits) / len(pairs):.3f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    print(noisy_pairs())


if __name__ == "__main__":
    main()
