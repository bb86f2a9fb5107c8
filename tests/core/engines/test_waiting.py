"""How threads wait has to be said before torch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SAY = (
    "import os, sys; import xinstr_core.engines.roles; "
    "print(os.environ.get('GOMP_SPINCOUNT', 'not said'), 'torch' in sys.modules)"
)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "1000 False"),
        ({"GOMP_SPINCOUNT": "7"}, "7 False"),
        ({"OMP_WAIT_POLICY": "active"}, "not said False"),
    ],
)
def test_threads_sleep_soon_unless_told_otherwise(told: dict[str, str], said: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    }
    done = subprocess.run(
        [sys.executable, "-c", SAY], env=environment | told, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == said
