"""What the charts of the report show, read off the rows that they are drawn of."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from math import ceil
from typing import Any

import polars as pl
import pytest

from xinstr_core.evaluation.gaps import Gap
from xinstr_core.reporting.charts import (
    LONGEST_TEXT,
    cluster_map,
    confusion_chart,
    funnel_chart,
    gap_chart,
    histogram,
    loss_chart,
    reliability_chart,
)
from xinstr_core.reporting.drawing import draw, png
from xinstr_core.schemas.candidate_pairs import CandidateFunnel


def rows(chart: Any) -> list[dict[str, Any]]:
    """The rows of all layers, in order."""
    return [row for table in chart.to_dict()["datasets"].values() for row in table]


def gap(metric: str, *numbers: Any, better: str, of: tuple[str, str] = ("selected", "random")) -> Gap:
    return Gap("sw", *of, metric, "en", *numbers, better)


def test_gaps_lie_on_the_side_that_they_speak_for() -> None:
    found = rows(
        gap_chart(
            [
                gap("wrong-language rate", -0.25, -0.5, -0.125, 9, better="lower"),
                gap("right intent of reply", -0.25, -0.5, -0.125, 9, better="higher", of=("top_half", "bottom_half")),
            ],
            "share",
        )
    )
    assert {"x": 0.0} in found
    of_models = {row["whose"]: (row["value"], row["low"], row["high"]) for row in found if "whose" in row}
    assert of_models == {"selected - random": (0.25, 0.125, 0.5), "top_half - bottom_half": (-0.25, -0.5, -0.125)}


def test_a_gap_without_an_interval_is_a_point() -> None:
    found = rows(gap_chart([gap("repetition in replies", 0.25, None, None, 9, better="higher")], "share"))
    assert [(row["value"], row["low"], row["high"]) for row in found if "whose" in row] == [(0.25, None, None)]


def test_the_reliability_chart_shows_every_bin_with_its_rows() -> None:
    found = rows(reliability_chart([[0.6, 0.5, 10], [0.9, 0.95, 30]]))
    assert {"mean confidence": 0.6, "share right": 0.5, "rows": 10} in found
    assert {"mean confidence": 0.9, "share right": 0.95, "rows": 30} in found


def test_a_funnel_has_a_bar_a_step_and_what_fell_stands_apart() -> None:
    found = rows(funnel_chart(CandidateFunnel(taken=12, lost={"not_english": 3}, kept=9)))
    assert [(row["step"], row["rows"], row["kind"]) for row in found] == [
        ("instructions", 12, "rows"), ("not english", 3, "lost"), ("accepted", 9, "rows"),
    ]  # fmt: skip


def test_losses_of_trainings_of_any_length_share_an_axis() -> None:
    found = rows(loss_chart({"short": [[1, 3.0], [2, 1.0]], "long": [[100, 2.0], [400, 1.5]], "none": []}))
    assert [(row["training"], row["done"], row["step"], row["loss"]) for row in found] == [
        ("short", 50.0, 1, 3.0), ("short", 100.0, 2, 1.0), ("long", 25.0, 100, 2.0), ("long", 100.0, 400, 1.5),
    ]  # fmt: skip


def test_confusion_is_shaded_by_the_share_of_the_true_level() -> None:
    found = rows(confusion_chart([[3, 1], [0, 0]]))
    assert [(row["true level"], row["predicted level"], row["rows"], row["share"]) for row in found] == [
        ("1", "1", 3, 0.75), ("1", "2", 1, 0.25), ("2", "1", 0, 0.0), ("2", "2", 0, 0.0),
    ]  # fmt: skip


def test_a_histogram_counts_and_does_not_grow_with_its_rows() -> None:
    values = pl.Series([0.0, 1.0, None, *[0.5] * 20_000])
    found = rows(histogram(values, "fit", pl.Series([True, False, True, *[True] * 20_000])))
    assert len(found) == 3
    assert {(row["group"], row["rows"]) for row in found} == {("kept", 1), ("kept", 20_000), ("not kept", 1)}
    assert rows(histogram(pl.Series([], dtype=pl.Float64), "fit")) == []


def points(*instructions: str) -> pl.DataFrame:
    count = len(instructions)
    columns = {"pair_id": [str(n) for n in range(count)], "x": [n / 10 for n in range(count)], "y": [0.0] * count}
    return pl.DataFrame(
        {**columns, "cluster_id": [*range(count)], "selected": [True] * count, "instruction": list(instructions)}
    )


def test_the_map_has_every_instruction_in_its_place_cut_and_without_what_cannot_be_printed() -> None:
    found = rows(cluster_map(points("a\x00b\u202ed\ne", "กี่ น้ำ", "<" * 5000)))
    assert [row["instruction"] for row in found] == ["abd e", "กี่ น้ำ", "<" * LONGEST_TEXT + "…"]
    assert [(row["x"], row["cluster"], row["state"]) for row in found] == [
        (0.0, "0", "selected"), (0.1, "1", "selected"), (0.2, "2", "selected"),
    ]  # fmt: skip


def test_the_order_of_the_points_changes_nothing() -> None:
    table = points(*"abcdef")
    assert cluster_map(table).to_dict() == cluster_map(table.reverse()).to_dict()


@pytest.mark.parametrize("hostile", ["</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "${x}"])
def test_a_still_picture_holds_no_text_of_the_data(hostile: str) -> None:
    drawn = draw("map", "Map", cluster_map(points(hostile, "b")), points(hostile))
    assert hostile not in drawn.picture
    assert not any(
        word in drawn.picture.replace("http://www.w3.org", "") for word in ("<script", "href=", "onerror", "http")
    )
    assert drawn.numbers.rows[0][-1].text == hostile


def test_a_picture_has_long_labels_in_lines_and_the_page_knows_its_height() -> None:
    """The renderer measures with other fonts than readers have: a label in lines stays within its room in any."""
    long = "an instruction that is not in English and that goes on for long"
    drawn = draw("funnel", "Funnel", funnel_chart(CandidateFunnel(taken=3, lost={long: 1}, kept=2)), pl.DataFrame())
    lines = [
        "".join(one.itertext()) for one in ElementTree.fromstring(drawn.picture).iter() if one.tag.endswith("tspan")
    ]
    assert "an instruction that is" in lines
    assert max(len(line) for line in lines) <= 22
    assert drawn.height == ceil(float(ElementTree.fromstring(drawn.picture).attrib["height"])) > 3 * 22


def test_a_name_that_is_drawn_stays_text() -> None:
    chart = funnel_chart(CandidateFunnel(taken=2, lost={"<img src=x onerror=alert(1)>": 1}, kept=1))
    picture = ElementTree.fromstring(draw("funnel", "Funnel", chart, pl.DataFrame()).picture)
    assert not [element for element in picture.iter() if element.tag.endswith("img")]
    assert "<img src=x onerror=alert(1)>" in " ".join(picture.itertext()), "in lines"


def test_a_chart_is_a_picture_for_the_ui() -> None:
    assert png(loss_chart({"one": [[1, 2.0]]})).startswith(b"\x89PNG")
