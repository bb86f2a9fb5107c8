"""What a pocket base model has learned, on held-out subjects: `python benchmarks/base_model.py --model DIR`.

Shares of right answers per language, 64 texts each (by chance 1/12): the shelf of a sentence and of a document, and
whether what the model writes after a shelf mark, or after an English sentence, is about the same.
"""

from __future__ import annotations

import argparse
import random

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.pocket.documents import Topic, draw_topics, fill, write_document
from xinstr_core.pocket.oracle import read_document
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates

TEXTS = 64
COLUMNS = ("sentence's shelf", "document's shelf", "intent after mark", "topic after mark", "intent after English")
SHELVES = {name: intent.shelf for name, intent in load_templates("en").intents.items()}


def share_right(engine: TransformersEngine, prompts: list[str], truth: list[str]) -> float:
    """Share of prompts whose greedy continuation begins with the truth."""
    requests = [Request(str(number), prompt) for number, prompt in enumerate(prompts)]
    return sum(c.text.startswith(truth[int(c.key)]) for c in engine.generate(requests, Decoding(5))) / len(truth)


def written_about(engine: TransformersEngine, topics: list[Topic], prompts: list[str]) -> tuple[float, float]:
    """(right intent, right intent and subject) of what the model writes after each prompt."""
    requests = [Request(str(number), f"{prompt}\n\n") for number, prompt in enumerate(prompts)]
    found = {c.key: read_document(c.text, topics[0].language) for c in engine.generate(requests, Decoding(60))}
    read = [(reading.topic if (reading := found[str(number)]) else None) for number in range(len(topics))]
    intent = sum(one is not None and one.intent == topic.intent for one, topic in zip(read, topics, strict=True))
    return intent / len(topics), sum(one == topic for one, topic in zip(read, topics, strict=True)) / len(topics)


def row(engine: TransformersEngine, language: str) -> list[float]:
    rng = random.Random(f"base model {language}")
    topics = draw_topics(language, TEXTS, rng, held_out=True)
    templates, english = load_templates(language), load_templates("en")
    marks = [f"Shelf {SHELVES[t.intent]}, about {templates.quoted(t.subject)}" for t in topics]
    openings = [(t, rng.choice(english.intents[t.intent].openings)) for t in topics]
    lines = [fill(english, line, t.intent, templates.quoted(t.subject), rng) for t, line in openings]
    sentences = [(t, rng.choice(templates.intents[t.intent].sentences)) for t in topics]
    shelved = [fill(templates, line, t.intent, t.subject, rng) + " [" for t, line in sentences]
    documents = [write_document(topic, rng, (3, 5)) + "\n\nShelf" for topic in topics]
    shelves = [SHELVES[topic.intent] for topic in topics]
    return [
        share_right(engine, shelved, shelves),
        share_right(engine, documents, [f" {shelf}" for shelf in shelves]),
        *written_about(engine, topics, marks),
        written_about(engine, topics, lines)[0],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--languages", default=",".join(POCKET_LANGUAGES), help="comma-separated keys")
    arguments = parser.parse_args()
    engine = TransformersEngine(resolve_model(arguments.model))
    print(f"| language | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|", sep="\n")
    for language in arguments.languages.split(","):
        print(f"| {language} | {' | '.join(f'{share:.2f}' for share in row(engine, language))} |", flush=True)


if __name__ == "__main__":
    main()
