"""Write the pocket world to files: a raw corpus, seed pairs and prompts for the line, and gold that only the evaluation reads.

<folder>/corpus/<tag>.jsonl     id, text, source, licence: what `raw_corpus` reads
<folder>/seeds/<tag>.jsonl      instruction (English), response
<folder>/prompts/<tag>.jsonl    id, instruction, prompt_language: English and native, about held-out subjects
<folder>/gold/<tag>.jsonl       doc_id, kind, intent, subject of every corpus document
<folder>/gold/<tag>.heldout.jsonl  documents about held-out subjects, with intent and subject

Two worlds differ in what their clean documents are about: `pocket` has as many of every intent, `pocket-skewed` is as
one-sided as crawled text. All else is the same: seeds, prompts and held-out documents to the byte, junk in kind and number.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from xinstr_core.files import write_text
from xinstr_core.identity import document_key
from xinstr_core.pocket.documents import Topic, draw_topics, write_document, write_instruction
from xinstr_core.pocket.junk import COPIES, JUNK
from xinstr_core.pocket.templates import load_templates

CLEAN_DOCUMENTS = 350
SEED_PAIRS = 180  # fifteen an intent, five a paraphrase and more: 100-200 are what a small team can write by hand
# What the skewed world is full of, as a crawl is of a few kinds of pages.
COMMON_INTENTS = ("cook_dish", "visit_sight", "buy_item")
COMMON_SHARE = 0.8
SOURCE = "pocket world (generated)"
LICENCE = "Apache-2.0"


def _even(language: str, rng: random.Random) -> list[Topic]:
    return draw_topics(language, CLEAN_DOCUMENTS, rng)


def _skewed(language: str, rng: random.Random) -> list[Topic]:
    every = [
        Topic(language, intent.name, subject)
        for intent in load_templates(language).intents.values()
        for subject in intent.train
    ]
    common, rare = ([t for t in every if (t.intent in COMMON_INTENTS) is wanted] for wanted in (True, False))
    count = round(CLEAN_DOCUMENTS * COMMON_SHARE)
    return [
        *draw_topics(language, count, rng, without=rare),
        *draw_topics(language, CLEAN_DOCUMENTS - count, rng, without=common),
    ]


# Every world by the name that a language's `corpus` may have, and how it draws what its clean documents are about.
POCKET = "pocket"
WORLDS: dict[str, Callable[[str, random.Random], list[Topic]]] = {POCKET: _even, "pocket-skewed": _skewed}


def write_world(folder: Path, language: str, world: str = POCKET) -> None:
    """Write all files of one language of a world. The same bytes every time."""
    corpus, gold = _corpus(language, world)
    _write(folder / "corpus" / f"{language}.jsonl", corpus)
    _write(folder / "seeds" / f"{language}.jsonl", _seeds(language))
    _write(folder / "prompts" / f"{language}.jsonl", _prompts(language))
    _write(folder / "gold" / f"{language}.jsonl", gold)
    _write(folder / "gold" / f"{language}.heldout.jsonl", _held_out_documents(language))


def write_english_pairs(path: Path) -> None:
    """What seeds are, of English subjects and with English responses: for comparison alone, and no part of a language's world."""
    _write(path, _seeds("en"))


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _corpus(language: str, world: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rng = random.Random(f"{world} corpus {language}")
    documents = [("clean", topic, _write_one(write_document, topic, rng)) for topic in WORLDS[world](language, rng)]
    originals = list(documents)
    for kind, (count, write) in JUNK.items():
        documents += [(kind, topic, _write_one(write, topic, rng)) for topic in draw_topics(language, count, rng)]
    for kind, (count, copy) in COPIES.items():
        documents += [(kind, topic, copy(text, rng)) for _, topic, text in rng.sample(originals, count)]
    rng.shuffle(documents)
    corpus = [
        {"id": f"{language}-{number:04d}", "text": text, "source": SOURCE, "licence": LICENCE}
        for number, (_, _, text) in enumerate(documents)
    ]
    gold = [
        {"doc_id": document_key(language, text), "kind": kind, "intent": topic.intent, "subject": topic.subject}
        for kind, topic, text in documents
    ]
    return corpus, gold


def _write_one(write: Callable[[Topic, random.Random], str], topic: Topic, rng: random.Random) -> str:
    """A text that names no held-out subject: fillers can form one by chance."""
    while load_templates(topic.language).mentions_held_out(text := write(topic, rng)):
        pass
    return text


def _seeds(language: str) -> list[dict[str, Any]]:
    rng = random.Random(f"pocket seeds {language}")
    return [
        {
            "instruction": write_instruction(topic, "en", rng),
            "response": _write_one(write_document, topic, rng),
            "source": SOURCE,
            "licence": LICENCE,
        }
        for topic in draw_topics(language, SEED_PAIRS, rng)
    ]


def _prompts(language: str) -> list[dict[str, Any]]:
    rng = random.Random(f"pocket prompts {language}")
    topics = draw_topics(language, 96, rng, held_out=True)
    return [
        {
            "id": f"{language}-prompt-{number:03d}-{written_in}",
            "instruction": write_instruction(topic, written_in, rng),
            "prompt_language": written_in,
        }
        for number, topic in enumerate(topics)
        for written_in in ("en", language)
    ]


def _held_out_documents(language: str) -> list[dict[str, Any]]:
    rng = random.Random(f"pocket held-out documents {language}")
    return [
        {"text": write_document(topic, rng), "intent": topic.intent, "subject": topic.subject}
        for topic in draw_topics(language, 96, rng, held_out=True)
    ]
