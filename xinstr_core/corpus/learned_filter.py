"""Learned filters: what a person would refuse and no measure of form can see, by a linear classifier over character n-grams.

Of a text only letters, and where digits and marks stand, are looked at: neither its lines, its length, its case nor which
marks it uses can be learned. Weights are whole numbers, so a text has the same score on every machine.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from xinstr_core.corpus.runs import code_points, run_hashes
from xinstr_core.errors import SettingsError
from xinstr_core.identity import file_hash, normalised

RUNS = (3, 4, 5)  # characters of an n-gram
BUCKET_BITS = 16  # of an n-gram's hash; 18 found no more (benchmarks/learned_filter.md), and 16 are 128 kB of weights
_PLANES = 0x20000  # code points of the planes that have marks and digits; beyond are letters, and few


_NAME = r"^[a-z][a-z0-9_]{0,29}$"  # part of a file's name and of a reject's reason
FilterName = Annotated[str, StringConstraints(pattern=_NAME)]


class FittedFilter(BaseModel):
    """One filter in a pack: its limit, and what it was fitted from. The weights are in a file beside the pack."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    threshold: float = Field(description="log-odds of being unwanted above which a document is refused")
    intercept: float
    scale: float = Field(gt=0, description="what a weight of 1 stands for")
    weights: str = Field(description="hash of the file of weights")
    may_lose: float = Field(gt=0, lt=1, description="share of trusted documents that the limit may cost")
    trusted: int = Field(ge=1, description="documents that were trusted")
    unwanted: int = Field(ge=1, description="documents that were, or were taken for, unwanted")
    lost: float = Field(ge=0, le=1, description="share of held-out trusted documents that is refused")
    precision: float = Field(ge=0, le=1, description="share of unwanted among refused held-out documents")
    recall: float = Field(ge=0, le=1, description="share of held-out unwanted documents that is refused")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of a text: log-odds of being unwanted, against its limit."""

    name: str
    score: float
    threshold: float

    @property
    def reason(self) -> str:
        return f"learned_{self.name}"

    @property
    def is_refused(self) -> bool:
        return self.score > self.threshold


@dataclass(frozen=True, eq=False)
class LearnedFilter:
    """A filter with its weights, int16 of 2 ** BUCKET_BITS."""

    name: str
    fitted: FittedFilter
    weights: Any

    def judge(self, found: Any) -> Verdict:
        """The verdict on a text by the buckets of its n-grams."""
        total = int(self.weights[found].sum(dtype=np.int64))
        score = self.fitted.intercept + self.fitted.scale * total / max(1, len(found))
        return Verdict(self.name, round(score, 4), self.fitted.threshold)


def verdict(text: str, filters: Iterable[LearnedFilter]) -> Verdict | None:
    """The verdict that speaks most against a text; None without filters."""
    filters = tuple(filters)
    if not filters:
        return None
    found = buckets(text)
    return max((one.judge(found) for one in filters), key=lambda one: one.score - one.threshold)


def buckets(text: str) -> Any:
    """The bucket of every n-gram of a text, as often as it occurs."""
    points = code_points(normalised(text))
    letters = _folded_points()[np.minimum(points, _PLANES - 1)]
    letters = np.where(points < _PLANES, letters, points)
    hashes = np.concatenate([run_hashes(letters, length) for length in RUNS])
    return (hashes >> np.uint64(64 - BUCKET_BITS)).astype(np.intp)


@cache
def _folded_points() -> Any:
    """For every code point what stands for it: one for all digits, one for all marks, itself for letters."""
    folded = np.arange(_PLANES, dtype=np.uint32)
    for point in range(_PLANES):
        category = unicodedata.category(chr(point))
        if category == "Nd":
            folded[point] = ord("0")
        elif category[0] in "PSN":
            folded[point] = ord(".")
    return folded


def check_filter_name(name: str) -> str:
    """The name itself. SettingsError when it cannot be a filter's."""
    if not re.fullmatch(_NAME, name):
        raise SettingsError(f"{name!r} cannot name a filter: use a-z, 0-9 and _, such as gambling")
    return name


def weights_file(pack: Path, name: str) -> Path:
    """Where the weights of a pack's filter are: packs/id.toml has packs/id.gambling.npy."""
    return pack.with_name(f"{pack.stem}.{name}.npy")


def write_filter(pack: Path, learned: LearnedFilter) -> FittedFilter:
    """Write a filter's weights beside a pack, and give what the pack says of it. The same weights give the same bytes."""
    path = weights_file(pack, learned.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        np.save(stream, learned.weights, allow_pickle=False)
    temporary.replace(path)
    return learned.fitted.model_copy(update={"weights": file_hash(path)})


def read_filter(pack: Path, name: str, fitted: FittedFilter) -> LearnedFilter:
    """A pack's filter. SettingsError where its weights are missing or others."""
    path = weights_file(pack, name)
    again = f"fit {name} again with `xinstr languages fit`, or take it out of {pack}"
    if not path.is_file():
        raise SettingsError(f"{pack}: the weights of its filter {name} are missing ({path}): {again}")
    if file_hash(path) != fitted.weights:
        raise SettingsError(f"{path} holds other weights than {pack} was fitted with: {again}")
    return LearnedFilter(name, fitted, np.load(path, allow_pickle=False))
