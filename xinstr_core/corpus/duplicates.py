"""Near-duplicates: MinHash over shingles that suit the script, each duplicate pointing at the document it repeats."""

from __future__ import annotations

from typing import Any

from xinstr_core.identity import normalised

PERMUTATIONS = 128
BANDS = 16  # 16 bands of 8 rows: the S-curve's steep part lies near 0.7, below the similarity that is then verified
SCRIPTS_WITHOUT_SPACES = frozenset({"Hans", "Hant", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})


def shingles(text: str, script: str) -> list[str]:
    """Word triples, or runs of five characters in scripts that write no spaces between words."""
    form = normalised(text)
    if script in SCRIPTS_WITHOUT_SPACES:
        return [form[i : i + 5] for i in range(max(1, len(form) - 4))]
    words = form.split()
    return [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]


class DuplicateIndex:
    """Documents seen so far. Order matters: the first of a group is the one that stays."""

    def __init__(self, script: str, similarity: float) -> None:
        from rensa import RMinHashLSH

        self._script = script
        self._similarity = similarity
        self._lsh = RMinHashLSH(threshold=similarity, num_perm=PERMUTATIONS, num_bands=BANDS)
        self._hashes: list[Any] = []
        self._keys: list[str] = []

    def find_or_add(self, key: str, text: str) -> tuple[str, float] | None:
        """The earlier document that `text` repeats and their estimated similarity, or None: then it is added."""
        from rensa import RMinHash

        minhash = RMinHash(num_perm=PERMUTATIONS, seed=42)
        minhash.update(shingles(text, self._script))
        for index in sorted(self._lsh.query(minhash)):
            similarity = float(minhash.jaccard(self._hashes[index]))
            if similarity >= self._similarity:
                return self._keys[index], similarity
        self._lsh.insert(len(self._keys), minhash)
        self._hashes.append(minhash)
        self._keys.append(key)
        return None
