"""Documents that have a passage in common, whatever else they say: press releases copied into one another, quoted laws.

Two pages of which half is the same have a Jaccard similarity of a third, so MinHash does not see them. Here one run of
letters in eight, chosen by its hash (sketches by modulus: Broder 1997, section 3), is looked up in all documents. Runs
wait on disk, as the signatures of duplicates.py do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xinstr_core.corpus.characters import SCRIPTS_WITHOUT_SPACES, only_letters
from xinstr_core.corpus.runs import code_points, run_hashes
from xinstr_core.identity import normalised

# About four words. Shorter runs are set phrases: of 1,183 clean Vietnamese texts 29 share half of them at 12, 9 at 20
# (decision 0004).
_RUN = 20
_RUN_WITHOUT_SPACES = 12
# A hash's first bits choose the sampled runs, the next ones the file, the next 32 tell runs apart: of 10^8 sampled runs,
# those of a million documents, one in 2,700 meets another by chance.
_SAMPLED_BITS, _PART_BITS, _KEY_BITS = 3, 6, 32
_PARTS = 1 << _PART_BITS
_LEAST_RUNS = 8  # of a sketch: of fewer, one set phrase would be a large share
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class Overlap:
    """Two documents, by their numbers, and how much of them is the same, estimated."""

    document: int
    earlier: int
    similarity: float  # share of the shorter one's runs that both have (overlap coefficient)
    repeated: float  # share of the later one's runs that both have


def sketch(text: str, script: str) -> Any:
    """Hashes of the sampled runs of letters, uint64, each once. Case, punctuation, digits and spacing do not count.

    Of the format characters none counts: some are spaces, and the others are left out by half of the writers.
    """
    length = _RUN_WITHOUT_SPACES if script in SCRIPTS_WITHOUT_SPACES else _RUN
    letters = "".join(only_letters(normalised(text), format_characters=False).split())
    hashes = run_hashes(code_points(letters), length)
    return np.unique(hashes[hashes >> np.uint64(64 - _SAMPLED_BITS) == 0])


class OverlapSearch:
    """Sketches go in batch by batch; the pairs that share enough of them come out at the end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._sizes: list[Any] = []
        self._documents = 0
        self._runs = _Files(folder, "runs")
        self._pairs = _Files(folder, "pairs")

    def add(self, sizes: Any, hashes: Any) -> None:
        """Add documents: how many hashes each sketch has, and the hashes of all, one sketch after the other."""
        numbers = np.repeat(np.arange(self._documents, self._documents + len(sizes), dtype=np.uint64), sizes)
        parts = hashes >> np.uint64(64 - _SAMPLED_BITS - _PART_BITS)
        keys = hashes >> np.uint64(64 - _SAMPLED_BITS - _PART_BITS - _KEY_BITS) & _LOW
        self._runs.append(parts, keys << _HALF | numbers)
        self._sizes.append(sizes)
        self._documents += len(sizes)

    def find(self, left_out: Any, least: float) -> Iterator[Overlap]:
        """Pairs of a similarity of `least` or more, later documents in order. `left_out`: which do not count (boolean).

        A document is compared with the first that has a run and with the last one before itself; texts of fewer than eight
        sampled runs, some eighty letters, with none.
        """
        sizes = np.concatenate([np.empty(0, dtype=np.uint32), *self._sizes])
        compared = ~left_out & (sizes >= _LEAST_RUNS)
        self._pairs.clear()
        for packed in self._runs.read():
            pairs = _pairs_of(np.sort(packed[compared[packed & _LOW]]))
            self._pairs.append((pairs >> _HALF) * np.uint64(_PARTS) // np.uint64(max(1, self._documents)), pairs)
        for pairs in self._pairs.read():
            found, shared = np.unique(pairs, return_counts=True)
            later, earlier = found >> _HALF, found & _LOW
            similarity = shared / np.minimum(sizes[later], sizes[earlier])
            repeated = shared / sizes[later]
            for place in np.flatnonzero(similarity >= least).tolist():
                pair = int(later[place]), int(earlier[place])
                yield Overlap(*pair, float(similarity[place]), float(repeated[place]))


class _Files:
    """Numbers of 64 bits in as many files as there are parts, of which one at a time is in memory."""

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = [folder / f"{name}-{number:02}" for number in range(_PARTS)]
        self.clear()

    def clear(self) -> None:
        for path in self._paths:
            path.write_bytes(b"")

    def append(self, parts: Any, values: Any) -> None:
        order = np.argsort(parts, kind="stable")
        borders = np.searchsorted(parts[order], np.arange(_PARTS + 1))
        values = values[order]
        for path, start, end in zip(self._paths, borders[:-1], borders[1:], strict=True):
            if start < end:
                with path.open("ab") as stream:
                    stream.write(values[start:end].tobytes())

    def read(self) -> Iterator[Any]:
        for path in self._paths:
            yield np.fromfile(path, dtype=np.uint64)


def _pairs_of(packed: Any) -> Any:
    """(later << 32 | earlier) for every run that two documents have, from sorted (run << 32 | document)."""
    runs, documents = packed >> _HALF, packed & _LOW
    new = np.ones(len(runs), dtype=bool)
    new[1:] = runs[1:] != runs[:-1]
    repeats = np.flatnonzero(~new)
    firsts = np.flatnonzero(new)[np.cumsum(new)[repeats] - 1]
    others = repeats[repeats - 1 != firsts]  # where the one before is not the first as well
    later = documents[np.concatenate([repeats, others])]
    earlier = documents[np.concatenate([firsts, others - 1])]
    return later << _HALF | earlier
