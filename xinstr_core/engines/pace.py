"""How many requests a server is asked at once: more while it keeps up, half when it does not."""

from __future__ import annotations

import asyncio
import time
from collections import deque

_START = 4
# Of the best rate so far, in requests a second, what more requests under way have to bring for still more to be tried.
_WORTH = 1.05
_STEP = 8  # once something has failed, a round may ask for an eighth more
_TRIED_AGAIN = 8  # rounds without growth after which one more is tried: a server may have become faster
# Of a round's requests, those that may come to nothing before it is halved, two at least: now and then a connection breaks,
# and to halve for each of one in twenty would leave four under way.
_BORNE = 0.1


class Pace:
    """A limit on requests under way, at most `most`, that follows the server. For use in one event loop.

    A round is as many answers as the limit allows at once. While every round brings more answers a second than any
    before, that is while requests take no longer than they are more, the limit doubles (after a first failure: grows by
    an eighth); it halves where the server refuses or fails more than a few of a round (additive increase and
    multiplicative decrease, Chiu and Jain 1989).
    """

    def __init__(self, most: int) -> None:
        self.limit = min(_START, most)
        self._most = most
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._doubling = True
        self._best = 0.0
        self._still = 0
        self._answers, self._refusals, self._began = 0, 0, time.monotonic()

    async def __aenter__(self) -> None:
        while self._under_way >= self.limit:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._under_way += 1

    async def __aexit__(self, *_: object) -> None:
        self._under_way -= 1
        self._let_in()

    def answered(self) -> None:
        """One request has its answer."""
        self._answers += 1
        if self._answers < self.limit:
            return
        rate = self._answers / max(time.monotonic() - self._began, 1e-6)
        self._still = 0 if rate >= _WORTH * self._best else self._still + 1
        if self._still in (0, _TRIED_AGAIN):
            grown = 2 * self.limit if self._doubling else self.limit + max(1, self.limit // _STEP)
            self.limit = min(self._most, grown)
            self._still = 0
        self._best = max(self._best, rate)
        self._begin()
        self._let_in()

    def refused(self) -> None:
        """One request was refused, or came to nothing."""
        self._refusals += 1
        if self._refusals > max(2, _BORNE * self.limit):
            self.limit = max(1, self.limit // 2)
            self._doubling, self._best, self._still = False, 0.0, 0
            self._begin()

    def _begin(self) -> None:
        self._answers, self._refusals, self._began = 0, 0, time.monotonic()

    def _let_in(self) -> None:
        for _ in range(self.limit - self._under_way):
            while self._waiting and self._waiting[0].done():
                self._waiting.popleft()
            if not self._waiting:
                return
            self._waiting.popleft().set_result(None)
