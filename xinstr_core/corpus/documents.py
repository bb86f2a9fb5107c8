"""From a record to documents: spans, checks of the page, checks of each span; the first failed check is the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from xinstr_core.corpus.contamination import EvaluationIndex
from xinstr_core.corpus.damage import damage, with_encoding_repaired
from xinstr_core.corpus.foreign import ForeignParts
from xinstr_core.corpus.identification import Identification, Identifier
from xinstr_core.corpus.learned_filter import LearnedFilter, verdict
from xinstr_core.corpus.machine_text import machine_cue
from xinstr_core.corpus.packs import NO_PACK, LanguagePack
from xinstr_core.corpus.quality import Features, measure
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.refuse_lists import NO_LISTS, RefuseLists
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS, Document, ScoredReject
from xinstr_core.corpus.spans import Span, cut_around, cut_spans
from xinstr_core.corpus.voters import ModelVoter
from xinstr_core.identity import document_key
from xinstr_core.languages import Language
from xinstr_core.licences import UNKNOWN_LICENCE, plain_name
from xinstr_core.settings import CorpusSettings
from xinstr_core.text import is_storable

_WHOLLY_FOREIGN = 0.8  # above this share of foreign letters a page is in another language, not mixed

# What a measure above its limit is called, in the order in which a reader would name it.
_REASONS_ABOVE = {
    "link_share": "links",
    "markup_share": "markup",
    "symbol_share": "symbols",
    "digit_share": "digits",
    "menu_share": "menu",
    "bare_line_share": "bare_lines",
    "spaced_mark_share": "spaced_punctuation",
    "repeated_line_share": "repeated_lines",
    "repeated_phrase_share": "repeated_phrases",
}
_OF_THE_PAGE = ("links", "markup", "spaced_punctuation")  # a piece of such a page is no better than the page


@dataclass(frozen=True)
class DocumentFilter:
    """Judges the records of one language, each by itself: the same record gives the same outcome, wherever it stands."""

    language: Language
    settings: CorpusSettings
    pack: LanguagePack = NO_PACK
    evaluation: EvaluationIndex | None = None
    voter: ModelVoter | None = None
    lists: RefuseLists = NO_LISTS
    filters: tuple[LearnedFilter, ...] = ()

    def judge(self, record: Record) -> Iterator[Document | Reject]:
        """The documents and rejects that a record gives; what a table shows of a reject is masked there (rows.py)."""
        text = record.values.get("text")
        if not isinstance(text, str) or not text.strip():
            yield Reject(record.place, "no_text", str(record.values)[:EXCERPT_CHARACTERS], type(text).__name__, "text")
            return
        if not all(is_storable(_string(record, field)) for field in ("text", "source", "url", "licence")):
            excerpt = text[:EXCERPT_CHARACTERS].encode("utf-8", "replace").decode().replace("\x00", "?")
            yield Reject(record.place, "not_text", excerpt, "NUL or lone surrogate")
            return
        page, repaired = self._repaired(text)
        spans, personal = self._cut(page)
        whole = len(spans) == 1 and not personal
        foreign = ForeignParts(page, self.identifier)
        if reason := self._unfit_page(record, page, whole, foreign):
            yield Reject(record.place, reason[0], page[:EXCERPT_CHARACTERS], *reason[1:])
            return
        if personal:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(k for k, _ in personal).items()))
            first = page[slice(*personal[0][1])]
            yield Reject(record.place, "personal_data", first[:EXCERPT_CHARACTERS], kinds)
        for start, end in spans:
            place = record.place if whole else f"{record.place}[{start}:{end}]"
            judged = self._judge_span(record, place, page[start:end], start, foreign)
            yield replace(judged, repaired=repaired) if isinstance(judged, Document) else judged

    def _cut(self, page: str) -> tuple[list[Span], list[tuple[str, Span]]]:
        """Spans of a page, and the kind and place of all personal data that it was cut around.

        What is too short between two such places goes with them: it is no reject of its own.
        """
        shortest, longest = self.settings.span_bounds
        if not self.settings.refuse_personal_data:
            return [*cut_spans(page, shortest, longest)], []
        around = cut_around(page)
        spans = [
            (first + start, first + end)
            for first, last in around.stretches
            for start, end in cut_spans(page[first:last], shortest, longest)
        ]
        if around.found:
            spans = [(start, end) for start, end in spans if end - start >= shortest]
        return spans, around.found

    def _repaired(self, text: str) -> tuple[str, bool]:
        """The text with its mojibake undone, where that is asked for, and whether that changed it."""
        fixed = with_encoding_repaired(text) if self.settings.repair_mojibake else text
        return fixed, fixed != text

    def _unfit_page(self, record: Record, text: str, whole: bool, foreign: ForeignParts) -> tuple[str, str, str] | None:
        """(reason, value, threshold) of what condemns a page as a whole."""
        licence, accepted = self._licence(record), self.settings.licences
        if accepted and plain_name(licence) not in map(plain_name, accepted):
            return "licence", licence, ", ".join(accepted)
        if listed := self.lists.find((_string(record, "url"), _string(record, "source")), text):
            return listed
        if found := damage(text, self.language.script):
            return found
        if cue := machine_cue(text, self.language.tag):
            return cue[0], cue[1], ""
        if whole:
            return None  # as one span its own checks say it all
        features = measure(text, self.language.script, self._stop_words)
        if (reason := self._beyond(features)) and reason[0] in _OF_THE_PAGE:
            return reason
        return self._too_foreign(*foreign.share(0, len(text)))

    def _too_foreign(self, share: float, language: str) -> tuple[str, str, str] | None:
        """(reason, value, threshold) of a text of which too much is in other languages, most of that in this one."""
        limit = self.pack.maximum.foreign_share
        if share <= limit:
            return None
        reason = "wrong_language" if share > _WHOLLY_FOREIGN else "mixed_language"
        return reason, f"{language} in {share:.2f} of its letters", str(limit)

    def _judge_span(
        self, record: Record, place: str, text: str, start: int, foreign: ForeignParts
    ) -> Document | Reject:
        def reject(reason: str, value: object, threshold: object) -> Reject:
            shown = f"{value:.3f}" if isinstance(value, float) else str(value)
            return Reject(place, reason, text[:EXCERPT_CHARACTERS], shown, str(threshold))

        settings, pack, language = self.settings, self.pack, self.language
        if len(text) < settings.minimum_characters:
            return reject("too_short", len(text), settings.minimum_characters)
        features = measure(text, language.script, self._stop_words)
        if beyond := self._beyond(features):
            return reject(*beyond)
        if features.script_share < pack.minimum.script_share:
            return reject("wrong_script", features.script_share, f"{pack.minimum.script_share} {language.script}")
        identified = self.identifier.identify(text)
        score = self._score(identified, text)
        if score < self._minimum_score:
            found = f"{identified.best} {identified.probability:.2f}"
            return reject("wrong_language", found, f"{language.tag} {self._minimum_score}")
        if too_foreign := self._too_foreign(*foreign.share(start, start + len(text))):
            return reject(*too_foreign)
        if features.stop_word_share < pack.minimum.stop_word_share:
            return reject("no_stop_words", features.stop_word_share, pack.minimum.stop_word_share)
        if features.cohesion_share < pack.minimum.cohesion_share:
            return reject("unrelated_sentences", features.cohesion_share, pack.minimum.cohesion_share)
        if self.evaluation and (name := self.evaluation.find(text)):
            return reject("evaluation_text", name, "")
        learned = verdict(text, self.filters)
        if learned and learned.is_refused:
            return ScoredReject.of(reject(learned.reason, learned.score, learned.threshold), learned)
        # Last, since it is said of a text of which nothing worse can be said.
        if len(text) > settings.maximum_characters:
            return reject("too_long_paragraph", len(text), settings.maximum_characters)
        return Document(
            doc_id=document_key(language.tag, text),
            text=text,
            source=_string(record, "source"),
            url=_string(record, "url"),
            licence=self._licence(record),
            place=place,
            span_start=start,
            span_end=start + len(text),
            n_chars=len(text),
            repaired=False,
            lid_label=identified.label,
            lid_score=round(score, 4),
            features=features,
            learned_filter=learned.name if learned else None,
            learned_score=learned.score if learned else None,
        )

    def _score(self, identified: Identification, text: str) -> float:
        """The language's score, the mean over the voters that know it; where they cannot tell it, the further one's alone."""
        score = self.identifier.score(identified)
        if self.voter is None:
            return score
        known = 0 if self.identifier.stand_ins else self.identifier.voters
        return (known * score + self.voter.score(text)) / (known + 1)

    def _beyond(self, features: Features) -> tuple[str, str, str] | None:
        """The first measure above its limit: (reason, value, threshold)."""
        for name, reason in _REASONS_ABOVE.items():
            value, limit = getattr(features, name), getattr(self.pack.maximum, name)
            if value > limit:
                return reason, f"{value:.3f}", str(limit)
        return None

    def _licence(self, record: Record) -> str:
        return _string(record, "licence") or self.language.licence or UNKNOWN_LICENCE

    @cached_property
    def _stop_words(self) -> frozenset[str]:
        return frozenset(self.pack.stop_words)

    @cached_property
    def identifier(self) -> Identifier:
        return Identifier(self.language.tag, self.language.identified_as, self.pack.taught)

    @cached_property
    def _minimum_score(self) -> float:
        own = self.language.minimum_language_score
        return self.pack.minimum.language_score if own is None else own


def _string(record: Record, field: str) -> str:
    value = record.values.get(field)
    return value if isinstance(value, str) else ""
