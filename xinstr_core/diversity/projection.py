"""Two dimensions of many, for a map."""

from __future__ import annotations

from typing import Any

import numpy

from xinstr_core.diversity.threads import one_thread

PERPLEXITY = 30.0
LEAST_POINTS = 4  # fewer have no neighbourhoods


def project(vectors: Any, seed: int) -> Any:
    """Coordinates (rows, 2) between 0 and 1 of unit vectors (rows, dimensions), by t-SNE (van der Maaten and Hinton 2008).

    Not principal components: two of them hold a tenth of what sentence vectors vary by, so that clusters lie on top of
    each other. On such a map neighbours mean something, the distances between groups do not. The same rows in the same
    order give the same coordinates: one thread, as the method magnifies last bits.
    """
    from sklearn.manifold import TSNE

    if len(vectors) < LEAST_POINTS:
        return numpy.linspace((0, 0), (1, 1), len(vectors))
    with one_thread():
        points = TSNE(
            perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3), init="pca", random_state=seed, n_jobs=1
        ).fit_transform(numpy.ascontiguousarray(vectors))
    low, high = points.min(axis=0), points.max(axis=0)
    return ((points - low) / numpy.maximum(high - low, numpy.finfo(points.dtype).tiny)).astype(numpy.float64).round(4)
