"""What one pass of one model reads of pairs, from which signals follow: what each group asks for stands in signals.py."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.neighbours import Neighbours, halves
from xinstr_core.curation.token_scores import alone_signals, ending_signals, finite, response_signals
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.resume import Load
from xinstr_core.identity import content_key
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.shared import LEVELS
from xinstr_core.text import join_like, words

OPENING = 200  # characters of a response by which an instruction is held to it: some sentences, in every script


@dataclass(frozen=True)
class Reading:
    """One pass of one model over one side of the pairs."""

    name: str
    reader: str
    load: Load
    neighbours: Neighbours | None = None
    language: str = ""

    def request(self, pair: Pair) -> Request:
        reverse = prompt("reverse")
        if self.name in ("response", "neighbours", "order", "ending"):
            return self._keyed("", pair.response)
        if self.name == "alone":
            return self._keyed(reverse.render(text=""), pair.instruction)
        if self.name == "given":
            return self._keyed(reverse.render(text=pair.response), pair.instruction)
        if self.name == "answer":
            return self._keyed(self._asked(pair.instruction), pair.response[:OPENING])
        return self._keyed(prompt("rating").render(instruction=pair.instruction, text=pair.response), "")

    def _keyed(self, text: str, completion: str) -> Request:
        return Request(content_key(self.name, self.reader, text, completion), text, completion)

    def _asked(self, instruction: str) -> str:
        return prompt("response_seed").render(instruction=instruction, language=self.language)

    def rows(self, engine: Engine, batch: list[Request]) -> Iterable[tuple[Any, ...]]:
        if self.name == "level":
            return [(scores.key, *finite(scores.labels)) for scores in engine.score_labels(batch, LEVELS)]
        if self.neighbours is not None:
            texts = [request.completion for request in batch]
            first, second = (engine.embed(list(parts)) for parts in zip(*map(halves, texts), strict=True))
            near, alike = self.neighbours.nearest(engine.embed(texts)), self.neighbours.alike(first, second)
            return [(request.key, *row) for request, *row in zip(batch, near, alike, strict=True)]
        if self.name == "response":
            return [(scores.key, *response_signals(scores)) for scores in engine.score(batch)]
        if self.name == "answer":
            return self._answer_gains(engine, batch)
        if self.name == "order":
            return _order_gains(engine, batch)
        if self.name == "ending":
            return _endings(engine, batch)
        return [(scores.key, finite(scores.tokens).tolist(), *finite([scores.end])) for scores in engine.score(batch)]

    def _answer_gains(self, engine: Engine, batch: list[Request]) -> list[tuple[str, float]]:
        """Mean log-probability of each opening under its instruction, minus that under none."""
        openings = dict.fromkeys(request.completion for request in batch)
        unasked = [Request(text, self._asked(""), text) for text in openings]
        before = {scores.key: alone_signals(scores)[0] for scores in engine.score(unasked)}
        opening_of = {request.key: request.completion for request in batch}
        return [(s.key, alone_signals(s)[0] - before[opening_of[s.key]]) for s in engine.score(batch)]


def _order_gains(engine: Engine, batch: list[Request]) -> list[tuple[str, float]]:
    """Mean log-probability of the words of each text's opening, minus that of the same words in another order."""
    requests = []
    for request in batch:
        opening = request.completion[:OPENING]
        own = words(opening)
        gap = " " if own == opening.split() else ""  # runs of letters stand for words where none are parted
        other = random.Random(request.key).sample(own, len(own))
        requests += [
            Request(f"own {request.key}", "", gap.join(own)),
            Request(f"other {request.key}", "", gap.join(other)),
        ]
    read = {scores.key: alone_signals(scores)[0] for scores in engine.score(requests)}
    return [(r.key, read[f"own {r.key}"] - read[f"other {r.key}"]) for r in batch]


def _endings(engine: Engine, batch: list[Request]) -> list[tuple[Any, ...]]:
    """What the first half of each text's sentences adds to the second."""
    requests = []
    for request in batch:
        first, second = halves(request.completion)
        gap = join_like(request.completion, ["", ""])
        requests += [Request(f"after {request.key}", first + gap, second), Request(f"alone {request.key}", "", second)]
    read = {scores.key: scores for scores in engine.score(requests)}
    return [(r.key, *ending_signals(read[f"after {r.key}"], read[f"alone {r.key}"])) for r in batch]
