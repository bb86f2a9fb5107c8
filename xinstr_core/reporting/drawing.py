"""How charts get onto paper: a PNG for the UI's metadata; for a page what Vega-Lite draws in the browser, and a still picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from functools import lru_cache
from importlib.resources import files
from math import ceil
from typing import Any

import polars as pl

from xinstr_core.reporting.blocks import Drawn, Listing, cell
from xinstr_core.reporting.charts import NARROW

_WIDTH = 420  # pixels in the UI
_PICTURE_WIDTH = 680  # of the still picture, which the page scales to its own width
_INK = "currentColor"  # light or dark, as the page around it
_PAGE_STYLE: dict[str, Any] = {
    "aria": False,  # the figure has a name, and the numbers stand below it in a table
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor", "domainColor", "tickColor", "gridColor"), _INK),
        "gridOpacity": 0.15,
        "domainOpacity": 0.5,
        "tickOpacity": 0.5,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "axisY": {"labelLimit": 340, "labelLineHeight": 14},  # a narrow screen's is smaller: charts.js
    "legend": {"labelColor": _INK, "titleColor": _INK, "labelFontSize": 12},
    "text": {"color": _INK, "fontSize": 11},
}
# Browsers set labels wider than the renderer measures them: room to the left keeps their first letters.
_ROOM = {"left": 24, "right": 34, "top": 5, "bottom": 5}


def png(chart: Any) -> bytes:
    """The chart as a picture of its own, on white."""
    import vl_convert

    picture: bytes = vl_convert.vegalite_to_png(
        _specification(chart, _WIDTH, padding=_ROOM, config={"view": {"stroke": None}}), scale=1.5
    )
    return picture


def draw(key: str, title: str, chart: Any, numbers: pl.DataFrame | Listing, note: str = "") -> Drawn:
    """The chart for a page, under a key that no other has there, with its numbers beside it."""
    import vl_convert

    # Labels in lines: set in whatever font a reader has, they stay within the room that the renderer gave them.
    still = _specification(chart, _PICTURE_WIDTH, narrow=True, padding=_ROOM, config=_PAGE_STYLE)
    picture = str(vl_convert.vegalite_to_svg(still))
    fitted = {"type": "fit-x", "contains": "padding"}
    drawn = _specification(chart, "container", autosize=fitted, config=_PAGE_STYLE)
    table = numbers if isinstance(numbers, Listing) else listing(f"Numbers of: {title}", numbers)
    specification = json.dumps(drawn, ensure_ascii=False, sort_keys=True)
    return Drawn(key, title, specification, picture, _height(picture), table, note)


def _height(picture: str) -> int:
    """Of a picture in pixels: bars and plots have theirs whatever the width, so the drawing in the page is as high."""
    return ceil(float(ElementTree.fromstring(picture).attrib["height"]))


def _specification(chart: Any, width: int | str, *, narrow: bool = False, **more: Any) -> dict[str, Any]:
    """What Vega-Lite draws: the chart so wide, and what is said of its surroundings."""
    drawn: dict[str, Any] = chart.properties(width=width).to_dict()
    return {**drawn, "params": [*drawn.get("params", []), {"name": NARROW, "value": narrow}], **more}


def listing(caption: str, rows: pl.DataFrame, folded: bool = False) -> Listing:
    """A frame as a table; its columns' names are the headings."""
    return Listing(caption, rows.columns, [[cell(value) for value in row] for row in rows.iter_rows()], folded)


@lru_cache(maxsize=1)
def script() -> str:
    """What draws the charts in a browser: Vega, Vega-Lite and Vega-Embed, as altair's own converter bundles them."""
    import vl_convert

    return str(vl_convert.javascript_bundle((files(__package__) / "charts.js").read_text("utf-8")))
