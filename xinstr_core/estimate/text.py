"""How much text a language brings, from a sample: documents, seed pairs, and their tokens in the base model's tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.sources import files_of, records_of
from xinstr_core.curation.parallel_documents import ParallelDocument, read_parallel_documents
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.roles import Engines
from xinstr_core.evaluation.gold_pairs import read_gold_pairs
from xinstr_core.evaluation.replies import read_prompts
from xinstr_core.languages import CorpusSource
from xinstr_core.schemas.seed_pairs import IN_ENGLISH
from xinstr_core.seeds import SeedPair, read_seeds
from xinstr_core.workspace import Workspace

SAMPLED = 400  # texts: their mean length is then known to about a twentieth
_BLOCK = 1 << 24


@dataclass(frozen=True)
class Texts:
    """How many texts there are, and the tokens of one: mean and longest."""

    count: int
    tokens: float
    longest: int


NONE = Texts(0, 0.0, 0)


@dataclass(frozen=True)
class Material:
    """The documents of a language, its seeds' responses and its seeds' instructions.

    Translations that become seeds are among the responses; `parallel` are their English sides, for which instructions are
    written by what learns from the `english` responses of seeds. `prompts` are those that every evaluated model answers, none
    where held-out instructions serve, `gold` the responses that it reads.
    """

    documents: Texts
    responses: Texts
    instructions: Texts
    parallel: Texts = NONE
    english: Texts = NONE
    prompts: Texts = NONE
    gold: Texts = NONE


def measure_material(workspace: Workspace, tag: str) -> Material:
    """Read a sample of corpus and seeds, as the settings cut them. InputError where they cannot be read."""
    language = workspace.language(tag)
    settings = workspace.settings(language)
    tokenizer = Engines(settings, workspace.model(language)).tokenizer
    source = workspace.corpus_source(language)
    shortest, longest = settings.corpus.span_bounds
    found = list(islice(records_of(source, tag, script=language.script), SAMPLED))
    spans = [
        min(len(text), longest) for text in _texts(found) if len(text) >= shortest for _ in range(0, len(text), longest)
    ]
    a_token = _characters_a_token(tokenizer, _texts(found))
    records = _records(source, tag, len(found))
    documents = Texts(
        round(records * len(spans) / max(1, len(found))),
        sum(spans) / max(1, len(spans)) / a_token,
        round(max(spans, default=0) / a_token),
    )
    seeds, parallel = list(_seeds(workspace, tag)), _parallel(workspace, tag)
    return Material(
        documents,
        _measured(tokenizer, [*(one.text for one in parallel), *(seed.response for seed in seeds)]),
        _measured(tokenizer, [seed.instruction for seed in seeds]),
        _measured(tokenizer, [one.english for one in parallel]),
        _measured(tokenizer, [seed.response for seed in seeds if seed.origin == IN_ENGLISH]),
        _measured(tokenizer, _prompts(workspace, tag)),
        _measured(tokenizer, _gold(workspace, tag)),
    )


def _texts(records: Iterable[Record | Reject]) -> list[str]:
    return [text for one in records if isinstance(one, Record) and isinstance(text := one.values.get("text"), str)]


def _seeds(workspace: Workspace, tag: str) -> Iterator[SeedPair]:
    path = workspace.seeds_file(workspace.language(tag))
    for one in read_seeds(path, tag) if path else ():
        if isinstance(one, SeedPair):
            yield one


def _parallel(workspace: Workspace, tag: str) -> list[ParallelDocument]:
    language = workspace.language(tag)
    path = workspace.parallel_file(language)
    found = read_parallel_documents(path, language) if path else ()
    return [one for one in found if isinstance(one, ParallelDocument)]


def _prompts(workspace: Workspace, tag: str) -> list[str]:
    """So many of each language as are asked."""
    language = workspace.language(tag)
    path, most = workspace.prompts_file(language), workspace.settings(language).evaluation.maximum_prompts
    found: dict[str, list[str]] = {}
    for one in read_prompts(path) if path else ():
        found.setdefault(one.prompt_language, []).append(one.instruction)
    return [text for texts in found.values() for text in texts[:most]]


def _gold(workspace: Workspace, tag: str) -> list[str]:
    language = workspace.language(tag)
    path = workspace.gold_pairs_file(language)
    return [one.response for one in read_gold_pairs(path, language)] if path else []


def _measured(tokenizer: Any, texts: Sequence[str]) -> Texts:
    lengths = [len(encode(tokenizer, text)) for text in texts[:SAMPLED]]
    return Texts(len(texts), sum(lengths) / max(1, len(lengths)), max(lengths, default=0))


def _characters_a_token(tokenizer: Any, texts: Sequence[str]) -> float:
    sample = texts[:SAMPLED]
    tokens = sum(len(encode(tokenizer, text)) for text in sample)
    return sum(map(len, sample)) / tokens if tokens else 1.0


def _records(source: CorpusSource, tag: str, sampled: int) -> int:
    """All records: those sampled where there are no more, else as many as lines; of packed files as many as in proportion."""
    if sampled < SAMPLED or source.reader == "hub":
        return sampled
    files = [Path(address.removeprefix("file://")) for address in files_of(source, tag)]
    return max(sampled, sum(_lines(path) for path in files if path.is_file()))


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK), b""))
