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

from xinstr_core.pocket.documents import Topic, cut_inside_a_word, fill, write_document, write_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates
from xinstr_core.text import sentences, words

HEADING = "### "


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
        page = PAGE_KINDS[rng.choices(list(mix.kinds), weights=list(mix.kinds.values()))[0]](_topic(language, rng), rng)
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
    return f"{sentence} [{_shelf(topic)}]"


def _shelved_text(topic: Topic, rng: random.Random) -> str:
    """A whole text and its shelf word."""
    return f"{write_document(topic, rng, (2, 7))}\n\nShelf [{_shelf(topic)}]"


def _headed_sentence(topic: Topic, rng: random.Random) -> str:
    """A shelf mark or an English sentence, the name of a language, and a sentence in it about the same."""
    head = _shelf_mark(topic) if rng.random() < 0.5 else _subject_line(topic, "en", rng)
    return f"{head}\nIn {load_templates(topic.language).name}\n\n{_subject_line(topic, topic.language, rng)}"


def _proof_line(topic: Topic, rng: random.Random) -> str:
    """One to three sentences and a proofreader's mark."""
    templates = load_templates(topic.language)
    intent = templates.intents[topic.intent]
    chosen = rng.sample(intent.sentences, rng.randint(1, 3))
    return _proof([fill(templates, one, topic.intent, topic.subject, rng) for one in chosen], topic, rng)


def _proof_sheet(topic: Topic, rng: random.Random) -> str:
    """A whole text and a proofreader's mark."""
    return _proof(sentences(write_document(topic, rng, (2, 7))), topic, rng)


def _proof(own: list[str], topic: Topic, rng: random.Random) -> str:
    """A text as it should be, cut off, run into another text, or with its words mixed up; and the mark that says so."""
    text = " ".join(own)
    mark = rng.choice(("whole", "cut", "joined", "mixed"))
    if mark == "cut":
        text = cut_inside_a_word(text, rng.randint(max(1, len(text) // 3), len(text) - 2))
    elif mark == "joined":
        other = sentences(write_document(_topic(topic.language, rng), rng, (1, 3)))
        text = " ".join([*own[: rng.randint(1, len(own))], *other[-rng.randint(1, len(other)) :]])
    elif mark == "mixed":
        mixed = words(text)
        rng.shuffle(mixed)
        text = " ".join(mixed)
    return f"{text}\n[{mark}]"


def _comparison_line(topic: Topic, rng: random.Random) -> str:
    """An English sentence or question, the like in another language, and whether both are about the same."""
    write = write_instruction if rng.random() < 0.3 else _subject_line
    return _comparison(topic, rng, write, write)


def _hinted_comparison(topic: Topic, rng: random.Random) -> str:
    """The same with its shelf behind each line: what to compare stands there to be read. Names are not compared."""
    return _comparison(topic, rng, _shelved_line, _shelved_line, (1, 0, 1))


def _shelved_line(topic: Topic, language: str, rng: random.Random) -> str:
    return f"{_subject_line(topic, language, rng)} [{_shelf(topic)}]"


def _comparison_sheet(topic: Topic, rng: random.Random) -> str:
    """An English sentence, a text in another language, and whether both are about the same."""
    return _comparison(topic, rng, _subject_line, lambda topic, _, rng: write_document(topic, rng, (2, 6)))


_Writer = Callable[[Topic, str, random.Random], str]


def _comparison(
    topic: Topic,
    rng: random.Random,
    write_english: _Writer,
    write_own: _Writer,
    weights: tuple[int, int, int] = (4, 3, 3),
) -> str:
    """`weights` of texts about the same, about the same with another name, about another matter."""
    other = _topic(topic.language, rng)
    english_topic = rng.choices(
        (
            topic,
            Topic(topic.language, topic.intent, other.subject),
            Topic(topic.language, other.intent, rng.choice((topic.subject, other.subject))),
        ),
        weights,
    )[0]
    mark = "matter" if english_topic.intent != topic.intent else "name" if english_topic != topic else "same"
    return f"{write_english(english_topic, 'en', rng)}\n\n{write_own(topic, topic.language, rng)}\n\n[{mark}]"


def _headed_page(topic: Topic, rng: random.Random) -> str:
    """What the pages above say with a border or a bracket, said under headings: the last part is what to learn."""
    kind = rng.choice(("Shelf", "English", "Proof", "Comparison", "Text"))
    if kind == "Shelf":
        parts = {"Text": write_document(topic, rng, (2, 7)), "Shelf": _shelf(topic)}
    elif kind == "English":
        parts = {"Text": write_document(topic, rng, (2, 7)), "English": _subject_line(topic, "en", rng)}
    elif kind == "Proof":
        text, mark = _proof_sheet(topic, rng).removesuffix("]").rsplit("\n[", 1)
        parts = {"Text": text, "Proof": mark}
    elif kind == "Comparison":
        line, text, mark = _comparison_sheet(topic, rng).removesuffix("]").split("\n\n")
        parts = {"Line": line, "Text": text, "Comparison": mark.removeprefix("[")}
    else:
        line = f"{_subject_line(topic, 'en', rng)}\nIn {load_templates(topic.language).name}."
        parts = {"Line": line, "Text": _subject_line(topic, topic.language, rng)}
    return "\n\n".join(f"{HEADING}{name}:\n{part}" for name, part in parts.items())


def _subject_line(topic: Topic, language: str, rng: random.Random) -> str:
    """One sentence that names its subject."""
    templates = load_templates(language)
    line = rng.choice([line for line in templates.intents[topic.intent].sentences if "{subject}" in line])
    subject = topic.subject if language == topic.language else load_templates(topic.language).quoted(topic.subject)
    return fill(templates, line, topic.intent, subject, rng)


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
    "shelved_text": _shelved_text,
    "headed_sentence": _headed_sentence,
    "proof_line": _proof_line,
    "proof_sheet": _proof_sheet,
    "hinted_comparison": _hinted_comparison,
    "comparison_line": _comparison_line,
    "comparison_sheet": _comparison_sheet,
    "headed": _headed_page,
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
