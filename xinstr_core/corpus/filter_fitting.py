"""Fitting a learned filter: trusted text against examples of what is unwanted, or against what a crawl has.

A crawl is mostly good text of other sources than the trusted one, so that whatever tells the two apart is first of all
what they are about. So the part of the crawl that stands apart from both, the trusted text and the rest of the crawl, is
looked for in rounds (two-step learning from positive and unlabelled documents: Liu et al. 2003, ICDM), and only that is
learned as unwanted. Held-out figures and the limit are of documents whose source the filter has not seen.
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
from xinstr_core.corpus.learned_filter import BUCKET_BITS, FittedFilter, LearnedFilter, buckets
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import Document
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key

QUALITY = "quality"  # the filter that is fitted from a crawl
MAY_LOSE = 0.02  # of clean documents: no more than the other checks together cost (benchmarks/corpus.md)
LARGEST_SAMPLE = 5000  # documents of a side: more change little, and their n-grams are held in memory
LEAST_SAMPLE = 50  # documents of a side: of fewer, 2 % are one
_FOLDS = 5
_WHOLE = 100  # shares of n-grams are in per cent: the penalty knows no units
_LEAST_OCCURRENCES = 3  # documents that an n-gram must stand in to be learned
_LARGEST_WEIGHT = np.iinfo(np.int16).max
_PENALTY = 10.0  # inverse strength; of 1, 10 and 100 the best on spam of another hand (benchmarks/learned_filter.md)
# Shares of a crawl that are taken for unwanted, round by round.
_SHARES = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.09, 0.07, 0.05, 0.04, 0.03, 0.02)
_APART = 5.0  # log-odds between the median of what was taken for unwanted and 0.98 of the rest, all held out
_LAST_ROUNDS = 20  # at most: most parts are whole after two, one of half a crawl took ten
_LEAST_BAD = 8  # documents of a part: five Turkish treaties are a formula, too
_SIMILARITY = 0.8  # of near-duplicates, as everywhere


@dataclass(frozen=True)
class Sample:
    """A document that the other checks keep, and the site or source that it is from."""

    text: str
    domain: str


Records = Iterable[Record | Reject]


@dataclass(frozen=True)
class Fit:
    """A filter; shares of held-out trusted documents that are lost, by source, and of a crawl; what is refused, the surest first."""

    filter: LearnedFilter
    lost_by_domain: dict[str, float]
    crawl_refused: float | None
    refused: tuple[str, ...]


def fit_filters(
    judge: DocumentFilter, trusted: Records, crawl: Records | None, unwanted: Mapping[str, Records], may_lose: float
) -> Iterator[tuple[str, Fit | None]]:
    """The filter QUALITY from a crawl, and one from the examples of each unwanted class, by name.

    `judge` has the other checks of the language: what they refuse, a filter need not learn.
    """
    good = sample(trusted, judge)
    sides = {**({QUALITY: crawl} if crawl is not None else {}), **unwanted}
    for name, records in sides.items():
        other = _without_copies(sample(records, judge), good, judge.language.script)
        yield name, fit_filter(name, good, other, may_lose, crawled=crawl is not None and name == QUALITY)


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


def _without_copies(found: Sequence[Sample], trusted: Sequence[Sample], script: str) -> list[Sample]:
    """Those that are not in the trusted text, too."""
    repeated = _near_duplicates([one.text for one in (*trusted, *found)], script)
    return [one for number, one in enumerate(found, len(trusted)) if number not in repeated]


def fit_filter(
    name: str, trusted: Sequence[Sample], unwanted: Sequence[Sample], may_lose: float, *, crawled: bool
) -> Fit | None:
    """The filter of one class. `crawled`: the unwanted ones are among them, and nobody said which.

    None where nothing of a crawl stands apart. InputError when a side has too few documents.
    """
    for side, found in (("trusted text", trusted), (name, unwanted)):
        if len(found) < LEAST_SAMPLE:
            raise InputError(
                f"{len(found)} documents of {side} pass the other checks and are no copies: too few to fit the filter "
                f"{name} from, give at least {LEAST_SAMPLE}"
            )
    sides = _Sides.of(trusted, unwanted)
    bad = sides.standing_apart() if crawled else np.arange(len(unwanted))
    if bad is None:
        return None
    scores, others = sides.held_out_scores(bad)
    rest = np.setdiff1d(np.arange(len(unwanted)), bad)
    # What is left of a crawl is good, too, for all that is known: neither side may lose more.
    threshold = max(_threshold(side, may_lose) for side in (scores, others[rest]) if len(side))
    lost = scores > threshold
    model = sides.train(rest, bad)
    weights = _WHOLE * sides.rarity.diagonal() * model.coef_[0]
    scale = float(np.abs(weights).max()) / _LARGEST_WEIGHT
    hits, misses = int((others[bad] > threshold).sum()), int(lost.sum())
    fitted = FittedFilter(
        threshold=threshold,
        intercept=float(model.intercept_[0]),
        scale=scale,
        weights="",
        may_lose=may_lose,
        trusted=len(trusted),
        unwanted=len(bad),
        lost=round(float(lost.mean()), 4),
        precision=round(hits / max(1, hits + misses), 4),
        recall=round(hits / len(bad), 4),
    )
    surest = np.argsort(-others, kind="stable")
    return Fit(
        filter=LearnedFilter(name, fitted, np.round(weights / scale).astype(np.int16)),
        lost_by_domain=_by_domain(trusted, lost),
        crawl_refused=float((others > threshold).mean()) if crawled else None,
        refused=tuple(unwanted[number].text for number in surest[others[surest] > threshold]),
    )


@dataclass(frozen=True)
class _Sides:
    """Both sides as rows of a sparse matrix each, and the fold in which each row is held out."""

    good: Any
    other: Any
    good_folds: Any
    other_folds: Any
    rarity: Any

    @classmethod
    def of(cls, trusted: Sequence[Sample], unwanted: Sequence[Sample]) -> _Sides:
        good, other = _shares(trusted), _shares(unwanted)
        rarity = _rarity(good, other)
        return cls(good @ rarity, other @ rarity, _folds(trusted), _folds(unwanted), rarity)

    def train(self, rest: Any, bad: Any, good: Any = slice(None)) -> Any:
        """A classifier of the trusted rows and, weighing as much, the rest of a crawl, against the bad rows."""
        from scipy.sparse import vstack
        from sklearn.linear_model import LogisticRegression

        trusted = self.good[good]
        weights = np.ones(trusted.shape[0] + len(rest) + len(bad))
        weights[trusted.shape[0] : trusted.shape[0] + len(rest)] = trusted.shape[0] / max(1, len(rest))
        labels = np.repeat([0, 1], [trusted.shape[0] + len(rest), len(bad)])
        model = LogisticRegression(C=_PENALTY, solver="liblinear", class_weight="balanced", random_state=0)
        return model.fit(vstack([trusted, self.other[rest], self.other[bad]]), labels, sample_weight=weights)

    def held_out_scores(self, bad: Any) -> tuple[Any, Any]:
        """Log-odds of the rows of both sides, each by a classifier that saw nothing of their fold."""
        scores, others = np.zeros(self.good.shape[0]), np.zeros(self.other.shape[0])
        rest = np.setdiff1d(np.arange(len(others)), bad)
        other_folds = self.other_folds
        if len(np.unique(other_folds[bad])) == 1:  # of one site: without it nothing would be left to learn from
            other_folds = np.arange(len(others)) % _FOLDS
            other_folds[bad] = np.arange(len(bad)) % _FOLDS
        for fold in range(_FOLDS):
            held, others_held = self.good_folds == fold, other_folds == fold
            model = self.train(rest[~others_held[rest]], bad[~others_held[bad]], ~held)
            for matrix, out, rows in ((self.good, scores, held), (self.other, others, others_held)):
                if rows.any():
                    out[rows] = model.decision_function(matrix[rows])
        return scores, others

    def standing_apart(self) -> Any:
        """The rows of the crawl that are unlike the trusted ones and unlike the rest of it; None without such a part.

        Round by round fewer are taken for unwanted, and by the others what the crawl has in common is unlearned. The first
        part that stands apart is then grown, or trimmed, to what is likelier unwanted than not.
        """
        rows = np.arange(self.other.shape[0])
        bad, rest = rows, rows[:0]
        for number, share in enumerate(_SHARES):
            scores = self._crawl_scores(bad, rest, number)
            if len(rest) and np.median(scores[bad]) - np.quantile(scores[rest], 0.98) >= _APART:
                return self._grown(bad, rest)
            order = np.argsort(-scores, kind="stable")
            count = max(_LEAST_BAD, round(share * len(rows)))
            bad, rest = order[:count], order[count:]
        return None

    def _grown(self, bad: Any, rest: Any) -> Any:
        """What is likelier unwanted than not, when that is asked again until nothing changes; None of a handful."""
        rows = np.arange(self.other.shape[0])
        for number in range(_LAST_ROUNDS):
            scores = self._crawl_scores(bad, rest, number)
            before, bad, rest = bad, rows[scores > 0], rows[scores <= 0]
            if len(bad) < _LEAST_BAD:
                return None
            if np.array_equal(np.sort(before), bad):
                break
        return bad

    def _crawl_scores(self, bad: Any, rest: Any, seed: int) -> Any:
        """Log-odds of the crawl's rows, each by a classifier that saw one half of it and not the row."""
        draw = np.random.default_rng(seed)
        half = np.zeros(self.other.shape[0], dtype=bool)
        for rows in (bad, rest):
            half[draw.permutation(rows)[::2]] = True
        scores = np.zeros(len(half))
        for held in (half, ~half):
            scores[held] = self.train(rest[~held[rest]], bad[~held[bad]]).decision_function(self.other[held])
        return scores


def _shares(samples: Sequence[Sample]) -> Any:
    """(samples, buckets): per cent of a sample's n-grams in each bucket."""
    from scipy.sparse import csr_matrix

    columns, values, borders = [], [], [0]
    for one in samples:
        found, counts = np.unique(buckets(one.text), return_counts=True)
        columns.append(found.astype(np.int32))
        values.append((_WHOLE * counts / counts.sum()).astype(np.float32))
        borders.append(borders[-1] + len(found))
    return csr_matrix(
        (np.concatenate(values), np.concatenate(columns), borders), shape=(len(samples), 1 << BUCKET_BITS)
    )


def _rarity(*sides: Any) -> Any:
    """Inverse document frequency as a diagonal, with a mean of 1: what nearly every text has tells little."""
    from scipy.sparse import diags

    counts = sum(np.bincount(side.indices, minlength=1 << BUCKET_BITS) for side in sides)
    documents = sum(side.shape[0] for side in sides)
    weights = np.where(counts < _LEAST_OCCURRENCES, 0.0, np.log((1 + documents) / (1 + counts)))
    return diags(weights / weights[counts >= _LEAST_OCCURRENCES].mean()).tocsr()


def _threshold(scores: Any, may_lose: float) -> float:
    """The least limit that no more than this share of the scores is above."""
    return float(np.ceil(1e4 * np.quantile(scores, 1 - may_lose, method="higher")) / 1e4)


def _folds(samples: Sequence[Sample]) -> Any:
    """The fold of each: a source is in one fold whole. Where all are from one, the folds are of single documents."""
    counts = Counter(one.domain for one in samples)
    if len(counts) == 1:
        return np.arange(len(samples)) % _FOLDS
    sizes, fold_of = [0] * _FOLDS, {}
    for domain, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        fold_of[domain] = sizes.index(min(sizes))
        sizes[fold_of[domain]] += count
    return np.array([fold_of[one.domain] for one in samples])


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
