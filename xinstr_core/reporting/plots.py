"""The plots of the report and the UI: altair charts, as SVG for the page and PNG for metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from xinstr_core.evaluation.gaps import Gap
from xinstr_core.schemas.declaration import Funnel

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


def funnel_plot(funnel: Funnel, kind: str = "svg") -> Any:
    """Horizontal bars: what came in, what fell at which reason, what was kept."""
    import altair as alt

    rows = pl.DataFrame(
        {
            "step": [*funnel.steps],
            "rows": [*funnel.steps.values()],
            "kind": ["rows", *["lost"] * len(funnel.lost), "rows"],
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


def reliability_plot(reliability: Sequence[Sequence[float]], kind: str = "svg") -> Any:
    """Share of right ratings by confidence, [confidence, share right, rows] a point; on the line they are calibrated."""
    import altair as alt

    rows = pl.DataFrame(
        reliability,
        schema={"mean confidence": pl.Float64, "share right": pl.Float64, "rows": pl.Float64},
        orient="row",
    )
    x = alt.X("mean confidence:Q", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("share right:Q", scale=alt.Scale(domain=[0, 1]))
    diagonal = pl.DataFrame({"mean confidence": [0.0, 1.0], "share right": [0.0, 1.0]})
    line = alt.Chart(diagonal).mark_line(strokeDash=[4, 4], color="#999", strokeWidth=1).encode(x=x, y=y)
    points = alt.Chart(rows).mark_line(point=True).encode(x=x, y=y)
    counts = alt.Chart(rows).mark_text(dy=-9, color="#555").encode(x=x, y=y, text="rows:Q")
    return _render((line + points + counts).properties(width=180, height=180), kind)


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


def gap_plot(gaps: Sequence[Gap], kind: str = "svg") -> Any:
    """One arm minus another with intervals, a line a measure and pair of arms. To the right, the first is better."""
    import altair as alt

    rows = pl.DataFrame(
        [(f"{gap.metric} ({gap.prompts})", f"{gap.reference} - {gap.arm}", *gap.advantage) for gap in gaps],
        schema={"measure": pl.String, "arm": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64},
        orient="row",
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("measure:N", sort=None, title=None, axis=alt.Axis(labelLimit=320)),
        yOffset=alt.YOffset("arm:N", sort=None),
        color=alt.Color("arm:N", sort=None),
    )
    bars = base.mark_rule().encode(x=alt.X("low:Q", title="the first is better →"), x2="high:Q")
    points = base.mark_point(filled=True, size=60).encode(x="value:Q")
    zero = alt.Chart(pl.DataFrame({"x": [0.0]})).mark_rule(color="#999", strokeDash=[4, 4]).encode(x="x:Q")
    height = 14 * len(rows) + 12 * rows["measure"].n_unique()
    return _render((zero + bars + points).properties(width=WIDTH, height=height), kind)


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
