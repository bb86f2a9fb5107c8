"""What a pocket base model has learned, on held-out subjects: `python benchmarks/base_model.py --model DIR`.

Shares of right answers per language, 64 texts each (by chance 1/12): the shelf of a sentence and of a document, the
document's whole mark (its subject too), and whether what the model writes after a shelf mark, or after an English sentence,
is about the same.
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
COLUMNS = (
    "sentence's shelf",
    "document's shelf",
    "document's mark",
    "intent after mark",
    "topic after mark",
    "intent after English",
)
SHELVES = {name: intent.shelf for name, intent in load_templates("en").intents.items()}


def written_marks(engine: TransformersEngine, texts: list[str]) -> list[str]:
    """What the model writes after "Shelf" under each text."""
    requests = [Request(str(number), f"{text}\n\nShelf") for number, text in enumerate(texts)]
    written = {completion.key: completion.text for completion in engine.generate(requests, Decoding(30))}
    return [written[request.key] for request in requests]


def written_about(engine: TransformersEngine, topics: list[Topic], prompts: list[str]) -> tuple[float, float]:
    """(right intent, right intent and subject) of what the model writes after each prompt, in the topics' language."""
    requests = [Request(str(number), f"{prompt}\n\n") for number, prompt in enumerate(prompts)]
    found = {c.key: read_document(c.text, topics[0].language) for c in engine.generate(requests, Decoding(60))}
    read = [(reading.topic if (reading := found[str(number)]) else None) for number in range(len(topics))]
    asked = [(topic.language, topic.intent) for topic in topics]
    intent = sum(one is not None and (one.language, one.intent) == what for one, what in zip(read, asked, strict=True))
    return intent / len(topics), sum(one == topic for one, topic in zip(read, topics, strict=True)) / len(topics)


def row(engine: TransformersEngine, language: str) -> list[float]:
    rng = random.Random(f"base model {language}")
    topics = draw_topics(language, TEXTS, rng, held_out=True)
    templates, english = load_templates(language), load_templates("en")
    marks = [f"Shelf {SHELVES[t.intent]}, about {templates.quoted(t.subject)}" for t in topics]
    openings = [(t, rng.choice(english.intents[t.intent].openings)) for t in topics]
    lines = [fill(english, line, t.intent, templates.quoted(t.subject), rng) for t, line in openings]
    sentences = [(t, rng.choice(templates.intents[t.intent].sentences)) for t in topics]
    filed = written_marks(engine, [fill(templates, line, t.intent, t.subject, rng) for t, line in sentences])
    documents = written_marks(engine, [write_document(topic, rng, (3, 5)) for topic in topics])
    return [
        sum(w.startswith(f" {SHELVES[t.intent]},") for w, t in zip(filed, topics, strict=True)) / TEXTS,
        sum(w.startswith(f" {SHELVES[t.intent]},") for w, t in zip(documents, topics, strict=True)) / TEXTS,
        sum(f"Shelf{w.rstrip()}" == mark for w, mark in zip(documents, marks, strict=True)) / TEXTS,
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
