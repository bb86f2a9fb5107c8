"""The map is plain SVG: every instruction is text in it, whatever it holds."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import polars as pl
import pytest

from xinstr_core.reporting.cluster_map import LONGEST_TEXT, MARGIN, SIZE, cluster_map

SVG = "{http://www.w3.org/2000/svg}"


def points(*instructions: str, selected: bool = True) -> pl.DataFrame:
    count = len(instructions)
    return pl.DataFrame(
        {
            "pair_id": [str(i) for i in range(count)],
            "x": [i / max(1, count - 1) for i in range(count)],
            "y": [0.0] * count,
            "cluster_id": list(range(count)),
            "selected": [selected] * count,
            "instruction": list(instructions),
        },
        schema={
            "pair_id": pl.String, "x": pl.Float64, "y": pl.Float64, "cluster_id": pl.Int64, "selected": pl.Boolean,
            "instruction": pl.String,
        },
    )  # fmt: skip


def circles(svg: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(f"{SVG}circle")


def test_every_point_is_a_circle_in_its_place_with_its_instruction() -> None:
    one, two = circles(cluster_map(points("How is ugali cooked?", "กี่ น้ำ")))
    assert [circle.findtext(f"{SVG}title") for circle in (one, two)] == ["How is ugali cooked?", "กี่ น้ำ"]
    assert (float(one.attrib["cx"]), float(two.attrib["cx"])) == (MARGIN, SIZE - MARGIN)
    assert float(one.attrib["cy"]) == SIZE - MARGIN  # y grows upwards


def test_clusters_differ_in_colour_and_what_was_not_selected_is_a_ring() -> None:
    full = circles(cluster_map(points("a", "b", "c")))
    assert len({circle.attrib["fill"] for circle in full}) == 3
    rings = circles(cluster_map(points("a", "b", "c", selected=False)))
    assert [ring.attrib["stroke"] for ring in rings] == [circle.attrib["fill"] for circle in full]


@pytest.mark.parametrize(
    "hostile",
    [
        "</title><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "]]> <!-- &lt; <![CDATA[ &amp;",
        "</circle></svg><svg onload='alert(1)'>",
        "{{ 7 * 7 }} ${x}",
    ],
)
def test_hostile_text_stays_text(hostile: str) -> None:
    svg = cluster_map(points(hostile, "b"))
    root = ElementTree.fromstring(svg)
    assert {element.tag for element in root.iter()} == {f"{SVG}svg", f"{SVG}circle", f"{SVG}title"}
    assert circles(svg)[0].findtext(f"{SVG}title") == hostile


def test_characters_that_no_svg_may_hold_are_left_out() -> None:
    one, *_ = circles(cluster_map(points("a\x00b\x08c\u202ed\ne", "b")))
    assert one.findtext(f"{SVG}title") == "abcd e"


def test_a_long_instruction_is_cut() -> None:
    one, *_ = circles(cluster_map(points("<" * 5000, "b")))
    assert one.findtext(f"{SVG}title") == "<" * LONGEST_TEXT + "…"


def test_no_points_are_an_empty_map() -> None:
    assert circles(cluster_map(points())) == []


def test_the_order_of_the_points_does_not_change_a_byte() -> None:
    table = points(*"abcdef")
    assert cluster_map(table) == cluster_map(table.sample(fraction=1, shuffle=True, seed=0))


def test_nothing_in_it_runs_or_is_fetched() -> None:
    svg = cluster_map(points("a", "b")).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not any(word in svg for word in ("script", "href", "style", "http", "onload"))
