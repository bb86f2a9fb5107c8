"""The time of an engine that several threads ask at once is counted once, and not only when none asks any more."""

from __future__ import annotations

import pytest

from xinstr_core.engines import busy
from xinstr_core.engines.base import Usage
from xinstr_core.engines.busy import Busy


def test_shared_seconds_count_once_and_as_every_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(busy.time, "monotonic", lambda: now[0])
    usage = Usage()
    at_work = Busy(usage, gpus=2)

    def at(second: float) -> None:
        now[0] = second

    at_work.__enter__()
    at(1)
    at_work.__enter__()
    at(3)
    at_work.__exit__()
    assert (usage.seconds, usage.gpu_seconds) == (3, 6), "while the other one is still there"
    at(5)
    at_work.__exit__()
    at(10)  # nothing to do
    with at_work:
        at(11)
    assert (usage.seconds, usage.gpu_seconds) == (6, 12)
