"""Clusters of instruction embeddings by k-means: the same ones every time."""

from __future__ import annotations

from typing import Any

import numpy
import polars as pl

from xinstr_core.diversity.threads import one_thread
from xinstr_core.settings import DiversitySettings

KMEANS_ITERATIONS = 20
POINTS_PER_CENTROID = 256  # faiss's own subsample limit: more points per centroid do not move it


def cluster_count(rows: int, settings: DiversitySettings) -> int:
    """K: one cluster for every `rows_per_cluster` rows that will be selected, at least one."""
    return max(1, round(min(settings.target_rows, rows) / settings.rows_per_cluster))


def cluster(vectors: Any, clusters: int, seed: int) -> tuple[Any, Any]:
    """(cluster of every row, distance to its centre) by faiss k-means on unit vectors (rows, dimensions) in float32.

    Squared Euclidean distances. The order of the rows matters: give them by key. Runs in one thread: sums in another
    order would differ in their last bits.
    """
    import faiss

    clusters = min(clusters, len(vectors))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=KMEANS_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS_PER_CENTROID,
    )
    with one_thread():
        kmeans.train(vectors)
        distances, assigned = kmeans.index.search(vectors, 1)
    return assigned[:, 0].astype(numpy.int64), distances[:, 0].astype(numpy.float64)


def cluster_entropy(clusters: pl.Series, count: int) -> float:
    """Shannon entropy of the rows' shares in `count` clusters over its maximum, log(count): 1 is perfectly even.

    1 for a single cluster and for no rows at all.
    """
    counts = clusters.value_counts()["count"].to_numpy()
    shares = counts / counts.sum()
    return float(-(shares * numpy.log(shares)).sum() / numpy.log(count)) if count > 1 and len(counts) else 1.0
