"""What a learned filter is fitted on: the texts as shares of n-grams, what is unwanted among a crawl, and held-out scores.

A crawl is mostly good text of other sources than the trusted one, so that whatever tells the two apart is first of all
what they are about. So the part of the crawl that stands apart from both, the trusted text and the rest of the crawl, is
looked for in rounds (two-step learning from positive and unlabelled documents: Liu et al. 2003, ICDM), and only that is
learned as unwanted. The rest of the crawl is good text that the trusted text lacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xinstr_core.corpus.learned_filter import BUCKET_BITS, buckets

WHOLE = 100  # shares of n-grams are in per cent: the penalty knows no units
_FOLDS = 5
_LEAST_OCCURRENCES = 3  # documents that an n-gram must stand in to be learned
_PENALTY = 10.0  # inverse strength; of 1, 10 and 100 the best on spam of another hand (benchmarks/learned_filter.md)
# Shares of a crawl that are taken for unwanted, round by round.
_SHARES = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.09, 0.07, 0.05, 0.04, 0.03, 0.02)
# Log-odds between the median of what was taken for unwanted and 0.95 of the rest, all held out. Of crawls of good pages parts
# of twenty and more reached 3.0, those with spam 6.5 to 14 (id and tr of benchmarks/learned_filter.py).
_APART = 5.0
_LAST_ROUNDS = 20  # at most: most parts are whole after two, one of half a crawl took ten
_MOST_PARTS = 5  # kinds of unwanted text in a crawl
_ROUNDS_OF_EXAMPLES = 2  # in which what is like them leaves a crawl
_LEAST_BAD = 8  # documents of a part: five Turkish treaties are a formula, too


@dataclass(frozen=True)
class Sample:
    """A document that the other checks keep, and the site or source that it is from."""

    text: str
    domain: str


@dataclass(frozen=True)
class Sides:
    """Both sides as rows of a sparse matrix each, and the fold in which each row is held out."""

    good: Any
    other: Any  # examples of what is unwanted, a crawl, or the one before the other
    good_folds: Any
    other_folds: Any
    rarity: Any

    @classmethod
    def of(cls, trusted: Sequence[Sample], others: Sequence[Sample]) -> Sides:
        good, other = _shares(trusted), _shares(others)
        rarity = _rarity(good, other)
        return cls(good @ rarity, other @ rarity, _folds(trusted), _folds(others), rarity)

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

    def held_out_scores(self, bad: Any, rest: Any) -> tuple[Any, Any]:
        """Log-odds of the rows of both sides, each by a classifier that saw nothing of their fold."""
        scores, others = np.zeros(self.good.shape[0]), np.zeros(self.other.shape[0])
        other_folds = self.other_folds
        if len(np.unique(other_folds[bad])) == 1:  # of one site: without it nothing would be left to learn from
            other_folds = np.arange(len(others)) % _FOLDS
            other_folds[bad] = np.arange(len(bad)) % _FOLDS
        for fold in range(_FOLDS):
            held, others_held = self.good_folds == fold, other_folds == fold
            if not held.any() and not others_held.any():
                continue
            model = self.train(rest[~others_held[rest]], bad[~others_held[bad]], ~held)
            for matrix, out, rows in ((self.good, scores, held), (self.other, others, others_held)):
                if rows.any():
                    out[rows] = model.decision_function(matrix[rows])
        return scores, others

    def standing_apart(self) -> Any:
        """The rows of a crawl that are unlike the trusted ones and unlike the rest of it; None where there are none.

        They may be of several kinds: what is left after the first is searched again, until nothing stands apart.
        """
        left = np.arange(self.other.shape[0])
        parts: list[Any] = []
        while len(parts) < _MOST_PARTS and len(left) >= 2 * _LEAST_BAD and (part := self._part_apart(left)) is not None:
            parts.append(part)
            left = np.setdiff1d(left, part)
        return self._grown(np.concatenate(parts), left) if parts else None

    def _part_apart(self, rows: Any) -> Any:
        """The first part of some rows of a crawl that stands apart.

        Round by round fewer are taken for unwanted, and by the others what the crawl has in common is unlearned. The first
        part that stands apart is then grown, or trimmed, to what is likelier unwanted than not.
        """
        bad, rest = rows, rows[:0]
        for number, share in enumerate(_SHARES):
            scores = self._crawl_scores(bad, rest, number)
            if len(rest) and np.median(scores[bad]) - np.quantile(scores[rest], 0.95) >= _APART:
                return self._grown(bad, rest)
            order = rows[np.argsort(-scores[rows], kind="stable")]
            count = max(_LEAST_BAD, round(share * len(rows)))
            bad, rest = order[:count], order[count:]
        return None

    def _grown(self, bad: Any, rest: Any) -> Any:
        """What is likelier unwanted than not, when that is asked again until nothing changes; None of a handful."""
        rows = np.union1d(bad, rest)
        for number in range(_LAST_ROUNDS):
            scores = self._crawl_scores(bad, rest, number)[rows]
            before, bad, rest = bad, rows[scores > 0], rows[scores <= 0]
            if len(bad) < _LEAST_BAD:
                return None
            if np.array_equal(np.sort(before), bad):
                break
        return bad

    def unlike(self, bad: Any, rest: Any) -> Any:
        """Of a crawl's rows those that are likelier good than like the examples, of which the crawl has some, too."""
        for number in range(_ROUNDS_OF_EXAMPLES):
            rest = rest[self._crawl_scores(bad, rest, number)[rest] <= 0]
        return rest

    def _crawl_scores(self, bad: Any, rest: Any, seed: int) -> Any:
        """Log-odds of the bad rows and the rest, each by a classifier that saw one half of them and not the row."""
        draw = np.random.default_rng(seed)
        half = np.concatenate([draw.permutation(rows)[::2] for rows in (bad, rest)])
        scores = np.full(self.other.shape[0], np.nan)
        for held in (half, np.setdiff1d(np.concatenate([bad, rest]), half)):
            model = self.train(np.setdiff1d(rest, held), np.setdiff1d(bad, held))
            scores[held] = model.decision_function(self.other[held])
        return scores


def _shares(samples: Sequence[Sample]) -> Any:
    """(samples, buckets): per cent of a sample's n-grams in each bucket."""
    from scipy.sparse import csr_matrix

    columns, values, borders = [], [], [0]
    for one in samples:
        found, counts = np.unique(buckets(one.text), return_counts=True)
        columns.append(found.astype(np.int32))
        values.append((WHOLE * counts / counts.sum()).astype(np.float32))
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
