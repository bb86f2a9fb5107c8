"""The topic of an instruction: the one whose description is nearest to it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from xinstr_core.diversity.threads import one_thread

TOPICS_FILE = Path(str(files(__package__) / "topics.toml"))


def descriptions() -> dict[str, str]:
    """Topics and what each is about, in English."""
    return {str(topic): str(text) for topic, text in tomllib.loads(TOPICS_FILE.read_text("utf-8")).items()}


def nearest_topics(vectors: Any, encode: Callable[[Sequence[str]], Any]) -> list[str]:
    """The topic of each row of `vectors`: unit vectors (rows, dimensions) in float32 of the same encoder."""
    import faiss

    topics = descriptions()
    with one_thread():
        _, nearest = faiss.knn(vectors, encode(list(topics.values())), 1, metric=faiss.METRIC_INNER_PRODUCT)
    names = list(topics)
    return [names[index] for index in nearest[:, 0]]
