"""What the plots of the report show, read off the labels that their SVG carries for screen readers."""

from __future__ import annotations

import re

from xinstr_core.reporting.plots import gap_plot, reliability_plot

from xinstr_core.evaluation.gaps import Gap


def labels(svg: str) -> list[str]:
    return [label.replace("\N{MINUS SIGN}", "-") for label in re.findall(r'aria-label="([^"]*)"', svg)]


def test_gaps_lie_on_the_side_that_they_speak_for() -> None:
    svg = gap_plot(
        [
            Gap("sw", "selected", "random", "wrong-language rate", "en", -0.25, -0.5, -0.125, 9, "lower"),
            Gap("sw", "top_half", "bottom_half", "right intent of reply", "sw", -0.25, -0.5, -0.125, 9, "higher"),
        ]
    )
    found = labels(svg)
    assert "value: 0.25; measure: wrong-language rate (en); arm: selected - random" in found
    assert "value: -0.25; measure: right intent of reply (sw); arm: top_half - bottom_half" in found
    assert "the first is better →: 0.125; measure: wrong-language rate (en); high: 0.5; arm: selected - random" in found
    assert "x: 0" in found


def test_a_gap_without_an_interval_is_a_point() -> None:
    found = labels(gap_plot([Gap("sw", "selected", "random", "a rate", "en", 0.25, None, None, 9, "higher")]))
    assert "value: 0.25; measure: a rate (en); arm: selected - random" in found
    assert not [label for label in found if "high:" in label]


def test_the_reliability_plot_shows_every_bin_with_its_rows() -> None:
    found = labels(reliability_plot([[0.6, 0.5, 10], [0.9, 0.95, 30]]))
    assert "mean confidence: 0.6; share right: 0.5; rows: 10" in found
    assert "mean confidence: 0.9; share right: 0.95; rows: 30" in found
