"""From a record to documents: spans, checks in a fixed order, and the first failed check as the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from xinstr_core.corpus.duplicates import DuplicateIndex
from xinstr_core.corpus.identification import identify, knows, script_share, symbol_share
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.spans import cut_spans
from xinstr_core.identity import document_key
from xinstr_core.languages import Language
from xinstr_core.settings import CorpusSettings
from xinstr_core.text import is_storable

EXCERPT_CHARACTERS = 200

DOCUMENT_SCHEMA = pl.Schema(
    {
        "doc_id": pl.String,
        "language": pl.String,
        "text": pl.String,
        "source": pl.String,
        "url": pl.String,
        "licence": pl.String,
        "place": pl.String,
        "span_start": pl.Int64,
        "span_end": pl.Int64,
        "n_chars": pl.Int64,
        "lid_label": pl.String,
        "lid_score": pl.Float64,
        "script_share": pl.Float64,
        "symbol_share": pl.Float64,
    }
)
REJECT_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "place": pl.String,
        "reason": pl.String,
        "value": pl.String,
        "threshold": pl.String,
        "excerpt": pl.String,
    }
)


@dataclass(frozen=True)
class Document:
    """A kept span: `text` is record text [span_start:span_end], byte for byte."""

    doc_id: str
    text: str
    source: str
    url: str
    licence: str
    place: str
    span_start: int
    span_end: int
    n_chars: int
    lid_label: str
    lid_score: float
    script_share: float
    symbol_share: float


class DocumentFilter:
    """Judges the records of one language, in order: what it saw before decides what is a duplicate."""

    def __init__(self, language: Language, settings: CorpusSettings) -> None:
        self._language = language
        self._settings = settings
        own = language.minimum_language_score
        self._minimum_score = settings.minimum_language_score if own is None else own
        self._identifiable = knows(language.tag)
        self._keys: set[str] = set()
        self._duplicates = DuplicateIndex(language.script, settings.near_duplicate_similarity)

    def judge(self, record: Record) -> Iterator[Document | Reject]:
        """The documents and rejects that a record gives."""
        text = record.values.get("text")
        if not isinstance(text, str) or not text.strip():
            yield Reject(record.place, "no_text", str(record.values)[:EXCERPT_CHARACTERS], type(text).__name__, "text")
            return
        if not all(is_storable(_string(record, field)) for field in ("text", "source", "url", "licence")):
            excerpt = text[:EXCERPT_CHARACTERS].encode("utf-8", "replace").decode().replace("\x00", "?")
            yield Reject(record.place, "not_text", excerpt, "NUL or lone surrogate")
            return
        for start, end in cut_spans(text, self._settings.maximum_characters):
            yield self._judge_span(record, text[start:end], start, end)

    def _judge_span(self, record: Record, text: str, start: int, end: int) -> Document | Reject:
        place = record.place if end - start == len(record.values["text"].strip()) else f"{record.place}[{start}:{end}]"

        def reject(reason: str, value: object, threshold: object) -> Reject:
            shown = f"{value:.2f}" if isinstance(value, float) else str(value)
            return Reject(place, reason, text[:EXCERPT_CHARACTERS], shown, str(threshold))

        settings = self._settings
        if len(text) < settings.minimum_characters:
            return reject("too_short", len(text), settings.minimum_characters)
        if len(text) > settings.maximum_characters:
            return reject("too_long_paragraph", len(text), settings.maximum_characters)
        symbols = symbol_share(text)
        if symbols > settings.maximum_symbol_share:
            return reject("symbols", symbols, settings.maximum_symbol_share)
        script = script_share(text, self._language.script)
        if script < settings.minimum_script_share:
            return reject("wrong_script", script, f"{settings.minimum_script_share} {self._language.script}")
        identified = identify(text)
        score = identified.of(self._language.tag)
        if self._identifiable and score < self._minimum_score:
            found = f"{identified.label} {identified.probability:.2f}"
            return reject("wrong_language", found, f"{self._language.tag} {self._minimum_score}")
        key = document_key(self._language.tag, text)
        if key in self._keys:
            return reject("exact_duplicate", key, "")
        self._keys.add(key)
        if earlier := self._duplicates.find_or_add(key, text):
            return reject("near_duplicate", f"{earlier[0]} {earlier[1]:.2f}", settings.near_duplicate_similarity)
        return Document(
            doc_id=key,
            text=text,
            source=_string(record, "source"),
            url=_string(record, "url"),
            licence=_string(record, "licence") or self._language.licence or "unknown",
            place=place,
            span_start=start,
            span_end=end,
            n_chars=len(text),
            lid_label=identified.label,
            lid_score=round(score, 4),
            script_share=round(script, 4),
            symbol_share=round(symbols, 4),
        )


def _string(record: Record, field: str) -> str:
    value = record.values.get(field)
    return value if isinstance(value, str) else ""
