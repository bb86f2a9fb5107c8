"""Duplicates over a whole corpus: equal keys, and near-duplicates by MinHash. Each points at the document it repeats.

Signatures wait on disk: memory grows with the number of documents (benchmarks/corpus.md) and not with their text.
A document that repeats an earlier one goes, so the answer depends on the order of the documents and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES
from xinstr_core.corpus.runs import code_points, run_hashes
from xinstr_core.identity import normalised

# 21 bands of 6: documents of Jaccard similarity 0.8 share a band with probability 0.998, those of 0.4 with 0.08; every
# pair found so is verified (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4).
BANDS = 21
ROWS = 6
PERMUTATIONS = BANDS * ROWS
_SEED = 42
_WORDS, _RUN = 3, 5  # of a shingle
_PAIRS_AT_ONCE = 8192  # signatures of 126 x 4 bytes: 8 MB for both sides


def shingles(texts: Sequence[str], script: str) -> list[Any]:
    """Hashes of each text's word triples, or runs of five characters in scripts that write no spaces between words.

    A text of fewer words or characters is one shingle.
    """
    from rensa import RMinHash

    forms = [normalised(text) for text in texts]
    if script in SCRIPTS_WITHOUT_SPACES:
        return [_runs_or_all(code_points(form), _RUN) for form in forms]
    words = RMinHash.hash_token_sets([form.split() for form in forms])
    return [_runs_or_all(np.array(hashes, dtype=np.uint64), _WORDS) for hashes in words]


def signatures(texts: Sequence[str], script: str) -> Any:
    """MinHash signatures of texts: (texts, PERMUTATIONS) of uint32."""
    from rensa import RMinHash

    found = shingles(texts, script)
    borders = np.cumsum([0, *map(len, found)])
    hashes = np.concatenate([np.empty(0, dtype=np.uint64), *found])
    if not len(hashes):
        return np.zeros((len(texts), PERMUTATIONS), dtype=np.uint32)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, borders, PERMUTATIONS, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32)


def _runs_or_all(units: Any, length: int) -> Any:
    """Mixed, since the permutations take all bits of a hash and its low ones are poor."""
    hashes = run_hashes(units, min(length, max(1, len(units))))
    return hashes ^ (hashes >> np.uint64(32))


@dataclass(frozen=True, slots=True)
class Match:
    """A document that repeats an earlier one. Documents are numbers in the order in which they were added."""

    document: int
    earlier: int
    kept: int  # the first of their group
    similarity: float  # estimated Jaccard similarity to `earlier`; 1 when the keys are equal
    exact: bool


class DuplicateSearch:
    """Documents go in batch by batch; the duplicates among all of them come out at the end."""

    def __init__(self, folder: Path, similarity: float) -> None:
        """`similarity` is a Jaccard similarity of shingles, in a folder of this search's own."""
        folder.mkdir(parents=True, exist_ok=True)
        # An estimate from PERMUTATIONS minima has this standard error at the limit. A pair counts while the limit lies
        # within its one-sided 95 % interval: at the limit itself 95 % are found, not half.
        error = (similarity * (1 - similarity) / PERMUTATIONS) ** 0.5
        self.least = similarity - 1.645 * error
        self._keys: list[Any] = []
        self._rows = folder / "signatures"
        self._bands = [folder / f"band-{number:02}" for number in range(BANDS)]
        for path in (self._rows, *self._bands):
            path.write_bytes(b"")

    def add(self, keys: Sequence[str], rows: Any) -> None:
        """Add documents by their content keys and signatures."""
        # 64 of a key's 80 bits: two of 10^8 documents share them by chance with probability 3e-4.
        self._keys.append(np.array([int(key[:16], 16) for key in keys], dtype=np.uint64))
        with self._rows.open("ab") as stream:
            stream.write(rows.tobytes())
        for number, path in enumerate(self._bands):
            with path.open("ab") as stream:
                stream.write(_band(rows[:, number * ROWS : (number + 1) * ROWS]).tobytes())

    def find(self) -> Iterator[Match]:
        """Every duplicate, in the order of the documents."""
        keys = np.concatenate(self._keys) if self._keys else np.empty(0, dtype=np.uint64)
        groups = _Groups(len(keys))
        earlier = np.full(len(keys), -1, dtype=np.int64)
        similarity = np.zeros(len(keys))
        for first, later in zip(*_repeats(keys), strict=True):
            groups.join(first, later)
            earlier[later], similarity[later] = first, 2.0  # above any estimate
        unique = np.flatnonzero(earlier < 0)
        if len(unique) > 1:
            rows = np.memmap(self._rows, dtype=np.uint32, mode="r").reshape(-1, PERMUTATIONS)
            for path in self._bands:
                band = np.fromfile(path, dtype=np.uint64)[unique]
                for one, other, estimate in self._verified(rows, unique, band, groups, earlier):
                    groups.join(one, other)
                    if estimate > similarity[other]:
                        earlier[other], similarity[other] = one, estimate
        for document in np.flatnonzero(earlier >= 0).tolist():
            exact = bool(similarity[document] > 1)
            yield Match(
                document,
                int(earlier[document]),
                groups.first(document),
                1.0 if exact else float(similarity[document]),
                exact,
            )

    def _verified(
        self, rows: Any, unique: Any, band: Any, groups: _Groups, earlier: Any
    ) -> Iterator[tuple[int, int, float]]:
        """Pairs that share the band, tell something new, and are similar enough.

        Two that one later document brought into one group may still be like each other: the second of them repeats
        nothing yet, and is looked at until it does.
        """
        firsts, laters = _repeats(band)
        neighbours = _neighbours(band)
        pairs = np.concatenate([np.stack([firsts, laters], 1), neighbours])
        pairs = unique[np.unique(pairs, axis=0)]
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            block = pairs[start : start + _PAIRS_AT_ONCE]
            block = block[groups.apart(block) | (earlier[block[:, 1]] < 0)]
            estimates = (rows[block[:, 0]] == rows[block[:, 1]]).mean(axis=1)
            for (one, other), estimate in zip(block.tolist(), estimates.tolist(), strict=True):
                if estimate >= self.least:
                    yield one, other, estimate


class _Groups:
    """Union-find whose roots are the first documents of their groups."""

    def __init__(self, documents: int) -> None:
        self._parent = np.arange(documents, dtype=np.int64)

    def first(self, document: int) -> int:
        parent = self._parent
        root = document
        while parent[root] != root:
            root = int(parent[root])
        while parent[document] != root:
            parent[document], document = root, int(parent[document])
        return root

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self.first(one), self.first(other)))
        self._parent[second] = first

    def apart(self, pairs: Any) -> Any:
        """Which pairs are not in one group yet."""
        return np.array([self.first(one) != self.first(other) for one, other in pairs.tolist()], dtype=bool)


def _band(rows: Any) -> Any:
    """One 64-bit hash of each row, by Fibonacci hashing (Knuth, TAOCP 3, section 6.4)."""
    combined = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T.astype(np.uint64):
        combined = (combined ^ column) * np.uint64(0x9E3779B97F4A7C15)
        combined ^= combined >> np.uint64(29)
    return combined


def _repeats(values: Any) -> tuple[Any, Any]:
    """(first, later) for every value that occurs again: the place of its first occurrence, and its own."""
    order = np.argsort(values, kind="stable")
    new = np.ones(len(values), dtype=bool)
    new[1:] = values[order][1:] != values[order][:-1]
    firsts = order[new][np.cumsum(new) - 1]
    return firsts[~new], order[~new]


def _neighbours(values: Any) -> Any:
    """Pairs of places whose equal values follow each other: a repeat may be like its neighbour and unlike the first."""
    order = np.argsort(values, kind="stable")
    equal = values[order][1:] == values[order][:-1]
    return np.stack([order[:-1][equal], order[1:][equal]], 1)
