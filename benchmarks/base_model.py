"""What a pocket base model has learned, on held-out subjects: `python benchmarks/base_model.py --model DIR`.

Shares of right answers per language, 64 texts each: the shelf of a sentence and of a whole document, a proofreader's
mark, a comparison's mark, and whether a document written after a shelf mark is about that intent and subject.
Chance is 1/12, 1/12, 1/4 and 0.4.
"""

from __future__ import annotations

import argparse
import random

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.pocket.documents import Topic, draw_topics, fill, write_document
from xinstr_core.pocket.oracle import read_document
from xinstr_core.pocket.pages import PAGE_KINDS
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates

TEXTS = 64
SHELVES = {name: intent.shelf for name, intent in load_templates("en").intents.items()}


def share_right(engine: TransformersEngine, prompts: list[str], truth: list[str]) -> float:
    """Share of prompts whose greedy continuation begins with the truth."""
    requests = [Request(str(number), prompt) for number, prompt in enumerate(prompts)]
    return sum(c.text.startswith(truth[int(c.key)]) for c in engine.generate(requests, Decoding(5))) / len(truth)


def marked(engine: TransformersEngine, kind: str, topics: list[Topic], rng: random.Random) -> float:
    """Share of a kind of page whose last mark is right."""
    texts, marks = zip(*(PAGE_KINDS[kind](topic, rng).rsplit("[", 1) for topic in topics), strict=True)
    return share_right(engine, [f"{text}[" for text in texts], list(marks))


def written_about(engine: TransformersEngine, topics: list[Topic]) -> tuple[float, float]:
    """(right intent, right intent and subject) of documents that follow a shelf mark."""
    requests = [
        Request(str(n), f"Shelf {SHELVES[t.intent]}, about {load_templates(t.language).quoted(t.subject)}\n\n")
        for n, t in enumerate(topics)
    ]
    readings = {
        completion.key: read_document(completion.text, topics[0].language)
        for completion in engine.generate(requests, Decoding(200))
    }
    found = [(reading and reading.topic, topic) for n, topic in enumerate(topics) for reading in [readings[str(n)]]]
    intent = sum(bool(read) and read.intent == topic.intent for read, topic in found) / len(topics)
    return intent, sum(read == topic for read, topic in found) / len(topics)


def row(engine: TransformersEngine, language: str) -> list[float]:
    rng = random.Random(f"base model {language}")
    topics = draw_topics(language, TEXTS, rng, held_out=True)
    intents = load_templates(language).intents
    lines = [(topic, rng.choice(intents[topic.intent].sentences)) for topic in topics]
    sentences = [fill(load_templates(language), line, t.intent, t.subject, rng) + " [" for t, line in lines]
    documents = [write_document(topic, rng, (3, 5)) + "\n\nShelf" for topic in topics]
    shelves = [SHELVES[topic.intent] for topic in topics]
    return [
        share_right(engine, sentences, shelves),
        share_right(engine, documents, [f" {shelf}" for shelf in shelves]),
        *(
            marked(engine, kind, topics, rng)
            for kind in ("proof_line", "proof_sheet", "comparison_line", "comparison_sheet")
        ),
        *written_about(engine, topics),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--languages", default=",".join(POCKET_LANGUAGES), help="comma-separated keys")
    arguments = parser.parse_args()
    engine = TransformersEngine(resolve_model(arguments.model))
    columns = "sentence shelf|document shelf|proof line|proof sheet|comparison line|comparison sheet|writes intent|writes topic"
    print(f"| language | {columns.replace('|', ' | ')} |", "|---" * 9 + "|", sep="\n")
    for language in arguments.languages.split(","):
        print(f"| {language} | {' | '.join(f'{share:.2f}' for share in row(engine, language))} |", flush=True)


if __name__ == "__main__":
    main()
