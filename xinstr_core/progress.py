"""How a stage tells how far it is: the same call serves a terminal, Dagster's log, another program and a test."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event as Flag
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Literal, Protocol, Self

# Rates are of so many seconds, or of the last two calls: the batches of a stage take from a second to a minute, and a
# machine that became slower shows within a minute.
RATE_SECONDS = 60.0
TELL_SECONDS = 5.0  # between two events of a stage that says nothing, as while it loads or sorts


class Progress(Protocol):
    """Called now and then with what is done of a piece of work, out of how much, and figures worth watching.

    `doing` says what the work is, `unit` what is counted; a `total` of 0 is not known. `found` of those done were done
    before: they count into no rate. What is `urgent` is told at once, whatever was told before.
    """

    def __call__(
        self,
        done: int,
        total: int,
        *,
        doing: str = "",
        unit: str = "rows",
        found: int = 0,
        urgent: bool = False,
        figures: Mapping[str, float] | None = None,
    ) -> None: ...


def silent(done: int, total: int, **told: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Event:
    """How far a stage of a language is, `seconds` after its beginning.

    `rate` is in units a second of late; `total`, `rate` and `seconds_left` are None where they are not known. `ended` is
    how the stage ended, and empty before.
    """

    stage: str
    language: str
    seconds: float
    doing: str = ""
    done: int = 0
    total: int | None = None
    unit: str = ""
    rate: float | None = None
    seconds_left: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    urgent: bool = False
    ended: Literal["", "done", "failed"] = ""

    def line(self) -> str:
        """All of it for people, what matters most first."""
        counted = f" {self.done}{f' of {self.total}' if self.total else ''} {self.unit}" if self.unit else ""
        parts = [f"{self.doing}{counted}".strip()]
        if self.rate is not None:
            parts.append(f"{_number(self.rate)} {self.unit}/s")
        if self.seconds_left and not self.ended:
            parts.append(f"{duration(self.seconds_left)} left")
        parts += [f"{name.replace('_', ' ')} {_number(value)}" for name, value in self.figures.items()]
        said = ", ".join(filter(None, parts))
        head = f"{self.language} {self.stage} ({duration(self.seconds)})"
        return "; ".join(filter(None, (f"{head}: {said}" if said else head, self.ended)))


Listener = Callable[[Event], None]


class Meter:
    """Measures what a stage's Progress is told: how fast the piece of work that it told of last is, and when that ends."""

    def __init__(self, stage: str, language: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._told = Event(stage, language, 0.0)
        # When how many units were done in this run. One that is older than RATE_SECONDS is enough.
        self._samples: deque[tuple[float, int]] = deque()

    def __call__(
        self,
        done: int,
        total: int,
        *,
        doing: str = "",
        unit: str = "rows",
        found: int = 0,
        figures: Mapping[str, float] | None = None,
    ) -> None:
        now, fresh, figures_before = self._clock(), done - found, self._told.figures
        begins = doing != self._told.doing or not fresh or (self._samples and fresh < self._samples[-1][1])
        if begins:  # from nothing: what a model takes to be loaded is no part of any rate
            self._samples.clear()
            figures_before = {}
        self._samples.append((now, fresh))
        while len(self._samples) > 2 and self._samples[1][0] <= now - RATE_SECONDS:
            self._samples.popleft()
        self._told = replace(
            self._told,
            doing=doing,
            done=done,
            total=total or None,
            unit=unit,
            figures={**figures_before, **(figures or {})},
        )

    def event(self) -> Event:
        """How far it is now."""
        now = self._clock()
        rate, left = self._pace(now)
        return replace(self._told, seconds=now - self._began, rate=rate, seconds_left=left)

    def _pace(self, now: float) -> tuple[float | None, float | None]:
        """(units a second, seconds left), as far as they are known. Between two calls the second counts down."""
        if len(self._samples) < 2:
            return None, None
        (first, before), (last, done) = self._samples[0], self._samples[-1]
        silence = now - last
        stalls = silence > max(RATE_SECONDS, last - first)
        span = now - first if stalls else last - first
        if done == before or span <= 0:
            return None, None
        rate = (done - before) / span
        if self._told.total is None:
            return rate, None
        left = (self._told.total - self._told.done) / rate
        return rate, left if stalls else max(0.0, left - silence)


class Reporter:
    """A stage's Progress that tells listeners, who choose what they show: at every call, and within its block every few seconds.

    `here` are told at calls alone, in the thread that makes them.
    """

    def __init__(
        self,
        stage: str,
        language: str,
        listeners: Iterable[Listener] = (),
        here: Iterable[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meter = Meter(stage, language, clock)
        self._listeners, self._here = [*listeners], [*here]
        self._telling = Lock()  # a listener may be a pipe, which takes one message at a time
        self._ended = Flag()
        self._repeating = Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> Self:
        self._repeating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._repeating.join()
        self._tell(self._listeners, ended="done" if error is None else "failed")

    def __call__(self, done: int, total: int, *, urgent: bool = False, **told: Any) -> None:
        with self._telling:
            self._meter(done, total, **told)
        self._tell([*self._listeners, *self._here], urgent=urgent)

    def _repeat(self) -> None:
        self._tell(self._listeners)
        while not self._ended.wait(TELL_SECONDS):
            self._tell(self._listeners)

    def _tell(
        self, listeners: Sequence[Listener], *, urgent: bool = False, ended: Literal["", "done", "failed"] = ""
    ) -> None:
        with self._telling:
            event = replace(self._meter.event(), urgent=urgent, ended=ended)
            for listener in listeners:
                listener(event)


class Seldom:
    """A listener that passes on an event of a language at most every `seconds`; what is urgent or ends a stage always.

    The first one waits as the others do, unless it is wanted `at_once`.
    """

    def __init__(
        self,
        seconds: float,
        listener: Listener,
        clock: Callable[[], float] = time.monotonic,
        *,
        at_once: bool = False,
    ) -> None:
        self._seconds, self._listener, self._clock = seconds, listener, clock
        self._before_first = seconds if at_once else 0.0
        self._passed: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        now = self._clock()
        due = now - self._passed.setdefault(event.language, now - self._before_first) >= self._seconds
        if due or event.urgent or event.ended:
            self._passed[event.language] = now
            self._listener(event)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _number(value: float) -> str:
    """Three digits of it, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
