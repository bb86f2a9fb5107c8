"""The plots of the report and the UI: altair charts, as SVG for the page and PNG for metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

WIDTH = 420


def _render(chart: Any, kind: str) -> Any:
    import vl_convert

    # Browsers set labels wider than the renderer measures them: room to the left keeps their first letters.
    room = {"left": 24, "right": 12, "top": 5, "bottom": 5}
    specification = chart.configure_view(stroke=None).properties(padding=room).to_json()
    return (
        vl_convert.vegalite_to_svg(specification)
        if kind == "svg"
        else vl_convert.vegalite_to_png(specification, scale=1.5)
    )


def funnel_plot(funnel: Mapping[str, int], kind: str = "svg") -> Any:
    """Horizontal bars: what came in, what fell at which reason, what was kept."""
    import altair as alt

    rows = pl.DataFrame(
        {
            "step": [name.removeprefix("- ") for name in funnel],
            "rows": list(funnel.values()),
            "kind": ["lost" if name.startswith("- ") else "rows" for name in funnel],
        },
        schema={"step": pl.String, "rows": pl.Int64, "kind": pl.String},
    )
    base = alt.Chart(rows).encode(y=alt.Y("step:N", sort=None, title=None), x=alt.X("rows:Q", title=None))
    bars = base.mark_bar().encode(
        color=alt.Color("kind:N", scale=alt.Scale(domain=["rows", "lost"], range=["#3b6ea5", "#c8553d"]), legend=None)
    )
    return _render(
        (bars + base.mark_text(align="left", dx=3).encode(text="rows:Q")).properties(
            width=WIDTH, height=22 * max(1, len(rows))
        ),
        kind,
    )


def loss_plot(losses: Sequence[Sequence[float]], kind: str = "svg") -> Any:
    """Training loss by step."""
    import altair as alt

    rows = pl.DataFrame(losses, schema={"step": pl.Int64, "loss": pl.Float64}, orient="row")
    chart = (
        alt.Chart(rows).mark_line(point=True).encode(x=alt.X("step:Q"), y=alt.Y("loss:Q", scale=alt.Scale(zero=False)))
    )
    return _render(chart.properties(width=WIDTH, height=180), kind)


def confusion_plot(confusion: Sequence[Sequence[int]], kind: str = "svg") -> Any:
    """True level by predicted level."""
    import altair as alt

    rows = pl.DataFrame(
        [(f"{t + 1}", f"{p + 1}", n) for t, row in enumerate(confusion) for p, n in enumerate(row)],
        schema={"true level": pl.String, "predicted level": pl.String, "rows": pl.Int64},
        orient="row",
    )
    base = alt.Chart(rows).encode(x=alt.X("predicted level:N", axis=alt.Axis(labelAngle=0)), y="true level:N")
    squares = base.mark_rect().encode(color=alt.Color("rows:Q", scale=alt.Scale(scheme="blues"), legend=None))
    return _render((squares + base.mark_text().encode(text="rows:Q")).properties(width=180, height=180), kind)


def histogram(values: pl.Series, title: str, kind: str = "svg") -> Any:
    """Counts of a numeric column in 20 bins."""
    import altair as alt

    rows = pl.DataFrame({"value": values})
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(x=alt.X("value:Q", bin=alt.Bin(maxbins=20), title=title), y=alt.Y("count():Q", title="rows"))
    )
    return _render(chart.properties(width=WIDTH, height=160), kind)


def comparison_plot(rows: Sequence[Mapping[str, Any]], kind: str = "svg") -> Any:
    """Points with intervals: one line a measure (label), one colour a model."""
    import altair as alt

    table = pl.DataFrame(
        rows,
        schema={"label": pl.String, "model": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64},
    )
    base = alt.Chart(table).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=320)), color="model:N"
    )
    bars = base.mark_rule().encode(x=alt.X("low:Q", title=None), x2="high:Q")
    points = base.mark_point(filled=True, size=60).encode(x="value:Q")
    return _render((bars + points).properties(width=WIDTH, height=26 * max(1, len(rows) // 2)), kind)
