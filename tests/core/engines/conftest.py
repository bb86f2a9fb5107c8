"""A finished partition for the tests of rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.store import Partition, StageOutput, Store


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[pl.DataFrame], Partition]:
    """Makes a finished partition whose table `done` is the frame."""

    def make(table: pl.DataFrame) -> Partition:
        return Store(tmp_path / "store").commit("asset", "sw", "f", {}, StageOutput({"done": table}))

    return make
