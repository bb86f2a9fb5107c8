"""Fitting a learned filter: trusted text against examples of what is unwanted, or against what a crawl has.

Held-out figures and the limit are of documents whose source the filter has not seen.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.duplicates import DuplicateSearch, signatures
from xinstr_core.corpus.filter_sides import WHOLE, Sample, Sides
from xinstr_core.corpus.learned_filter import FittedFilter, LearnedFilter
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key

QUALITY = "quality"  # the filter that is fitted from a crawl
MAY_LOSE = 0.02  # of clean documents: no more than the other checks together cost (benchmarks/corpus.md)
LARGEST_SAMPLE = 5000  # documents of a side: more change little, and their n-grams are held in memory
LEAST_SAMPLE = 50  # documents of a side: of fewer, 2 % are one
_LARGEST_WEIGHT = np.iinfo(np.int16).max
# Of what is left of a crawl, for which nobody vouches: some of it is unwanted and was not found, and much of it is good.
_REST_MAY_LOSE = 0.1
_SIMILARITY = 0.8  # of near-duplicates, as everywhere


Records = Iterable[Record | Reject]


@dataclass(frozen=True)
class Fit:
    """A filter; shares of held-out trusted documents that it loses, by source; and what it refuses, the surest first."""

    filter: LearnedFilter
    lost_by_domain: dict[str, float]
    lost: tuple[str, ...]
    crawl_refused: float | None  # share of the crawl, None where none was given
    refused: tuple[str, ...]  # of the crawl


def fit_filters(
    judge: DocumentFilter, trusted: Records, crawl: Records | None, unwanted: Mapping[str, Records], may_lose: float
) -> Iterator[tuple[str, Fit | None]]:
    """The filter QUALITY from a crawl, and one from the examples of each unwanted class, by name.

    `judge` has the other checks of the language: what they refuse, a filter need not learn. InputError before anything
    is fitted where there are too few documents of one of the sides.
    """
    good, script = sample(trusted, judge), judge.language.script
    crawled = [] if crawl is None else _without_copies(sample(crawl, judge), good, script)
    examples_of = {name: _without_copies(sample(records, judge), good, script) for name, records in unwanted.items()}
    for name, examples in examples_of.items():
        _require_enough(name, {"trusted text": good, "examples": examples})
    if crawl is not None:
        yield QUALITY, fit_filter(QUALITY, good, [], crawled, may_lose)
    for name, examples in examples_of.items():
        yield name, fit_filter(name, good, examples, _without_copies(crawled, examples, script), may_lose)


def sample(records: Records, judge: DocumentFilter) -> list[Sample]:
    """Documents that the other checks keep, drawn from all records alike, without near-duplicates; the same ones each time."""
    rng, drawn = random.Random(0), list[Record]()
    for number, record in enumerate(one for one in records if isinstance(one, Record)):
        if number < LARGEST_SAMPLE:
            drawn.append(record)
        elif (place := rng.randrange(number + 1)) < LARGEST_SAMPLE:
            drawn[place] = record
    found = [one for record in drawn for one in judge.judge(record) if isinstance(one, Document)]
    kept = rng.sample(found, LARGEST_SAMPLE) if len(found) > LARGEST_SAMPLE else found
    repeated = _near_duplicates([one.text for one in kept], judge.language.script)
    return [Sample(one.text, _domain(one)) for number, one in enumerate(kept) if number not in repeated]


def _require_enough(name: str, sides: Mapping[str, Sequence[Sample]]) -> None:
    for side, found in sides.items():
        if len(found) < LEAST_SAMPLE:
            raise InputError(
                f"{len(found)} documents of {side} pass the other checks and are no copies: too few to fit the filter "
                f"{name} from, give at least {LEAST_SAMPLE}"
            )


def _without_copies(found: Sequence[Sample], trusted: Sequence[Sample], script: str) -> list[Sample]:
    """Those that are not in the trusted text, too."""
    repeated = _near_duplicates([one.text for one in (*trusted, *found)], script)
    return [one for number, one in enumerate(found, len(trusted)) if number not in repeated]


def fit_filter(
    name: str, trusted: Sequence[Sample], examples: Sequence[Sample], crawl: Sequence[Sample], may_lose: float
) -> Fit | None:
    """The filter of one class, by examples; or without any by what stands apart in a crawl, None where nothing does.

    With examples a crawl is good text beside the trusted one, but for what is like them. InputError when a side has too
    few documents.
    """
    _require_enough(name, {"trusted text": trusted, "examples" if examples else "the crawl": examples or crawl})
    sides = Sides.of(trusted, [*examples, *crawl])
    every = np.arange(len(examples) + len(crawl))
    bad = every[: len(examples)] if examples else sides.standing_apart()
    if bad is None:
        return None
    rest = np.setdiff1d(every, bad)
    if examples:
        rest = sides.unlike(bad, rest)
    scores, others = sides.held_out_scores(bad, rest)
    threshold = _threshold(scores, may_lose)
    if len(rest):
        threshold = max(threshold, _threshold(others[rest], max(may_lose, _REST_MAY_LOSE)))
    lost, of_crawl = scores > threshold, others[len(examples) :]
    surest = np.argsort(-of_crawl, kind="stable")
    return Fit(
        filter=_finished(name, sides, bad, rest, threshold, (scores, others), may_lose),
        lost_by_domain=_by_domain(trusted, lost),
        lost=tuple(one.text for one, is_lost in zip(trusted, lost, strict=True) if is_lost),
        crawl_refused=float((of_crawl > threshold).mean()) if len(crawl) else None,
        refused=tuple(crawl[number].text for number in surest[of_crawl[surest] > threshold]),
    )


def _finished(
    name: str, sides: Sides, bad: Any, rest: Any, threshold: float, held_out: tuple[Any, Any], may_lose: float
) -> LearnedFilter:
    """The filter that learned from everything, with its figures on what was held out."""
    model = sides.train(rest, bad)
    weights = WHOLE * sides.rarity.diagonal() * model.coef_[0]
    scale = float(np.abs(weights).max()) / _LARGEST_WEIGHT
    scores, others = held_out
    hits, misses = int((others[bad] > threshold).sum()), int((scores > threshold).sum())
    fitted = FittedFilter(
        threshold=threshold,
        intercept=float(model.intercept_[0]),
        scale=scale,
        weights="",
        may_lose=may_lose,
        trusted=len(scores),
        unwanted=len(bad),
        lost=round(misses / len(scores), 4),
        precision=round(hits / max(1, hits + misses), 4),
        recall=round(hits / len(bad), 4),
    )
    return LearnedFilter(name, fitted, np.round(weights / scale).astype(np.int16))


def _threshold(scores: Any, may_lose: float) -> float:
    """The least limit that no more than this share of the scores is above."""
    return float(np.ceil(1e4 * np.quantile(scores, 1 - may_lose, method="higher")) / 1e4)


def _by_domain(samples: Sequence[Sample], lost: Any) -> dict[str, float]:
    """Share of lost ones by domain, the largest domains first."""
    counts = Counter(one.domain for one in samples)
    gone = Counter(one.domain for one, is_lost in zip(samples, lost, strict=True) if is_lost)
    return {domain: gone[domain] / count for domain, count in counts.most_common()}


def _near_duplicates(texts: Sequence[str], script: str) -> set[int]:
    """The numbers of those that repeat an earlier one."""
    if not texts:
        return set()
    with TemporaryDirectory() as folder:
        search = DuplicateSearch(Path(folder), _SIMILARITY)
        search.add([content_key(text) for text in texts], signatures(texts, script))
        return {match.document for match in search.find()}


def _domain(document: Document) -> str:
    """The host of its page or else, since files of one project are one source, the first word of its source."""
    for address in (document.url, document.source):
        if host := urlsplit(address).hostname if "://" in address else None:
            return host.removeprefix("www.")
    return document.source.split(maxsplit=1)[0] if document.source.strip() else ""
