"""Which texts are most like a text: by the runs of letters that they share, so for every language, and without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xinstr_core.curation.neighbours import RUN
from xinstr_core.identity import content_key, normalised

NEAREST = 4  # texts that an instruction is tried with beside its own
POOL = 2000  # texts among which they are sought, so that cost grows with the texts and memory does not
_BLOCK = 1000


def near_texts(texts: Mapping[str, str], pool: Iterable[str], nearest: int = NEAREST) -> dict[str, list[str]]:
    """The `nearest` texts of the pool to each text, nearest first, by key; never the text itself, or one with nothing alike.

    Cosine of tf-idf over runs of four letters within words. Of a larger pool POOL texts are taken, by their content.
    """
    chosen = _chosen(pool)
    if not chosen or not texts:
        return {key: [] for key in texts}
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(RUN, RUN), sublinear_tf=True)
    try:
        held = vectors.fit_transform(chosen)
    except ValueError:  # no text has a run of letters
        return {key: [] for key in texts}
    forms = [normalised(text) for text in chosen]
    found: dict[str, list[str]] = {}
    keys = list(texts)
    for start in range(0, len(keys), _BLOCK):
        block = keys[start : start + _BLOCK]
        alike = (vectors.transform([texts[key] for key in block]) @ held.T).toarray()
        found |= {
            key: _nearest(row, chosen, forms, normalised(texts[key]), nearest)
            for key, row in zip(block, alike, strict=True)
        }
    return found


def _nearest(alike: Any, chosen: Sequence[str], forms: Sequence[str], own: str, count: int) -> list[str]:
    order = (-alike).argsort(kind="stable")[: count + 1]
    return [chosen[place] for place in order if forms[place] != own and alike[place] > 0][:count]


def _chosen(pool: Iterable[str]) -> list[str]:
    distinct = {content_key(form): text for text in pool if (form := normalised(text))}
    return [distinct[key] for key in sorted(distinct)[:POOL]]
