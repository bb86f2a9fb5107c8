"""How far a stage is: rates of late, time left, and who is told how often, by a clock that the test turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from xinstr_core.progress import Event, Meter, Reporter, Seldom, duration


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told(clock: Clock) -> Callable[..., tuple[float | None, float | None]]:
    """Tells a meter, after so many seconds, and gives its (rate, seconds left)."""
    meter = Meter("evaluator", "sw", clock)

    def tell(seconds: float, *done: int, **said: Any) -> tuple[float | None, float | None]:
        clock.now += seconds
        if done:
            meter(*done, **said)
        event = meter.event()
        return event.rate, event.seconds_left

    return tell


# Rates


def test_the_rate_is_of_what_was_done_since_the_beginning_and_time_left_follows(told: Any) -> None:
    assert told(5, 0, 100) == (None, None)
    assert told(10, 20, 100) == (2.0, 40.0)
    assert told(10, 30, 100) == (1.5, pytest.approx(70 / 1.5))
    assert told(10, 100, 100) == (pytest.approx(100 / 30), 0.0)


def test_rows_that_were_found_finished_count_into_no_rate(told: Any) -> None:
    assert told(0, 900, 1000, found=900) == (None, None)
    assert told(10, 910, 1000, found=900) == (1.0, 90.0)


def test_rows_that_are_found_amid_others_count_into_no_rate_either(told: Any) -> None:
    told(0, 0, 100)
    assert told(10, 10, 100) == (1.0, 90.0)
    assert told(10, 70, 100, found=50) == (1.0, 30.0)


def test_what_a_model_takes_to_be_loaded_is_no_part_of_the_rate(told: Any) -> None:
    told(0, 3, 13, found=3)
    told(300, 3, 13, found=3)
    assert told(2, 8, 13, found=3) == (2.5, 2.0)


def test_a_rate_is_of_the_last_minute(told: Any) -> None:
    """A hundred rows a second for ten minutes, then one: after a minute nothing is left of the hundred."""
    told(0, 0, 100_000)
    for second in range(1, 601):
        told(1, 100 * second, 100_000)
    rates = [told(1, 60_000 + second, 100_000)[0] for second in range(1, 61)]
    assert rates[0] == pytest.approx((59 * 100 + 1) / 60)
    assert rates[29] == pytest.approx((30 * 100 + 30) / 60)
    assert rates[59] == 1.0


def test_batches_that_take_longer_than_a_minute_have_the_rate_of_the_last_one(told: Any) -> None:
    told(0, 0, 80)
    assert told(80, 8, 80) == (0.1, 720.0)
    assert told(160, 16, 80) == (0.05, 1280.0)


def test_time_left_counts_down_between_two_calls_and_not_below_nothing(told: Any) -> None:
    told(0, 0, 12)
    assert told(10, 10, 12) == (1.0, 2.0)
    assert told(1.5) == (1.0, 0.5)
    assert told(10) == (1.0, 0.0)


def test_a_rate_falls_when_nothing_comes_for_longer_than_it_was_measured_over(told: Any) -> None:
    told(0, 0, 100)
    assert told(20, 40, 100) == (2.0, 30.0)
    assert told(60) == (2.0, 0.0)
    assert told(20) == (0.4, 150.0)


def test_other_work_begins_anew_and_keeps_no_figures(clock: Clock) -> None:
    meter = Meter("evaluator", "sw", clock)
    meter(0, 10, doing="training adapter", unit="steps")
    clock.now += 1
    meter(5, 10, doing="training adapter", unit="steps", figures={"loss": 2.0})
    meter(6, 10, doing="training adapter", unit="steps")
    assert (meter.event().rate, meter.event().figures) == (6.0, {"loss": 2.0})
    meter(7, 70, doing="reading signals")
    event = meter.event()
    assert (event.doing, event.unit, event.done, event.total) == ("reading signals", "rows", 7, 70)
    assert (event.rate, event.seconds_left, event.figures) == (None, None, {})
    clock.now += 1
    meter(8, 70, doing="reading signals")
    assert meter.event().rate == 1.0
    meter(2, 40, doing="reading signals")  # of another table
    assert meter.event().rate is None


def test_where_the_total_is_not_known_there_is_a_rate_alone(told: Any) -> None:
    assert told(0, 1000, 0, unit="records") == (None, None)
    assert told(10, 3000, 0, unit="records") == (200.0, None)


# What is said


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event("tuned_model", "sw", 3.2), "sw tuned_model (3 s)"),
        (
            Event("evaluator", "sw", 200, "training adapter", 12, 48, "steps", 0.3, 120.0, {"loss": 1.23456, "tokens_a_second": 12345.6}),
            "sw evaluator (3 min): training adapter 12 of 48 steps, 0.3 steps/s, 2 min left, loss 1.23, tokens a second 12346",
        ),
        (Event("raw_corpus", "ur", 40, "judging", 3000, None, "records", 1250.5), "ur raw_corpus (40 s): judging 3000 records, 1250 records/s"),
        (
            Event("evaluator", "sw", 8000, "reading signals", 48, 48, "rows", 12.34, 0.0, ended="done"),
            "sw evaluator (2.2 h): reading signals 48 of 48 rows, 12.3 rows/s; done",
        ),
        (Event("evaluator", "sw", 1, "waiting for the GPU", urgent=True), "sw evaluator (1 s): waiting for the GPU"),
    ],
)  # fmt: skip
def test_an_event_is_one_line_with_what_matters_most_first(event: Event, line: str) -> None:
    assert event.line() == line


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# Who is told


def test_a_language_is_told_of_at_most_every_so_many_seconds_and_its_end_always(clock: Clock) -> None:
    passed: list[tuple[float, str, int]] = []
    seldom = Seldom(60.0, lambda event: passed.append((clock.now - 1000, event.language, event.done)), clock)
    sw, fi = (Event("evaluator", tag, 0.0) for tag in ("sw", "fi"))
    for moment, event in [
        (0, replace(sw, done=1)),
        (59, replace(sw, done=2)),
        (60, replace(sw, done=3)),
        (61, replace(fi, done=4)),
        (119, replace(sw, done=5)),
        (119.5, replace(sw, done=6, urgent=True)),
        (121, replace(fi, done=7)),
        (122, replace(sw, done=8)),
        (123, replace(sw, done=9, ended="done")),
        (124, replace(sw, done=0)),
    ]:
        clock.now = 1000.0 + moment
        seldom(event)
    assert passed == [(60, "sw", 3), (119.5, "sw", 6), (121, "fi", 7), (123, "sw", 9)]


def test_the_first_event_passes_at_once_where_that_is_wanted(clock: Clock) -> None:
    passed: list[int] = []
    seldom = Seldom(30.0, lambda event: passed.append(event.done), clock, at_once=True)
    for seconds, done in [(0, 1), (29, 2), (1, 3)]:
        clock.now += seconds
        seldom(Event("evaluator", "sw", 0.0, done=done))
    assert passed == [1, 3]


def test_listeners_hear_of_a_stage_that_says_nothing_and_of_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xinstr_core.progress.TELL_SECONDS", 0.01)
    heard: list[Event] = []
    twice = threading.Event()

    def listen(event: Event) -> None:
        heard.append(event)
        if len(heard) == 2:
            twice.set()

    with Reporter("evaluator", "sw", [listen]):
        assert twice.wait(10)
    assert {(event.stage, event.language, event.doing) for event in heard} == {("evaluator", "sw", "")}
    assert [event.ended for event in heard] == [*[""] * (len(heard) - 1), "done"]


def test_calls_are_heard_in_their_thread_and_what_is_urgent_is_so_once() -> None:
    heard: list[tuple[str, Event]] = []
    with (
        pytest.raises(ValueError, match="broken"),
        Reporter(
            "evaluator",
            "sw",
            [lambda event: heard.append(("all", event))],
            [lambda event: heard.append(("here", event))],
        ) as progress,
    ):
        progress(0, 0, doing="waiting for the GPU", unit="", urgent=True)
        progress(1, 2, doing="reading signals", figures={"loss": 1.0})
        raise ValueError("broken")
    said = [(who, event.doing, event.urgent, event.ended) for who, event in heard if event.doing]
    assert said == [
        ("all", "waiting for the GPU", True, ""),
        ("here", "waiting for the GPU", True, ""),
        ("all", "reading signals", False, ""),
        ("here", "reading signals", False, ""),
        ("all", "reading signals", False, "failed"),
    ]
