"""The oracle of the pocket world: reads any text back to what it is about, so that generated text is judged exactly."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from xinstr_core.pocket.documents import Topic
from xinstr_core.pocket.templates import POCKET_LANGUAGES, Templates, load_templates

_SENTENCE_END = re.compile(r"(?<=[.!?।۔])\s+")
_THAI_SENTENCE_END = re.compile(r"\s+")  # Thai sentences of the world hold no spaces


@dataclass(frozen=True)
class Reading:
    """What the oracle read. `share` is the part of the sentences that are sentences of this intent and language."""

    topic: Topic
    share: float


@cache
def _patterns(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    templates = load_templates(language)
    return tuple(
        (intent.name, _pattern(templates, sentence))
        for intent in templates.intents.values()
        for sentence in intent.sentences
    )


@cache
def _instruction_patterns(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    templates = load_templates(language)
    return tuple(
        (intent.name, _pattern(templates, sentence))
        for intent in templates.intents.values()
        for sentence in intent.instructions
    )


def _pattern(templates: Templates, sentence: str) -> re.Pattern[str]:
    """A sentence as a regular expression. Other slots than the subject match anything short."""
    parts = re.split(r"(\{\w+\})", sentence)
    expressions = {"{subject}": "(?P<subject>.{1,80}?)", "{number}": r"\d+"}
    return re.compile("".join(expressions.get(p, ".{1,60}?") if p.startswith("{") else re.escape(p) for p in parts))


def read_document(text: str, likely: str) -> Reading | None:
    """What a document is about: majority intent, and the subject it names most. None when no sentence is known.

    `likely` is tried first; the other languages of the world and English follow.
    """
    for language in (likely, *(tag for tag in (*POCKET_LANGUAGES, "en") if tag != likely)):
        reading = _read_in(text, language)
        if reading is not None:
            return reading
    return None


def _read_in(text: str, language: str) -> Reading | None:
    ends = _THAI_SENTENCE_END if language == "th" else _SENTENCE_END
    sentences = [sentence for sentence in ends.split(text.strip()) if sentence]
    intents: Counter[str] = Counter()
    subjects: dict[str, Counter[str]] = {}
    for sentence in sentences:
        for intent, pattern in _patterns(language):
            if match := pattern.fullmatch(sentence):
                intents[intent] += 1
                if subject := match.groupdict().get("subject"):
                    subjects.setdefault(intent, Counter())[_unquoted(subject, language)] += 1
                break
    if not intents:
        return None
    intent, count = intents.most_common(1)[0]
    subject = subjects[intent].most_common(1)[0][0] if intent in subjects else ""
    return Reading(Topic(language, intent, subject), count / len(sentences))


def read_instruction(text: str, language: str, written_in: str = "en") -> Topic | None:
    """What an instruction about a text in `language` asks for. None when it is no instruction of the world."""
    for intent, pattern in _instruction_patterns(written_in):
        if match := pattern.fullmatch(text.strip()):
            return Topic(language, intent, _unquoted(match["subject"], language))
    return None


def _unquoted(subject: str, language: str) -> str:
    opening, closing = load_templates(language).quotes
    return subject.removeprefix(opening).removesuffix(closing)
