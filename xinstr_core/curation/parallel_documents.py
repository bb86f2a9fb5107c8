"""Seeds from parallel documents: a model writes the instruction of the English side, the translation is the response.

For languages in which nobody wrote instructions and answers, but people translated: a reverse model that learned from
English pairs knows English texts, and what it asks of one its translation answers too. MURI (Koeksal et al. 2024) has a
machine translate the text for the same purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import regex

from xinstr_core.corpus.identification import UNKNOWN
from xinstr_core.corpus.readers import Record, Reject, read_records
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.gains import measure_gains
from xinstr_core.curation.reverse import try_instructions
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key, normalised
from xinstr_core.languages import Language
from xinstr_core.licences import UNKNOWN_LICENCE
from xinstr_core.progress import Progress
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import ACCEPTED, GAINS, RAW
from xinstr_core.seeds import SeedPair, response_language
from xinstr_core.settings import GenerationSettings, ReverseModelSettings
from xinstr_core.text import is_storable
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

# Characters of one side a character of the other, at most. 3,622 documents that people translated into twelve languages:
# 1.82 at most (Pratham Books stories in Hindi). Chinese writes a word with two.
_MOST_UNEQUAL = 2.5
_MOST_UNEQUAL_CHINESE = 6.0
# Translators keep numbers: of documents with numbers on both sides 0.97 to 1.00 share one, in twelve such languages; of
# the same files shifted by a line 0.05 to 0.38.
_SHARING_NUMBERS = 0.8
_NUMBERED = 10  # documents, of fewer nothing is said
_NUMBER = regex.compile(r"\p{Nd}{2,}")  # a digit alone is anywhere


@dataclass(frozen=True)
class ParallelDocument:
    """A text of the language and the English text that it is a translation of, or the other way round."""

    place: str
    english: str
    text: str
    source: str
    licence: str

    @property
    def key(self) -> str:
        return content_key("parallel", normalised(self.english), normalised(self.text))


def read_parallel_documents(path: Path, language: Language) -> Iterator[ParallelDocument | Reject]:
    """Every record of a file once, with `text_en` and `text`: a document, or a reject with its reason."""
    seen = dict[str, str]()
    for record in read_records(path):
        document = record if isinstance(record, Reject) else _document(record, language)
        if isinstance(document, ParallelDocument):
            key = normalised(document.text)
            if key in seen:
                excerpt = document.text[:EXCERPT_CHARACTERS]
                document = Reject(document.place, "duplicate", excerpt, document.key, seen[key])
            else:
                seen[key] = document.place
        yield document


def check_sides(path: Path, documents: Sequence[ParallelDocument]) -> None:
    """InputError where the two sides of a file do not belong together, by the numbers in them: a line may be shifted."""
    numbers = [(_numbers(document.english), _numbers(document.text)) for document in documents]
    shared = [not english.isdisjoint(text) for english, text in numbers if english and text]
    if len(shared) >= _NUMBERED and sum(shared) < _SHARING_NUMBERS * len(shared):
        raise InputError(
            f"{path}: of {len(shared)} documents with numbers on both sides {sum(shared)} share one, so text is not the "
            "translation of its text_en: are the sides shifted by a line?"
        )


def _numbers(text: str) -> set[int]:
    """In digits of whatever script."""
    return {int(found) for found in _NUMBER.findall(text)}


def parallel_seeds(
    engines: Engines,
    english: Sequence[Pair],
    documents: Sequence[ParallelDocument],
    language: Language,
    training: ReverseModelSettings,
    generation: GenerationSettings,
    folder: Path,
    progress: Progress,
) -> Iterator[SeedPair | Reject]:
    """A seed pair of every document, or the reason why its English side got no instruction.

    A reverse model is trained on the `english` pairs; of the instructions that it writes, the one that gains most from
    the English text is taken. `folder` holds what is done: killed and run again, it goes on.
    """
    reverse = prompt("reverse")
    examples = [Example(pair.key, reverse.render(text=pair.response), pair.instruction) for pair in english]
    adapter = train_adapter(engines, examples, training, folder / "adapter", progress=progress).folder
    model = engines.identity("reverse", f"{engines.base.fingerprint} {adapter_hash(adapter)}")
    load = engines.reverse(adapter)
    by_key = {document.key: document for document in documents}
    texts = {key: document.english for key, document in by_key.items()}
    log = RowLog.open(folder / RAW.name, RAW.schema)
    tried, _ = try_instructions(load, model, texts, generation, log, progress)
    accepted = [(one.key, texts[one.text], one.instruction) for one in tried if one.status == ACCEPTED]
    [(_, gains)] = measure_gains(
        load,
        model,
        [accepted],
        lambda given: given,
        RowLog.open(folder / GAINS.name, GAINS.schema),
        progress,
        maximum_failed_share=generation.maximum_failed_share,
    )
    gained = gains.values
    for name, of_document in groupby(tried, key=lambda one: one.text):
        document, found = by_key[name], list(of_document)
        usable = [one for one in found if one.key in gained]
        if usable:
            best = max(usable, key=lambda one: (gained[one.key], one.key))
            yield _seed(document, best.instruction, language.tag)
        else:
            statuses = ", ".join(sorted({one.status for one in found}))
            yield Reject(document.place, "no_instruction", document.english[:EXCERPT_CHARACTERS], statuses)


def _seed(document: ParallelDocument, instruction: str, language: str) -> SeedPair:
    return SeedPair(
        content_key("seed", language, normalised(instruction), normalised(document.text), "parallel"),
        instruction,
        document.text,
        document.source,
        document.licence,
        native=True,
        origin="parallel",
        original=document.english,
    )


def _document(record: Record, language: Language) -> ParallelDocument | Reject:
    english, text, source, licence = (_text(record, name) for name in ("text_en", "text", "source", "licence"))
    shown = text[:EXCERPT_CHARACTERS] if is_storable(text) else ""
    if not all(map(is_storable, (english, text, source, licence))):
        return Reject(record.place, "not_text", "", "NUL or lone surrogate")
    for name, value in (("text_en", english), ("text", text)):
        if not value:
            return Reject(record.place, f"no_{name}", shown)
    ratio = max(len(text), len(english)) / min(len(text), len(english))
    most = _MOST_UNEQUAL_CHINESE if language.script in ("Hans", "Hant") else _MOST_UNEQUAL
    if ratio > most:
        said = f"{len(english)} and {len(text)} characters"
        return Reject(record.place, "unequal_length", shown, said, f"{most:g} times as long")
    for side, wanted in ((english, "en"), (text, language.tag)):
        found = response_language(side, wanted)
        if found not in (wanted, UNKNOWN):  # the record says what voters leave open
            return Reject(record.place, "wrong_language", side[:EXCERPT_CHARACTERS], found, wanted)
    return ParallelDocument(record.place, english, text, source, licence or UNKNOWN_LICENCE)


def _text(record: Record, field: str) -> str:
    value = record.values.get(field)
    return value.strip() if isinstance(value, str) else ""
