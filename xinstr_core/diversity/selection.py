"""Choose rows that differ in what is asked: evenly across clusters, or by marginal relevance. The same rows every time.

Evenly: every cluster gives its best row before any gives its second, which is the even quota with its leftovers refilled
round robin. By marginal relevance there is no quota: a row has to be unlike everything that was taken before it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy
import polars as pl

from xinstr_core.settings import DiversitySettings

HIGHEST_RATING = 3.0  # of the three levels
LOWEST_RATING = 1.0
REFRESHED_TOGETHER = 8  # rows: with fewer the calls cost more than the work, with more there is more work


@dataclass(frozen=True)
class Selection:
    """The rows with their `rank_in_cluster` from 1, by pair_id; and how many were passed over for which reason."""

    rows: pl.DataFrame
    near_duplicates: int
    of_full_topics: int


def select_rows(rows: pl.DataFrame, vectors: Any, settings: DiversitySettings) -> Selection:
    """At most `target_rows` of the rows by `settings.method`. Ties go to the better rated row, then by pair_id.

    `rows` has pair_id, cluster_id, rating, topic and `position`, its row in `vectors`: unit vectors, (n, dimensions).
    A row that is too similar to one already taken is passed over, and so is one whose topic has its share of the
    selection. Topics that many rows lack can make the selection smaller, but no share larger (a topic may always have
    one row).
    """
    # `priority` is a row's place by rating and key: comparing these numbers is comparing rows.
    ranked = (
        rows.sort(["rating", "pair_id"], descending=[True, False], nulls_last=True)
        .with_row_index("priority")
        .sort("cluster_id", "priority")
    )
    size = min(settings.target_rows, len(ranked))
    while True:
        topic_rows = max(1, int(settings.maximum_topic_share * size))
        draw = _Draw(ranked, vectors, settings, topic_rows)
        taken = draw.take(size)
        largest = max(draw.topics.values(), default=0)
        if len(taken) == size or largest <= max(1, int(settings.maximum_topic_share * len(taken))):
            break
        size = len(taken)  # the shares were of more rows than there are: shares of these
    selected = ranked[pl.Series(taken, dtype=pl.UInt32)].with_columns(
        rank_in_cluster=pl.int_range(1, pl.len() + 1).over("cluster_id")  # `taken` is in the order of taking
    )
    return Selection(selected.drop("priority").sort("pair_id"), draw.offers.near_duplicates, draw.of_full_topics)


class _Draw:
    """One pass over the ranked rows, with `topic_rows` as the most that a topic may have."""

    def __init__(self, ranked: pl.DataFrame, vectors: Any, settings: DiversitySettings, topic_rows: int) -> None:
        kind = _MarginalOffers if settings.method == "mmr" else _EvenOffers
        self.offers: _Offers = kind(ranked, vectors, settings)
        self.topics: Counter[str] = Counter()
        self.of_full_topics = 0
        self._topic_of = ranked["topic"] if settings.maximum_topic_share < 1 else None
        self._topic_rows = topic_rows

    def take(self, size: int) -> list[int]:
        """At most `size` rows of the ranked frame, in the order of taking."""
        taken: list[int] = []
        while len(taken) < size and (row := self.offers.next()) is not None:
            if self._topic_of is not None:
                topic = self._topic_of[row]
                if self.topics[topic] >= self._topic_rows:
                    self.of_full_topics += 1
                    continue
                self.topics[topic] += 1
            self.offers.take(row)
            taken.append(row)
        return taken


class _Offers(Protocol):
    """Rows of the ranked frame, one after the other, but for near-duplicates of taken ones."""

    near_duplicates: int

    def __init__(self, ranked: pl.DataFrame, vectors: Any, settings: DiversitySettings) -> None: ...

    def next(self) -> int | None:
        """The next row, or None when there is no more. It is not offered again, taken or not."""

    def take(self, row: int) -> None:
        """The row that was offered last is taken."""


class _EvenOffers:
    """Rank by rank: the best row that each cluster still has, those of a rank by priority."""

    def __init__(self, ranked: pl.DataFrame, vectors: Any, settings: DiversitySettings) -> None:
        self.near_duplicates = 0
        self._vectors, self._limit = vectors, settings.maximum_similarity
        self._positions, self._priorities = ranked["position"].to_numpy(), ranked["priority"].to_numpy()
        self._left = [_Left(iter(range(*run)), []) for run in _runs(ranked)]  # clusters that wait for the next rank
        self._rank: list[tuple[int, int, _Left]] = []  # a heap of what clusters offer in this one
        self._last = _Left(iter(()), [])  # the cluster of the last offer, until that is taken

    def next(self) -> int | None:
        self._offer(self._last)
        if not self._rank:
            waiting, self._left = self._left, []
            for cluster in waiting:
                self._offer(cluster)
        if not self._rank:
            return None
        _, row, self._last = heapq.heappop(self._rank)
        return row

    def take(self, row: int) -> None:
        self._last.taken.append(int(self._positions[row]))
        self._left.append(self._last)
        self._last = _Left(iter(()), [])

    def _offer(self, cluster: _Left) -> None:
        for row in cluster.rows:
            vector = self._vectors[self._positions[row]]
            if self._limit == 1 or _cosines(self._vectors[cluster.taken], vector).max(initial=-1) <= self._limit:
                heapq.heappush(self._rank, (int(self._priorities[row]), row, cluster))
                return
            self.near_duplicates += 1


@dataclass
class _Left:
    """The rows of a cluster that were not offered yet, best first, and the positions of those that were taken."""

    rows: Iterator[int]
    taken: list[int]


class _MarginalOffers:
    """All rows by maximal marginal relevance (Carbonell and Goldstein 1998).

    The next row is that of the largest weight * relevance - (1 - weight) * (cosine to the most similar taken row), where
    relevance is the rating between 0 and 1. The first is the best rated.

    Scores only fall as more is taken. So one that is out of date is still a bound, and only rows that reach the top of
    the heap are compared with what was taken since they were last there: a small part of all comparisons.
    """

    def __init__(self, ranked: pl.DataFrame, vectors: Any, settings: DiversitySettings) -> None:
        self.near_duplicates = 0
        self._vectors, self._settings = vectors, settings
        self._positions, self._priorities = ranked["position"].to_numpy(), ranked["priority"].to_numpy()
        ratings = ranked["rating"].fill_null(LOWEST_RATING).to_numpy()
        self._relevance = (ratings - LOWEST_RATING) / (HIGHEST_RATING - LOWEST_RATING)
        self._similarity = numpy.full(len(ranked), -1, numpy.float32)  # to the most similar taken row
        self._compared = numpy.zeros(len(ranked), numpy.int64)  # with how many of the taken rows
        self._taken = numpy.empty((min(settings.target_rows, len(ranked)), vectors.shape[1]), numpy.float32)
        self._count = 0
        self._heap = self._entries(numpy.arange(len(ranked)))
        heapq.heapify(self._heap)

    def next(self) -> int | None:
        limit = self._settings.maximum_similarity
        while self._heap:
            _, _, row = heapq.heappop(self._heap)
            if self._compared[row] < self._count:
                self._refresh(row)
            elif limit == 1 or self._similarity[row] <= limit:
                return row
            else:
                self.near_duplicates += 1
        return None

    def take(self, row: int) -> None:
        self._taken[self._count] = self._vectors[self._positions[row]]
        self._count += 1

    def _refresh(self, row: int) -> None:
        """Put the row back with its true score, and with it some of those that would be next."""
        import faiss

        rows = [row]
        while self._heap and len(rows) < REFRESHED_TOGETHER and self._compared[self._heap[0][2]] < self._count:
            rows.append(heapq.heappop(self._heap)[2])
        since = self._taken[self._compared[rows].min() : self._count]
        # For so few rows faiss takes no matrix product, whose last bits would depend on which rows come together.
        found, _ = faiss.knn(self._vectors[self._positions[rows]], since, 1, metric=faiss.METRIC_INNER_PRODUCT)
        self._similarity[rows] = numpy.maximum(self._similarity[rows], found[:, 0])
        self._compared[rows] = self._count
        for entry in self._entries(numpy.array(rows)):
            heapq.heappush(self._heap, entry)

    def _entries(self, rows: Any) -> list[tuple[float, int, int]]:
        """What the heap sorts by: the highest score first, then the better rated row."""
        weight = self._settings.relevance_weight
        falling = (1 - weight) * self._similarity[rows] - weight * self._relevance[rows]
        return list(zip(falling.tolist(), self._priorities[rows].tolist(), rows.tolist(), strict=True))


def _cosines(vectors: Any, vector: Any) -> Any:
    """Of each row of `vectors` with one more. Not a matrix product: that one's last bits depend on the threads."""
    return numpy.einsum("ij,j->i", vectors, vector)


def _runs(ranked: pl.DataFrame) -> Iterator[tuple[int, int]]:
    """Where each cluster begins and ends in rows sorted by cluster."""
    first = 0
    for length in ranked["cluster_id"].rle().struct.field("len"):
        yield first, first + length
        first += length
