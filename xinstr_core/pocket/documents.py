"""Documents of the pocket world: clean ones with known gold, and planted junk of named kinds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from xinstr_core.pocket.templates import Templates, load_templates

MINIMUM_CHARACTERS = 200
MAXIMUM_CHARACTERS = 1500


@dataclass(frozen=True)
class Topic:
    """What a text is about: the oracle reads it back from any text."""

    language: str
    intent: str
    subject: str


def fill(templates: Templates, sentence: str, intent: str, subject: str, rng: random.Random) -> str:
    """One sentence with its slots filled. Fillers stand unchanged: the sentences are worded for that."""
    return sentence.format(
        subject=templates.quoted(subject),
        item=rng.choice(templates.intents[intent].items),
        number=rng.randint(2, 90),
        place=rng.choice(templates.places),
        person=rng.choice(templates.people),
    )


def write_document(topic: Topic, rng: random.Random, details: tuple[int, int] = (3, 7)) -> str:
    """A document of an opening, `details` (from, to) detail sentences in their order, and a closing."""
    templates = load_templates(topic.language)
    intent = templates.intents[topic.intent]
    count = rng.randint(*details)
    while True:
        chosen = sorted(rng.sample(range(len(intent.details)), count))
        sentences = [rng.choice(intent.openings), *(intent.details[i] for i in chosen), rng.choice(intent.closings)]
        text = " ".join(fill(templates, sentence, intent.name, topic.subject, rng) for sentence in sentences)
        if len(text) >= MINIMUM_CHARACTERS or count == len(intent.details):
            return text
        count += 1


def write_instruction(topic: Topic, language: str, rng: random.Random) -> str:
    """One of the requests, in `language`, that a document about `topic` answers."""
    template = rng.choice(load_templates(language).intents[topic.intent].instructions)
    return template.format(subject=load_templates(topic.language).quoted(topic.subject))


def draw_topics(
    language: str, count: int, rng: random.Random, *, held_out: bool = False, without: Sequence[Topic] = ()
) -> list[Topic]:
    """`count` topics spread evenly over the intents, subjects in random order without early repeats."""
    left_out = set(without)
    queues = []
    for name, intent in load_templates(language).intents.items():
        topics = [Topic(language, name, s) for s in (intent.held_out if held_out else intent.train)]
        queues.append([topic for topic in topics if topic not in left_out])
    if not any(queues):
        raise ValueError(f"no topic left in {language!r}")
    drawn: list[Topic] = []
    while len(drawn) < count:
        for queue in queues:
            rng.shuffle(queue)
        for round_ in range(max(map(len, queues))):
            drawn += [queue[round_] for queue in queues if round_ < len(queue)]
    drawn = drawn[:count]
    rng.shuffle(drawn)
    return drawn
