"""Seed pairs: (English instruction, response), checked, with where each came from.

Two layouts are read, each record told by its fields: `instruction` and `response`; and that of the Aya data
(Singh et al. 2024, arXiv 2402.06619), `inputs` and `targets` with `language`, `language_code` and `annotation_type`,
where people wrote both in one language. Which side is in which language is found out, not believed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import regex

from xinstr_core.corpus.identification import UNKNOWN, identify, knows, shares_group
from xinstr_core.corpus.readers import Record, Reject, read_records
from xinstr_core.engines.translators import Translation
from xinstr_core.identity import content_key, normalised
from xinstr_core.schemas.seed_pairs import Origin
from xinstr_core.text import ENGLISH_FUNCTION_WORDS, is_storable

EXCERPT_CHARACTERS = 200

_WORD = regex.compile(r"[\p{L}\p{M}]+")
_ENGLISH_SHARE = 0.2  # of function words among the words of an instruction; measured by tests/core/test_seeds.py
_SURE = 0.9  # of an instruction's language; short texts are identified badly


@dataclass(frozen=True)
class SeedPair:
    """`native`: the response is in the language and no machine translated it. `original` is the text before translation."""

    pair_id: str
    instruction: str
    response: str
    source: str
    licence: str
    native: bool
    origin: Origin
    original: str | None = None
    translator: str | None = None


@dataclass(frozen=True)
class Untranslated:
    """A pair of which one part has to be translated: an instruction into English, or a response into the language."""

    place: str
    instruction: str
    response: str
    source: str
    licence: str
    part: Literal["instruction", "response"]

    @property
    def text(self) -> str:
        return self.instruction if self.part == "instruction" else self.response


def read_seeds(
    path: Path, language: str, called: Collection[str] = (), *, translate_responses: bool = False
) -> Iterator[SeedPair | Untranslated | Reject]:
    """Every record of a file once: a pair, a pair that needs translation, or a reject with its reason.

    `called` are further names and codes of the language, by which records of many languages are told apart. English
    responses stay as they are unless they are to be translated.
    """
    names = {name.casefold() for name in (language, *called)}
    seen: dict[str, str] = {}
    for record in read_records(path):
        fields = record if isinstance(record, Reject) else _fields(record, language, names)
        if isinstance(fields, Reject):
            yield fields
            continue
        key = _content(language, fields.instruction, fields.response)
        if key in seen:
            yield Reject(record.place, "duplicate", fields.instruction[:EXCERPT_CHARACTERS], key, seen[key])
            continue
        outcome = _judged(fields, language, translate_responses)
        if not isinstance(outcome, Reject):  # what was refused may stand once more, with what it lacked
            seen[key] = record.place
        yield outcome


def translated_seeds(
    pending: Sequence[Untranslated],
    translations: Iterable[Translation],
    kept: Iterable[SeedPair],
    language: str,
    translator: str,
) -> Iterator[SeedPair | Reject]:
    """Each pending pair with its translation, or the reason against it. What repeats a kept pair is a duplicate."""
    seen = {_content(language, pair.instruction, pair.response): pair.pair_id for pair in kept}
    for one, translation in zip(pending, translations, strict=True):
        outcome = _translated(one, translation, language, translator)
        if isinstance(outcome, SeedPair):
            key = _content(language, outcome.instruction, outcome.response)
            if key in seen:
                outcome = Reject(one.place, "duplicate", outcome.instruction[:EXCERPT_CHARACTERS], seen[key])
            else:
                seen[key] = outcome.pair_id
        yield outcome


def untranslated(pending: Untranslated, language: str) -> Reject:
    """The reject of a pair that needs translation where no translator is set."""
    excerpt = pending.text[:EXCERPT_CHARACTERS]
    return Reject(
        pending.place, "needs_translation", excerpt, f"{pending.part} in {language}", "seeds.translator is not set"
    )


@dataclass(frozen=True)
class _Fields:
    """What a record says, in either layout. `is_labelled`: it names its language, and it is this one."""

    place: str
    instruction: str
    response: str
    source: str
    licence: str
    is_labelled: bool


def _fields(record: Record, language: str, names: set[str]) -> _Fields | Reject:
    # By what has a value: tables put together from both layouts have all four columns.
    aya = not any(record.values.get(field) for field in ("instruction", "response"))
    aya = aya and bool(record.values.keys() & {"inputs", "targets"})
    wanted = ("inputs", "targets") if aya else ("instruction", "response")
    values = [_text(record, field) for field in (*wanted, "source", "licence", "annotation_type")]
    if not all(is_storable(value) for value in values):
        return Reject(record.place, "not_text", "", "NUL or lone surrogate")
    instruction, response, source, licence, annotation = values
    said = (_text(record, "language_code") or _text(record, "language")) if aya else ""
    if said and not _is_called(said, names):
        shown = said[:EXCERPT_CHARACTERS] if is_storable(said) else ""
        return Reject(record.place, "other_language", "", shown, language)
    if not instruction or not response:
        missing = "instruction" if not instruction else "response"
        return Reject(record.place, f"no_{missing}", _excerpt(record))
    return _Fields(record.place, instruction, response, source or annotation, licence or "unknown", bool(said))


def _judged(fields: _Fields, language: str, translate_responses: bool) -> SeedPair | Untranslated | Reject:
    place, instruction, response = fields.place, fields.instruction, fields.response
    answered = response_language(response, language)
    if answered == UNKNOWN and fields.is_labelled:
        answered = language  # of an answer of one word or number there is only what the record says
    if answered not in (language, "en"):
        return Reject(place, "wrong_language", response[:EXCERPT_CHARACTERS], answered, f"{language} or en")
    asked = _instruction_language(instruction, language)
    if asked not in ("en", answered):
        wanted = "en" if answered == "en" else f"en or {language}"
        return Reject(place, "wrong_language", instruction[:EXCERPT_CHARACTERS], f"instruction in {asked}", wanted)
    native = answered == language
    if asked != "en":
        return Untranslated(place, instruction, response, fields.source, fields.licence, "instruction")
    if not native and translate_responses:
        return Untranslated(place, instruction, response, fields.source, fields.licence, "response")
    key = _content(language, instruction, response)
    origin: Origin = "native" if native else "english"
    return SeedPair(key, instruction, response, fields.source, fields.licence, native, origin)


def _translated(one: Untranslated, translation: Translation, language: str, translator: str) -> SeedPair | Reject:
    text = translation.text.strip()
    if reason := _fault(one, translation, text, language):
        return Reject(one.place, reason[0], one.text[:EXCERPT_CHARACTERS], *reason[1:])
    instruction, response = (text, one.response) if one.part == "instruction" else (one.instruction, text)
    native = one.part == "instruction"
    return SeedPair(
        content_key("seed", language, normalised(instruction), normalised(response), translator),
        instruction,
        response,
        one.source,
        one.licence,
        native,
        "native_instruction_translated" if native else "response_translated",
        one.text,
        translator,
    )


def _fault(one: Untranslated, translation: Translation, text: str, language: str) -> tuple[str, ...]:
    """Reason, value and threshold against a translation; nothing where it can be used."""
    if translation.error:
        return "translation_failed", translation.error
    if not is_storable(text):
        return "translation_failed", "NUL or lone surrogate"
    if not translation.finished:
        return "translation_cut_off", f"{len(text)} characters written", "seeds.maximum_new_tokens"
    if not text:
        return ("translation_empty",)
    if normalised(text) == normalised(one.text):
        return ("translation_copied",)
    to_english = one.part == "instruction"
    found = _instruction_language(text, language) if to_english else response_language(text, language)
    wanted = "en" if to_english else language
    return () if found == wanted else ("translation_wrong_language", f"{found}: {text[:EXCERPT_CHARACTERS]}", wanted)


def response_language(text: str, language: str) -> str:
    """The language itself, or what was found in its place. What no voter knows is the language unless it is English."""
    identified = identify(text)
    is_own = identified.of(language) >= 0.5 if knows(language) else identified.label != "en"
    return language if is_own else identified.label


def _instruction_language(text: str, language: str) -> str:
    """`en`, the language, or a third one that is beyond doubt.

    Instructions are short and carry names of the language: function words of English say more than letters do.
    """
    found = _WORD.findall(text.casefold())
    if found and sum(word in ENGLISH_FUNCTION_WORDS for word in found) / len(found) >= _ENGLISH_SHARE:
        return "en"
    identified = identify(text)
    third = identified.label not in (UNKNOWN, "en") and not shares_group(identified.label, language)
    if third and identified.probability >= _SURE and knows(language):
        return identified.label
    own = identified.scores.get(language.split("-")[0], 0.0)
    english = identified.scores.get("en", 0.0)
    return "en" if (english > own if knows(language) else identified.best == "en") else language


def _is_called(said: str, names: set[str]) -> bool:
    """Whether a record's language or code is this one; of codes such as swh_Latn the first part."""
    said = said.casefold()
    return said in names or regex.split("[_-]", said)[0] in names


def _content(language: str, instruction: str, response: str) -> str:
    return content_key("seed", language, normalised(instruction), normalised(response))


def _excerpt(record: Record) -> str:
    excerpt = str(record.values)[:EXCERPT_CHARACTERS]
    return excerpt if is_storable(excerpt) else ""


def _text(record: Record, field: str) -> str:
    value = record.values.get(field)
    return value.strip() if isinstance(value, str) else ""
