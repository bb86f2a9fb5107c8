"""Junk of the pocket world: what real corpora hold beside good documents, planted in known numbers.

The first kinds should fall at `raw_corpus`; the others are right in language and length, and only a rater of pairs
can tell them from good ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from xinstr_core.pocket.documents import Topic, draw_topics, fill, write_document
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates
from xinstr_core.text import sentences


def _navigation(topic: Topic, rng: random.Random) -> str:
    templates = load_templates(topic.language)
    words = [*templates.places, *templates.intents[topic.intent].items]
    return "\n".join(f"* [{word}] | >> {index}" for index, word in enumerate(rng.sample(words, 24)))


def _other_language(topic: Topic, rng: random.Random) -> str:
    other = rng.choice([language for language in (*POCKET_LANGUAGES, "en") if language != topic.language])
    return write_document(draw_topics(other, 1, rng)[0], rng)


def _too_short(topic: Topic, rng: random.Random) -> str:
    templates = load_templates(topic.language)
    return fill(templates, rng.choice(templates.intents[topic.intent].openings), topic.intent, topic.subject, rng)


def _price_table(topic: Topic, rng: random.Random) -> str:
    items = load_templates(topic.language).intents[topic.intent].items
    return "\n".join(
        f"{item} --- {rng.randint(2, 99)}.{rng.randint(10, 99)} / {rng.randint(100, 999)} (+{rng.randint(1, 9)} %)"
        for item in items
    )


def _truncated(topic: Topic, rng: random.Random) -> str:
    """Cut off inside a sentence."""
    text = write_document(topic, rng, (6, 9))
    cut = rng.randint(max(230, len(text) // 2), max(231, len(text) - 25))
    while text[cut - 1] in " .।۔" or text[cut] in " .।۔":  # inside a word: a cut at a border would leave a good text
        cut -= 1
    return text[:cut]


def _spliced(topic: Topic, rng: random.Random) -> str:
    """The beginning of one document and the end of another, as badly parsed pages have it."""
    other = next(t for t in draw_topics(topic.language, 24, rng) if t.intent != topic.intent)
    return f"{_half(write_document(topic, rng, (5, 7)), 0)} {_half(write_document(other, rng, (5, 7)), 1)}"


def _half(text: str, which: int) -> str:
    parts = sentences(text)
    middle = len(parts) // 2
    return " ".join(parts[:middle] if which == 0 else parts[middle:])


def _shuffled(topic: Topic, rng: random.Random) -> str:
    """The words of a document in random order (Thai: its clauses cut into runs of a few letters)."""
    text = write_document(topic, rng)
    words = text.split() if topic.language != "th" else re.findall(r"\S{1,7}", text)
    rng.shuffle(words)
    return " ".join(words)


def _boilerplate(topic: Topic, rng: random.Random) -> str:
    """A good document with a menu line in its middle: a flaw that no rating construction imitates."""
    places = load_templates(topic.language).places
    menu = " | ".join(rng.sample(places, 6))
    text = write_document(topic, rng, (5, 7))
    return f"{_half(text, 0)}\n{menu}\n{_half(text, 1)}"


def _near_duplicate(text: str, rng: random.Random) -> str:
    """The text with its numbers changed, as a re-posted page has it."""
    changed = re.sub(r"\d+", lambda _: str(rng.randint(2, 90)), text, count=1)
    return changed if changed != text else text + " 7"


JUNK: dict[str, tuple[int, Callable[[Topic, random.Random], str]]] = {
    "navigation": (6, _navigation),
    "other_language": (7, _other_language),
    "too_short": (6, _too_short),
    "price_table": (5, _price_table),
    "truncated": (28, _truncated),
    "spliced": (28, _spliced),
    "shuffled": (22, _shuffled),
    "boilerplate": (6, _boilerplate),
}
COPIES: dict[str, tuple[int, Callable[[str, random.Random], str]]] = {
    "exact_duplicate": (7, lambda text, rng: text),
    "near_duplicate": (7, _near_duplicate),
}
