"""Seed pairs: (English instruction, response), checked, with where each came from.

They are read in the layouts of `seed_layouts`. Which side is in which language is found out, not believed; of a request it
is what is asked that counts: the text that it is asked about stays as it is, in whatever language.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import regex

from xinstr_core.corpus.identification import UNKNOWN, Identifier
from xinstr_core.corpus.readers import Reject, read_records
from xinstr_core.corpus.rows import EXCERPT_CHARACTERS
from xinstr_core.engines.translators import Translation
from xinstr_core.identity import content_key, normalised
from xinstr_core.licences import UNKNOWN_LICENCE
from xinstr_core.schemas.seed_pairs import Origin
from xinstr_core.seed_fields import Exchange
from xinstr_core.seed_layouts import exchanges
from xinstr_core.text import ENGLISH_FUNCTION_WORDS, is_storable

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
    """A pair of which one part has to be translated: what is asked into English, or the response into the language."""

    exchange: Exchange
    part: Literal["instruction", "response"]

    @property
    def place(self) -> str:
        return self.exchange.place

    @property
    def text(self) -> str:
        return self.exchange.request if self.part == "instruction" else self.exchange.response


def read_seeds(
    path: Path, language: str, called: Collection[str] = (), *, translate_responses: bool = False
) -> Iterator[SeedPair | Untranslated | Reject]:
    """Every record of a file once: a pair, a pair that needs translation, or a reject with its reason.

    `called` are further names and codes of the language, by which records of many languages are told apart. English
    responses stay as they are unless they are to be translated.
    """
    names = {name.casefold() for name in (language, *called)}
    seen: dict[str, str] = {}
    for found in exchanges(read_records(path)):
        if isinstance(found, Reject):
            yield found
            continue
        if found.said and not _is_called(found.said, names):
            yield Reject(found.place, "other_language", "", found.said[:EXCERPT_CHARACTERS], language)
            continue
        key = _content(language, found.asked(), found.response)
        if key in seen:
            yield Reject(found.place, "duplicate", found.request[:EXCERPT_CHARACTERS], key, seen[key])
            continue
        outcome = _judged(found, language, translate_responses)
        if not isinstance(outcome, Reject):  # what was refused may stand once more, with what it lacked
            seen[key] = found.place
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


def _judged(found: Exchange, language: str, translate_responses: bool) -> SeedPair | Untranslated | Reject:
    place, request, response = found.place, found.request, found.response
    answered = response_language(response, language)
    if answered == UNKNOWN and found.said:
        answered = language  # of an answer of one word or number there is only what the record says
    if answered not in (language, "en"):
        return Reject(place, "wrong_language", response[:EXCERPT_CHARACTERS], answered, f"{language} or en")
    asked = _instruction_language(request, language)
    if asked not in ("en", answered):
        wanted = "en" if answered == "en" else f"en or {language}"
        return Reject(place, "wrong_language", request[:EXCERPT_CHARACTERS], f"instruction in {asked}", wanted)
    native = answered == language
    if asked != "en":
        return Untranslated(found, "instruction")
    if not native and translate_responses:
        return Untranslated(found, "response")
    origin: Origin = "native" if native else "english"
    return _pair(_content(language, found.asked(), response), found, found.asked(), response, origin)


def _pair(key: str, found: Exchange, instruction: str, response: str, origin: Origin, **translated: str) -> SeedPair:
    native = origin in ("native", "native_instruction_translated")
    return SeedPair(
        key, instruction, response, found.source, found.licence or UNKNOWN_LICENCE, native, origin, **translated
    )


def _translated(one: Untranslated, translation: Translation, language: str, translator: str) -> SeedPair | Reject:
    text = translation.text.strip()
    if reason := _fault(one, translation, text, language):
        return Reject(one.place, reason[0], one.text[:EXCERPT_CHARACTERS], *reason[1:])
    of_instruction = one.part == "instruction"
    instruction = one.exchange.asked(text if of_instruction else None)
    response = one.exchange.response if of_instruction else text
    return _pair(
        content_key("seed", language, normalised(instruction), normalised(response), translator),
        one.exchange,
        instruction,
        response,
        "native_instruction_translated" if of_instruction else "response_translated",
        original=one.text,
        translator=translator,
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
    identifier = Identifier(language)
    identified = identifier.identify(text)
    is_own = identifier.score(identified) >= 0.5 if identifier.knows else identified.label != "en"
    return language if is_own else identified.label


def _instruction_language(text: str, language: str) -> str:
    """`en`, the language, or a third one that is beyond doubt.

    Instructions are short and carry names of the language: function words of English say more than letters do.
    """
    found = _WORD.findall(text.casefold())
    if found and sum(word in ENGLISH_FUNCTION_WORDS for word in found) / len(found) >= _ENGLISH_SHARE:
        return "en"
    identifier = Identifier(language)
    identified = identifier.identify(text)
    third = identified.label not in (UNKNOWN, "en", *identifier.look_alikes)
    if third and identified.probability >= _SURE and identifier.knows:
        return identified.label
    own, english = identified.of(identifier.own | identifier.stand_ins), identified.of({"en"})
    return "en" if (english > own if identifier.knows else identified.best == "en") else language


def _is_called(said: str, names: set[str]) -> bool:
    """Whether a record's language or code is this one; of codes such as swh_Latn the first part."""
    said = said.casefold()
    return said in names or regex.split("[_-]", said)[0] in names


def _content(language: str, instruction: str, response: str) -> str:
    return content_key("seed", language, normalised(instruction), normalised(response))
