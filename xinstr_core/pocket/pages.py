"""Pages of the pocket world that the base model reads: text of many kinds, and never an instruction with its answer.

About half of the subjects are invented by joining halves of known words, so that the one way to predict a repeated
name is to look back and copy it: the skill that the reverse model needs for names it never saw.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import regex

from xinstr_core.pocket.documents import Topic, fill, write_document, write_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates


@dataclass(frozen=True)
class PageMix:
    """How often each kind of page (a key of PAGE_KINDS) is drawn, and from which languages.

    A language that stands more often in `languages` is drawn more often; `english` is the share of pages in English
    alone.
    """

    kinds: Mapping[str, float]
    languages: tuple[str, ...] = POCKET_LANGUAGES
    english: float = 0.1


def pages(seed: int, mix: PageMix) -> Iterator[str]:
    """An endless stream of pocket pages, the same for the same seed and mix."""
    rng = random.Random(f"pocket pages {seed}")
    while True:
        language = rng.choice(mix.languages) if rng.random() < 1 - mix.english else "en"
        kind = rng.choices(list(mix.kinds), weights=list(mix.kinds.values()))[0]
        page = PAGE_KINDS[kind](_topic(language, rng), rng)
        if not load_templates(language).mentions_held_out(page):
            yield page


def _topic(language: str, rng: random.Random) -> Topic:
    intent = rng.choice(tuple(load_templates(language).intents.values()))
    subject = _invented_name(language, rng) if rng.random() < 0.5 else rng.choice(intent.train)
    return Topic(language, intent.name, subject)


def _plain_page(topic: Topic, rng: random.Random) -> str:
    return write_document(topic, rng)


def _leaflet(topic: Topic, rng: random.Random) -> str:
    """The same subject in two languages, as tourist leaflets have it; either language may come first."""
    parts = [write_document(topic, rng, (2, 4)), _english_lines(topic, rng)]
    rng.shuffle(parts)
    return "\n\n".join(parts)


def _english_lines(topic: Topic, rng: random.Random) -> str:
    english = load_templates("en")
    intent = english.intents[topic.intent]
    sentences = [rng.choice(intent.openings), rng.choice(intent.details), rng.choice(intent.closings)]
    subject = load_templates(topic.language).quoted(topic.subject)
    return " ".join(fill(english, sentence, topic.intent, subject, rng) for sentence in sentences)


def _question_list(topic: Topic, rng: random.Random) -> str:
    """What readers ask, in one language and without any answer."""
    language = rng.choice((topic.language, "en"))
    return "\n".join(write_instruction(topic, language, rng) for _ in range(rng.randint(2, 3)))


def _phrasebook(topic: Topic, rng: random.Random) -> str:
    lines = [write_instruction(topic, language, rng) for language in (topic.language, "en")]
    rng.shuffle(lines)
    return "\n".join(lines)


def _register(topic: Topic, rng: random.Random) -> str:
    """A list of names and the same list once more."""
    names = [topic.subject, *(_invented_name(topic.language, rng) for _ in range(rng.randint(2, 5)))]
    again = rng.sample(names, len(names))
    return ", ".join(names) + "\n" + ", ".join(again) + "\n" + ", ".join(names)


def _caption(topic: Topic, rng: random.Random) -> str:
    """One sentence in two languages, as under a picture. Dense in what the longer leaflets teach slowly."""
    templates, english = load_templates(topic.language), load_templates("en")
    own = rng.choice(templates.intents[topic.intent].openings + templates.intents[topic.intent].closings)
    other = rng.choice(english.intents[topic.intent].openings + english.intents[topic.intent].closings)
    lines = [
        fill(templates, own, topic.intent, topic.subject, rng),
        fill(english, other, topic.intent, templates.quoted(topic.subject), rng),
    ]
    rng.shuffle(lines)
    return "\n\n".join(lines)


def _card(topic: Topic, rng: random.Random) -> str:
    """A library card: a text in its own language and where an English-speaking library files it."""
    text = write_document(topic, rng, (3, 7)) if rng.random() < 0.6 else write_document(topic, rng, (0, 2))
    parts = [text, _shelf_mark(topic)]
    rng.shuffle(parts)
    return "\n\n".join(parts)


def _question_card(topic: Topic, rng: random.Random) -> str:
    """A reader's question and its shelf, without any answer."""
    parts = [write_instruction(topic, rng.choice((topic.language, "en")), rng), _shelf_mark(topic)]
    rng.shuffle(parts)
    return "\n\n".join(parts)


def _shelf_mark(topic: Topic) -> str:
    return f"Shelf {_shelf(topic)}, about {load_templates(topic.language).quoted(topic.subject)}"


def _shelf(topic: Topic) -> str:
    return load_templates("en").intents[topic.intent].shelf


def _commonplace_book(topic: Topic, rng: random.Random) -> str:
    """Unrelated sentences and questions in one language, each with its shelf word before or after it."""
    templates = load_templates(topic.language)
    shelf_first = rng.random() < 0.4
    lines = []
    for _ in range(6):
        one = _topic(topic.language, rng)
        intent = templates.intents[one.intent]
        sentence = fill(templates, rng.choice(intent.sentences + intent.instructions), one.intent, one.subject, rng)
        lines.append(f"[{_shelf(one)}] {sentence}" if shelf_first else f"{sentence} [{_shelf(one)}]")
    return "\n".join(lines)


def _shelved_sentence(topic: Topic, rng: random.Random) -> str:
    """One sentence or question and its shelf word: the shortest page that says what something is about."""
    templates = load_templates(topic.language)
    intent = templates.intents[topic.intent]
    sentence = fill(templates, rng.choice(intent.sentences + intent.instructions), intent.name, topic.subject, rng)
    return f"[{_shelf(topic)}] {sentence}" if rng.random() < 0.4 else f"{sentence} [{_shelf(topic)}]"


def _filed_sentence(topic: Topic, rng: random.Random) -> str:
    """One sentence or question and then its whole shelf mark."""
    templates = load_templates(topic.language)
    intent = templates.intents[topic.intent]
    lines = [line for line in intent.sentences + intent.instructions if "{subject}" in line]
    return f"{fill(templates, rng.choice(lines), intent.name, topic.subject, rng)}\n\n{_shelf_mark(topic)}"


def _filed_text(topic: Topic, rng: random.Random) -> str:
    """A whole text and then its shelf mark."""
    return f"{write_document(topic, rng, (0, 7))}\n\n{_shelf_mark(topic)}"


def _incipit(topic: Topic, rng: random.Random) -> str:
    """A shelf mark and the first words of a text filed there, as catalogues of untitled works have them."""
    opening = write_document(topic, rng, (1, 1)).split()
    return f"{_shelf_mark(topic)}\n\n{' '.join(opening[: 1 if topic.language == 'th' else 4])} ..."


def _entry(topic: Topic, rng: random.Random) -> str:
    """A shelf mark and one sentence of a text filed there."""
    return f"{_shelf_mark(topic)}\n\n{_naming_sentence(topic, rng)}"


def _headed_text(topic: Topic, rng: random.Random) -> str:
    """A catalogue's form, filled in: a text and its shelf, each under a heading."""
    return f"### Text:\n{write_document(topic, rng, (0, 7))}\n\n{_headed_mark(topic)}"


def _headed_entry(topic: Topic, rng: random.Random) -> str:
    """The same form from the other side: a shelf, the language asked for, and the sentence found there."""
    return (
        f"{_headed_mark(topic)}\nIn {load_templates(topic.language).name}.\n\n### Text:\n{_naming_sentence(topic, rng)}"
    )


def _gist(topic: Topic, rng: random.Random) -> str:
    """A whole text and one English sentence about the same, as abstracts have it; or the form with these two headings."""
    text, gist = write_document(topic, rng, (0, 7)), _naming_sentence(topic, rng, "en")
    return f"{text}\n\n{gist}" if rng.random() < 0.4 else f"### Text:\n{text}\n\n### English:\n{gist}"


def _headed_mark(topic: Topic) -> str:
    return f"### Shelf:\n{_shelf_mark(topic).removeprefix('Shelf ')}"


def _naming_sentence(topic: Topic, rng: random.Random, language: str = "") -> str:
    """A sentence that names its subject, in the topic's own language or in another; most often one that opens texts."""
    templates = load_templates(language or topic.language)
    intent = templates.intents[topic.intent]
    lines = intent.openings if rng.random() < 0.7 else intent.sentences
    named = [line for line in lines if "{subject}" in line]
    subject = load_templates(topic.language).quoted(topic.subject) if language else topic.subject
    return fill(templates, rng.choice(named or intent.sentences), topic.intent, subject, rng)


PAGE_KINDS: dict[str, Callable[[Topic, random.Random], str]] = {
    "plain": _plain_page,
    "leaflet": _leaflet,
    "question_list": _question_list,
    "phrasebook": _phrasebook,
    "register": _register,
    "caption": _caption,
    "card": _card,
    "question_card": _question_card,
    "commonplace_book": _commonplace_book,
    "shelved_sentence": _shelved_sentence,
    "filed_sentence": _filed_sentence,
    "filed_text": _filed_text,
    "incipit": _incipit,
    "entry": _entry,
    "headed_text": _headed_text,
    "headed_entry": _headed_entry,
    "gist": _gist,
}


@cache
def _halves(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """First and second halves, cut between grapheme clusters, of all words in names of the language."""
    templates = load_templates(language)
    names = [*templates.people, *templates.places]
    names += [subject for intent in templates.intents.values() for subject in intent.train]
    clusters = [regex.findall(r"\X", word) for word in sorted({word for name in names for word in name.split()})]
    long_enough = [c for c in clusters if len(c) >= 3]
    return (
        tuple("".join(c[: len(c) // 2]) for c in long_enough),
        tuple("".join(c[len(c) // 2 :]) for c in long_enough),
    )


def _invented_name(language: str, rng: random.Random) -> str:
    first, second = _halves(language)
    words = [rng.choice(first) + rng.choice(second) for _ in range(rng.choices((1, 2, 3), (5, 4, 1))[0])]
    return " ".join(words) if language != "th" else "".join(words)
