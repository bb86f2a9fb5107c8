"""As much at once as the server keeps up with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from xinstr_core.engines.pace import Pace


class Clock:
    """Time as the test says."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    return clock


def rounds(pace: Pace, clock: Clock, count: int, seconds: Callable[[int], float]) -> list[int]:
    """The limits after that many rounds, of which one with a limit of n takes `seconds(n)`."""
    limits = []
    for _ in range(count):
        limit = pace.limit
        clock.now += seconds(limit)
        for _ in range(limit):
            pace.answered()
        limits.append(pace.limit)
    return limits


def test_it_doubles_while_requests_take_no_longer(clock: Clock) -> None:
    assert rounds(Pace(100), clock, 6, lambda limit: 0.1) == [8, 16, 32, 64, 100, 100]


def test_it_stays_where_more_at_once_bring_no_more_answers(clock: Clock) -> None:
    """Sixteen slots: beyond them requests wait, and the rate stays."""
    assert rounds(Pace(100), clock, 6, lambda limit: 0.1 * max(1, limit / 16)) == [8, 16, 32, 32, 32, 32]


def test_it_tries_again_whether_a_server_has_become_faster(clock: Clock) -> None:
    pace = Pace(1000)
    rounds(pace, clock, 8, lambda limit: 0.1 * max(1, limit / 16))
    assert rounds(pace, clock, 16, lambda limit: 0.1 * max(1, limit / 64))[-1] >= 64


def test_more_refusals_than_are_borne_halve_it_and_then_it_grows_by_an_eighth(clock: Clock) -> None:
    pace = Pace(100)
    rounds(pace, clock, 4, lambda limit: 0.1)
    for _ in range(6):
        pace.refused()
    assert pace.limit == 64
    pace.refused()
    assert pace.limit == 32
    assert rounds(pace, clock, 3, lambda limit: 0.1) == [36, 40, 45]


def test_a_server_that_is_down_is_asked_one_by_one(clock: Clock) -> None:
    pace = Pace(100)
    for _ in range(100):
        pace.refused()
    assert pace.limit == 1
    assert rounds(pace, clock, 3, lambda limit: 0.1) == [2, 3, 4]


def test_what_fails_now_and_then_does_not_slow_it(clock: Clock) -> None:
    pace = Pace(64)
    rounds(pace, clock, 4, lambda limit: 0.1)
    for _ in range(20):
        for _ in range(3):
            pace.refused()
        rounds(pace, clock, 1, lambda limit: 0.1)
    assert pace.limit == 64


def test_no_more_are_under_way_than_it_allows_and_all_have_their_turn() -> None:
    most = 0
    done = list[int]()

    async def one(pace: Pace, number: int) -> None:
        nonlocal most
        async with pace:
            under_way.add(number)
            most = max(most, len(under_way))
            await asyncio.sleep(0)
            under_way.remove(number)
            done.append(number)
            if number % 7 == 0:
                pace.refused()
            else:
                pace.answered()

    async def every() -> None:
        pace = Pace(9)
        await asyncio.gather(*(one(pace, number) for number in range(500)))

    under_way = set[int]()
    asyncio.run(every())
    assert sorted(done) == list(range(500))
    assert most <= 9


def test_one_that_is_called_off_while_it_waits_takes_no_turn() -> None:
    async def every() -> list[int]:
        pace, done = Pace(1), list[int]()

        async def one(number: int) -> None:
            async with pace:
                await asyncio.sleep(0.01)
                done.append(number)

        tasks = [asyncio.ensure_future(one(number)) for number in range(4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return done

    assert asyncio.run(asyncio.wait_for(every(), 5)) == [0, 3]
