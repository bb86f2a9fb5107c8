"""Records judged in batches, each batch by itself: the part of the stage that several processors share and a kill spares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.duplicates import PERMUTATIONS, signatures
from xinstr_core.corpus.overlaps import sketch
from xinstr_core.corpus.quality import lines_of
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document, reject_row
from xinstr_core.files import ShardLog
from xinstr_core.identity import content_key, line_hash
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.raw_corpus import DOCUMENTS, REJECTED

# A batch is small enough to be redone after a kill and large enough to be worth its file.
BATCH_RECORDS = 1000
BATCH_CHARACTERS = 4_000_000
_LEAST_LINE_CHARACTERS = 20  # shorter lines recur in honest text

# What a batch leaves behind for the search over the whole corpus, beside the document itself.
_SIGNATURE = pl.Array(pl.UInt32, PERMUTATIONS)
JUDGED_SCHEMA = pl.Schema(
    {
        **DOCUMENTS.schema,
        "lines": pl.List(pl.UInt64),
        "line_characters": pl.List(pl.Int64),
        "sketch": pl.List(pl.UInt64),
    }
)


@dataclass(frozen=True)
class BatchJudge:
    """Judges numbered batches of what a reader gave, and leaves two files each. Picklable, so that workers can have it.

    Documents (JUDGED_SCHEMA and `signature`) are written first and rejects (REJECTED) last: a batch whose rejects
    are there is done and is not judged again. The files' key is the number and what the batch holds.
    """

    filter: DocumentFilter
    documents: ShardLog
    rejects: ShardLog

    def __call__(self, numbered: tuple[int, list[Record | Reject]]) -> str:
        """The key of the batch's files."""
        number, batch = numbered
        key = f"{number:08}-{_content(batch)}"
        if not self.rejects.has(key):
            found = [o for one in batch for o in ([one] if isinstance(one, Reject) else self.filter.judge(one))]
            self.documents.put(key, self._documents([outcome for outcome in found if isinstance(outcome, Document)]))
            self.rejects.put(key, self._rejects([outcome for outcome in found if isinstance(outcome, Reject)]))
        return key

    def _documents(self, documents: list[Document]) -> pl.DataFrame:
        language = self.filter.language
        rows = frame(
            [
                document.row(language.tag) | _lines(document) | {"sketch": sketch(document.text, language.script)}
                for document in documents
            ],
            JUDGED_SCHEMA,
        )
        digests = signatures([document.text for document in documents], language.script)
        return rows.with_columns(pl.Series("signature", digests, dtype=_SIGNATURE))

    def _rejects(self, rejects: list[Reject]) -> pl.DataFrame:
        unscored = {"learned_filter": None, "learned_score": None}
        return REJECTED.frame([unscored | reject_row(self.filter.language.tag, reject) for reject in rejects])


def _content(batch: Sequence[Record | Reject]) -> str:
    """A key of all that was read: another file in the same place, or the same one read otherwise, is another batch."""
    return content_key(*(part for one in batch for part in _parts(one)))


def _parts(one: Record | Reject) -> Iterator[str]:
    yield type(one).__name__
    if isinstance(one, Reject):
        yield from vars(one).values()
    else:
        yield one.place
        yield from (part for name, value in one.values.items() for part in (name, str(value)))


def _lines(document: Document) -> dict[str, object]:
    """Hashes and lengths of the lines that could be boilerplate: those of texts that have several."""
    lines = lines_of(document.text)
    long = [line for line in lines if len(line) >= _LEAST_LINE_CHARACTERS] if len(lines) > 1 else []
    return {
        "lines": [line_hash(document.source, line) for line in long],
        "line_characters": [len(line) for line in long],
    }


def batches(found: Iterable[Record | Reject]) -> Iterator[list[Record | Reject]]:
    """Consecutive records, so many at once that neither their number nor their text is large."""
    batch: list[Record | Reject] = []
    characters = 0
    for one in found:
        batch.append(one)
        texts = one.values.values() if isinstance(one, Record) else [one.excerpt]
        characters += sum(len(text) for text in texts if isinstance(text, str))
        if len(batch) == BATCH_RECORDS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
