"""Which text an instruction belongs to, by what each adds to its likelihood: measures for benchmarks/real.py and others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.near_texts import near_texts
from xinstr_core.engines.base import Engine, Request
from xinstr_core.identity import content_key
from xinstr_core.prompts.render import prompt
from xinstr_core.statistics import share_interval

ASKED = 32


def own_found(engine: Engine, pairs: Sequence[Pair]) -> dict[str, float]:
    """Of ASKED of the pairs, or all of fewer, the share whose own instruction gains most, among them and its nearest."""
    chosen = sorted(pairs, key=lambda pair: content_key(pair.key))[:ASKED]
    near = near_texts({pair.key: pair.response for pair in chosen}, (pair.response for pair in pairs), ASKED - 1)
    of_text = {pair.response: pair for pair in pairs}
    asked = {
        "among 32": {pair.key: chosen for pair in chosen},
        "among its nearest": {pair.key: [pair, *(of_text[text] for text in near[pair.key])] for pair in chosen},
    }
    every = {pair.key: pair for of in asked.values() for others in of.values() for pair in others}
    alone = likelihoods(engine, "", list(every.values()))
    found = {"texts": float(len(chosen))}
    for name, candidates in asked.items():
        right = 0
        for pair in chosen:
            given = likelihoods(engine, pair.response, candidates[pair.key])
            right += max(given, key=lambda key: given[key] - alone[key]) == pair.key
        found[name] = round(right / len(chosen), 4)
    return found


def texts_found(engine: Engine, pairs: Sequence[Pair]) -> dict[str, bool]:
    """Whether each instruction gains most from its own text, among those of all pairs, by key."""
    alone = likelihoods(engine, "", pairs)
    given = {pair.key: likelihoods(engine, pair.response, pairs) for pair in pairs}
    return {
        pair.key: max(given, key=lambda text: given[text][pair.key] - alone[pair.key]) == pair.key for pair in pairs
    }


def likelihoods(engine: Engine, text: str, pairs: Iterable[Pair]) -> dict[str, float]:
    """Mean log-probability of every instruction after the text, by key."""
    prompted = prompt("reverse").render(text=text)
    scores = engine.score([Request(pair.key, prompted, pair.instruction) for pair in pairs])
    return {score.key: sum(score.tokens) / len(score.tokens) for score in scores}


def shares(found: pl.DataFrame, group: str) -> list[tuple[str, str, int]]:
    """(group, share found with its interval, rows) of every group of rows with `found`."""
    rows = []
    for name, of_group in sorted(found.group_by(group)):
        right, count = int(of_group["found"].sum()), len(of_group)
        low, high = share_interval(right, count)
        rows.append((str(name[0]), f"{right / count:.2f} ({low:.2f} to {high:.2f})", count))
    return rows
