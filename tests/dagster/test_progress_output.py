"""What the command line and the UI show of progress: a redrawn line a language, lines now and then, JSON, observations."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from xinstr_core.progress import Event
from xinstr_dagster import execution
from xinstr_dagster.build import BuildRequest, build
from xinstr_dagster.progress_output import Output, progress_output

SW = Event("evaluator", "sw", 61.0, "reading signals", 10, 40, "rows", 2.0, 15.0)
FI = Event("raw_corpus", "fi", 5.0, "judging", 3000, None, "records", 600.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def at(clock: Clock, moment: float) -> None:
    clock.now = moment


def test_without_a_terminal_a_language_has_a_line_a_minute_and_one_at_the_end_of_each_stage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    heard: list[tuple[float, Event]] = [
        (0, Event("seed_pairs", "sw", 0.0)),
        (10, FI),
        (20, Event("seed_pairs", "sw", 20.0, "translating", 9, 9, "lines", 1.5, 0.0, ended="done")),
        (79, SW),
        (80, SW),
        (81, FI),
        (82, Event("evaluator", "sw", 70.0, "waiting for GPU aaaa, held by process 1", urgent=True)),
        (90, Event("evaluator", "sw", 71.0, "waiting for GPU aaaa, held by process 1")),
        (95, Event("raw_corpus", "fi", 90.0, "judging", 9, None, "records", ended="failed")),
        (96, Event("tuned_model", "fi", 0.1, ended="done")),  # up to date
    ]
    with progress_output(Console(file=io.StringIO()), clock=clock) as listen:
        for moment, event in heard:
            at(clock, moment)
            listen(event)
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "sw seed_pairs (20 s): translating 9 of 9 lines, 1.5 lines/s; done",
        "sw evaluator (61 s): reading signals 10 of 40 rows, 2 rows/s, 15 s left",
        "fi raw_corpus (5 s): judging 3000 records, 600 records/s",
        "sw evaluator (70 s): waiting for GPU aaaa, held by process 1",
    ]
    assert printed.out == ""


def test_on_a_terminal_every_language_has_one_line_that_is_cut_and_goes_with_its_stage() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=40, height=10, color_system=None)
    with progress_output(console) as listen:
        frames = []
        for event in (SW, FI, Event("raw_corpus", "fi", 6.0, ended="done")):
            listen(event)
            shown.seek(0)
            shown.truncate()
            console.print("built")  # what is printed stands above, and the lines are drawn again below it
            frames.append([line for line in _plain(shown.getvalue()) if line])
    assert frames == [
        ["built", "sw evaluator (61 s): reading signals 10…"],
        ["built", "sw evaluator (61 s): reading signals 10…", "fi raw_corpus (5 s): judging 3000 recor…"],
        ["built", "sw evaluator (61 s): reading signals 10…"],
    ]


def test_a_piece_of_work_is_seen_however_short_it_is() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=60, height=10, color_system=None)
    with progress_output(console) as listen:
        for doing in ("", "judging", "sorting"):
            listen(Event("raw_corpus", "fi", 0.0, doing, 9, None, "records" if doing else ""))
        listen(Event("seed_pairs", "fi", 0.0, "sorting", 1, None, "records"))
    drawn = [line for line in dict.fromkeys(_plain(shown.getvalue())) if line]
    assert drawn == [
        "fi raw_corpus (0 s)",
        "fi raw_corpus (0 s): judging 9 records",
        "fi raw_corpus (0 s): sorting 9 records",
        "fi seed_pairs (0 s): sorting 1 records",
    ]


def _plain(drawn: str) -> Iterator[str]:
    import re

    for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "\n").split("\n"):
        yield line.rstrip()


def test_for_a_program_there_is_a_json_object_a_line_and_at_most_one_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    with progress_output(Console(file=io.StringIO(), force_terminal=True), Output.JSON, clock) as listen:
        for moment, event in [(0, SW), (0.9, SW), (1.5, SW), (2.0, SW), (2.1, Event("evaluator", "sw", 63.25, ended="done"))]:  # fmt: skip
            at(clock, moment)
            listen(event)
    first, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert first == {
        "stage": "evaluator", "language": "sw", "seconds": 61.0, "doing": "reading signals", "done": 10, "total": 40,
        "unit": "rows", "rate": 2.0, "seconds_left": 15.0, "figures": {}, "urgent": False, "ended": "",
    }  # fmt: skip
    assert (last["seconds"], last["total"], last["ended"]) == (63.2, None, "done")


def test_the_ui_has_observations_with_numbers_on_the_page_of_the_asset(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xinstr_core.corpus.batches.BATCH_RECORDS", 2)
    monkeypatch.setattr(execution, "LOG_SECONDS", 0.0)
    text = "Habari ya asubuhi, hii ni hadithi fupi ya mji wetu na watu wake wengi sana. "
    path = home / "five.parquet"
    pl.DataFrame({"text": [text * (3 + number) for number in range(5)]}).write_parquet(path)
    request = BuildRequest(corpus=str(path), last="raw_corpus", overrides={"corpus": {"maximum_lost_share": 1.0}})
    build(instance, home, request, "sw")
    found = instance.fetch_observations(dg.AssetKey("raw_corpus"), limit=10, ascending=True).records
    observed = [record.asset_observation for record in found]
    assert [one.partition for one in observed if one] == ["sw"] * 3
    values = [{name: value.value for name, value in one.metadata.items()} for one in observed if one]
    assert [(one["doing"], one["records done"]) for one in values] == [("judging", 2), ("judging", 4), ("judging", 5)]
    assert values[-1]["records a second"] > 0
    assert observed[0] and "judging 2 records" in str(observed[0].description)


def test_a_stage_that_has_nothing_to_say_is_no_observation(home: Path, instance: dg.DagsterInstance) -> None:
    path = home / "nothing.parquet"
    pl.DataFrame(schema={"text": pl.String}).write_parquet(path)
    build(instance, home, BuildRequest(corpus=str(path), last="raw_corpus"), "sw")
    assert instance.fetch_observations(dg.AssetKey("raw_corpus"), limit=1).records == []
