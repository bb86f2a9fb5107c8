"""Choose rows evenly across clusters of instruction embeddings: the same rows every time."""

from __future__ import annotations

from typing import Any

import numpy
import polars as pl

KMEANS_ITERATIONS = 20
POINTS_PER_CENTROID = 256  # faiss's own subsample limit: more points per centroid do not move it


def cluster(vectors: Any, clusters: int, seed: int) -> tuple[Any, Any]:
    """(cluster of every row, distance to its centre) by faiss k-means on unit vectors (rows, dimensions) in float32.

    Squared Euclidean distances. Runs in one thread: sums in another order would differ in their last bits.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    clusters = min(clusters, len(vectors))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=KMEANS_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS_PER_CENTROID,
    )
    kmeans.train(vectors)
    distances, assigned = kmeans.index.search(vectors, 1)
    return assigned[:, 0].astype(numpy.int64), distances[:, 0].astype(numpy.float64)


def select_evenly(rows: pl.DataFrame, target: int) -> pl.DataFrame:
    """`target` of the rows, as even as the clusters allow, the best-rated of each; adds `rank_in_cluster` from 1.

    `rows` has pair_id, cluster_id and rating. Taking rank by rank is the even quota with its leftovers refilled round
    robin: every cluster gives its best row before any gives its second. Ties go by pair_id.
    """
    ranked = rows.sort(["cluster_id", "rating", "pair_id"], descending=[False, True, False]).with_columns(
        rank_in_cluster=pl.int_range(1, pl.len() + 1).over("cluster_id")
    )
    order = ["rank_in_cluster", "rating", "pair_id"]
    return ranked.sort(order, descending=[False, True, False]).head(target).sort("pair_id")


def cluster_entropy(clusters: pl.Series) -> float:
    """Shannon entropy of the cluster shares over its maximum: 1 is perfectly even; 1 for a single cluster."""
    counts = clusters.value_counts()["count"].to_numpy()
    shares = counts / counts.sum()
    return float(-(shares * numpy.log(shares)).sum() / numpy.log(len(counts))) if len(counts) > 1 else 1.0
