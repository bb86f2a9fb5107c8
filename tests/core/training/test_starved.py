"""Memory that really runs out: the kernel refuses it, torch says so in its own way, and the training goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.training import starved


def trained(folder: Path, spare_mebibytes: int) -> dict[str, Any]:
    command = [sys.executable, starved.__file__, str(folder), str(spare_mebibytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_training_without_room_for_a_step_trains_the_same_in_pieces(tmp_path: Path) -> None:
    roomy, tight = trained(tmp_path / "roomy", 0), trained(tmp_path / "tight", 60)
    assert roomy["ran_out"] == 0
    assert tight["ran_out"] > 0
    assert tight["rejected"] == []
    assert [loss for _, loss in tight["losses"]] == pytest.approx([loss for _, loss in roomy["losses"]], abs=1e-3)
