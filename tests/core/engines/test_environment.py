"""How threads wait, and how many kernels are kept, has to be said before torch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WAIT, ROUNDS = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
KERNELS, WRAPPED = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"
SAY = f"""
import os, sys
import xinstr_core.engines.roles
print([os.environ.get(name) for name in {(ROUNDS, KERNELS, WRAPPED)!r}], "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, ["1000", "64", "64"]),
        ({ROUNDS: "7", KERNELS: "8", WRAPPED: "9"}, ["7", "8", "9"]),
        ({WAIT: "active"}, [None, "64", "64"]),
    ],
    ids=["nothing told", "all told", "how to wait told"],
)
def test_threads_sleep_soon_and_few_kernels_are_kept_unless_told_otherwise(
    told: dict[str, str], said: list[str | None]
) -> None:
    bare = {name: value for name, value in os.environ.items() if name not in {WAIT, ROUNDS, KERNELS, WRAPPED}}
    done = subprocess.run([sys.executable, "-c", SAY], env=bare | told, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{said} False"
