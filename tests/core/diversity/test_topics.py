"""Each instruction gets the topic whose description is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from xinstr_core.diversity.topics import descriptions, nearest_topics


def test_there_are_seventeen_topics_each_described_by_a_sentence_of_its_own() -> None:
    topics = descriptions()
    assert len(topics) == len(set(topics.values())) == 17
    assert all(topic == topic.lower() and text.endswith(".") for topic, text in topics.items())


def test_the_topic_is_that_of_the_largest_cosine() -> None:
    names = list(descriptions())

    def encode(texts: Sequence[str]) -> Any:
        assert list(texts) == list(descriptions().values())
        return numpy.eye(17, dtype=numpy.float32)

    vectors = numpy.zeros((3, 17), dtype=numpy.float32)
    vectors[0, 4] = 1
    vectors[1, [2, 16]] = [0.6, 0.8]
    vectors[2, [0, 9]] = [0.8, -0.6]
    assert nearest_topics(vectors, encode) == [names[4], names[16], names[0]]
