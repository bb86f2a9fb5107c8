"""How varied a selection is, beside random selections of the same size from the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy
import polars as pl

from xinstr_core.diversity.clusters import cluster_entropy
from xinstr_core.diversity.requests import Request, verb_object
from xinstr_core.diversity.threads import one_thread
from xinstr_core.schemas.diversified_set import DiversityFigures, DiversityMeasures, RandomMeasure

RANDOM_DRAWS = 20
QUERY_ROWS = 1000  # rows of a selection whose nearest neighbour in it is looked for: for the mean they are enough
DIGITS = 4


def compare_with_random(
    selected: pl.DataFrame, pool: pl.DataFrame, vectors: Any, clusters: int, seed: int
) -> DiversityFigures | None:
    """Measures of the selected rows, and of 20 random draws of as many from `pool`: mean, lowest and highest.

    `pool` holds the selected rows too and has pair_id, cluster_id, instruction and `position`, a row's place in
    `vectors`; `clusters` is how many clusters there are. None for no selected rows.
    """
    if selected.is_empty():
        return None
    rows = _Rows(pool.sort("pair_id"), vectors, clusters)
    chosen = rows.pair_ids.is_in(selected["pair_id"].implode()).arg_true().to_numpy()
    random = numpy.random.default_rng(seed)
    size, of = len(chosen), len(rows.pair_ids)
    draws = [rows.measures(numpy.sort(random.choice(of, size, replace=False))) for _ in range(RANDOM_DRAWS)]
    return DiversityFigures(
        selected=DiversityMeasures(**{name: round(value, DIGITS) for name, value in rows.measures(chosen).items()}),
        random={name: _summary([measures[name] for measures in draws]) for name in draws[0]},
    )


def nearest_neighbour_distance(vectors: Any) -> float:
    """Mean cosine distance (1 - cosine) of a row to the nearest other one; 0 for fewer than two rows.

    Of the first 1,000 rows in this order, each looked up among all.
    """
    import faiss

    if len(vectors) < 2:
        return 0.0
    with one_thread():
        # The nearest of all is the row itself, or one that is equal to it.
        cosines, _ = faiss.knn(vectors[:QUERY_ROWS], vectors, 2, metric=faiss.METRIC_INNER_PRODUCT)
    return float((1 - cosines[:, 1].astype(numpy.float64)).mean())


class _Rows:
    """What the measures need of every row of the pool, read once."""

    def __init__(self, pool: pl.DataFrame, vectors: Any, clusters: int) -> None:
        self.pair_ids = pool["pair_id"]
        self._cluster_ids, self._clusters = pool["cluster_id"], clusters
        self._requests: list[Request | None] = [verb_object(text) for text in pool["instruction"]]
        self._positions = pool["position"].to_numpy()
        self._vectors = vectors

    def measures(self, places: Any) -> dict[str, float]:
        requests = [request for place in places if (request := self._requests[place])]
        verbs = Counter(request.verb for request in requests)
        return {
            "verb_object_pairs": len({request for request in requests if request.noun}),
            "top_verb_share": max(verbs.values(), default=0) / max(1, len(requests)),
            "cluster_entropy": cluster_entropy(self._cluster_ids[places], self._clusters),
            "neighbour_distance": nearest_neighbour_distance(self._vectors[self._positions[places]]),
        }


def _summary(values: Sequence[float]) -> RandomMeasure:
    mean, low, high = (round(value, DIGITS) for value in (sum(values) / len(values), min(values), max(values)))
    return RandomMeasure(mean=mean, low=low, high=high)
