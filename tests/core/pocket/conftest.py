"""The pocket world, written once a language and read back as rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from xinstr_core.pocket.world import write_world

Rows = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Rows of one kind of file of one language: `rows("corpus", "sw")`, `rows("gold", "sw.heldout")`."""
    folder = tmp_path_factory.mktemp("world")
    written = cache(lambda language: write_world(folder, language))

    def read(kind: str, name: str) -> list[dict[str, Any]]:
        written(name.split(".")[0])
        return [json.loads(line) for line in (folder / kind / f"{name}.jsonl").read_text("utf-8").splitlines()]

    return read
