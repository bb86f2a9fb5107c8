"""Choose rows evenly across clusters of instruction embeddings: the same rows every time.

Every cluster gives its best row before any gives its second: that is the even quota with its leftovers refilled round
robin. What a cluster's next row is depends on what was taken of it, so only taken rows cost comparisons.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
import polars as pl

from xinstr_core.settings import DiversitySettings

HIGHEST_RATING = 3.0  # of the three levels
LOWEST_RATING = 1.0


@dataclass(frozen=True)
class Selection:
    """The rows with their `rank_in_cluster` from 1, by pair_id; and how many were passed over for which reason."""

    rows: pl.DataFrame
    near_duplicates: int
    of_full_topics: int


def select_evenly(rows: pl.DataFrame, vectors: Any, settings: DiversitySettings) -> Selection:
    """At most `target_rows` of the rows, as even as the clusters allow, the best-rated of each. Ties go by pair_id.

    `rows` has pair_id, cluster_id, rating, topic and `position`, its row in `vectors`: unit vectors, (n, dimensions).
    A row that is too similar to one already taken of its cluster is passed over, and so is one whose topic has its
    share of the selection. Topics that many rows lack can make the selection smaller, but no share larger (a topic may
    always have one row).
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
    return Selection(
        selected.drop("priority").sort("pair_id"), sum(c.near_duplicates for c in draw.clusters), draw.of_full_topics
    )


class _Draw:
    """One pass over the clusters, rank by rank, with `topic_rows` as the most that a topic may have."""

    def __init__(self, ranked: pl.DataFrame, vectors: Any, settings: DiversitySettings, topic_rows: int) -> None:
        kind = _MarginalCluster if settings.method == "mmr" else _Cluster
        positions, ratings = ranked["position"].to_numpy(), ranked["rating"].fill_null(LOWEST_RATING).to_numpy()
        self.clusters = [
            kind(first, positions[first:end], ratings[first:end], vectors, settings) for first, end in _runs(ranked)
        ]
        self.topics: Counter[str] = Counter()
        self.of_full_topics = 0
        self._priorities = ranked["priority"].to_numpy()
        self._topic_of = ranked["topic"] if settings.maximum_topic_share < 1 else None
        self._topic_rows = topic_rows

    def take(self, size: int) -> list[int]:
        """At most `size` rows of the ranked frame, in the order of taking."""
        taken: list[int] = []
        going = self.clusters
        while going and len(taken) < size:
            offers = [offer for cluster in going if (offer := self._offer(cluster))]
            heapq.heapify(offers)
            going = []
            while offers and len(taken) < size:
                _, row, cluster = heapq.heappop(offers)
                if self._is_full(row):
                    self.of_full_topics += 1
                    if other := self._offer(cluster):
                        heapq.heappush(offers, other)
                    continue
                taken.append(row)
                cluster.take(row)
                if self._topic_of is not None:
                    self.topics[self._topic_of[row]] += 1
                going.append(cluster)
        return taken

    def _offer(self, cluster: _Cluster) -> tuple[int, int, _Cluster] | None:
        row = cluster.offer()
        return None if row is None else (int(self._priorities[row]), row, cluster)

    def _is_full(self, row: int) -> bool:
        return self._topic_of is not None and self.topics[self._topic_of[row]] >= self._topic_rows


class _Cluster:
    """The rows of one cluster, best rated first, those near to a taken one passed over.

    `first` is the place of its first row in the ranked frame; `positions` and `ratings` are of its rows in that order.
    """

    def __init__(self, first: int, positions: Any, ratings: Any, vectors: Any, settings: DiversitySettings) -> None:
        self._first, self._positions, self._vectors, self._settings = first, positions, vectors, settings
        self._next = 0
        self._taken: list[int] = []
        self.near_duplicates = 0

    def offer(self) -> int | None:
        """The next row, or None when there is no more. It is not offered again, taken or not."""
        while (index := self._best()) is not None:
            if self._settings.maximum_similarity == 1 or self._similarity(index) <= self._settings.maximum_similarity:
                return self._first + index
            self.near_duplicates += 1
        return None

    def take(self, row: int) -> None:
        self._taken.append(int(self._positions[row - self._first]))

    def _best(self) -> int | None:
        self._next += 1
        return self._next - 1 if self._next <= len(self._positions) else None

    def _similarity(self, index: int) -> float:
        """Cosine to the most similar taken row; -1 while none is taken."""
        return float(_cosines(self._vectors[self._taken], self._vectors[self._positions[index]]).max(initial=-1))


class _MarginalCluster(_Cluster):
    """The rows of one cluster by maximal marginal relevance (Carbonell and Goldstein 1998).

    The next row is that of the largest weight * relevance - (1 - weight) * (cosine to the most similar taken row), where
    relevance is the rating between 0 and 1. The first is the best rated.
    """

    def __init__(self, first: int, positions: Any, ratings: Any, vectors: Any, settings: DiversitySettings) -> None:
        super().__init__(first, positions, ratings, vectors, settings)
        self._relevance = (ratings - LOWEST_RATING) / (HIGHEST_RATING - LOWEST_RATING)
        self._nearest = numpy.full(len(positions), -1, numpy.float32)
        self._left = numpy.ones(len(positions), bool)

    def take(self, row: int) -> None:
        cosines = _cosines(self._vectors[self._positions], self._vectors[self._positions[row - self._first]])
        numpy.maximum(self._nearest, cosines, out=self._nearest)

    def _best(self) -> int | None:
        if not self._left.any():
            return None
        weight = self._settings.relevance_weight
        score = weight * self._relevance - (1 - weight) * self._nearest
        index = int(numpy.where(self._left, score, -numpy.inf).argmax())
        self._left[index] = False
        return index

    def _similarity(self, index: int) -> float:
        return float(self._nearest[index])


def _cosines(vectors: Any, vector: Any) -> Any:
    """Of each row of `vectors` with one more. Not a matrix product: that one's last bits depend on the threads."""
    return numpy.einsum("ij,j->i", vectors, vector)


def _runs(ranked: pl.DataFrame) -> Iterator[tuple[int, int]]:
    """Where each cluster begins and ends in rows sorted by cluster."""
    first = 0
    for length in ranked["cluster_id"].rle().struct.field("len"):
        yield first, first + length
        first += length
