"""The charts of the report and the UI, as altair declares them. What draws them decides how wide they are and on what ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import polars as pl

from xinstr_core.evaluation.gaps import Gap
from xinstr_core.schemas.declaration import Funnel
from xinstr_core.text import printable

# Each stands out from white and from near black by more than 3:1, and they differ in lightness for those who see no hue.
BLUE, ORANGE, GREEN, GREY = "#3d7fd9", "#cc6420", "#2f9068", "#808890"
COLOURS = (ORANGE, BLUE, GREEN, "#a06ad0", "#b8860b", "#d0508a", "#1f93a8", GREY)
_BINS = 20
_ROW = 22  # pixels of a bar
_LINE, _LINE_CHARACTERS = (
    14,
    22,
)  # height in pixels of a line of a label, and its length: what a narrow screen has room for
# Labels of several lines where whoever draws the chart says that it is narrow: drawing.py declares NARROW.
NARROW = "narrow"
_LINES = f"{NARROW} ? split(datum.value, '\\n') : join(split(datum.value, '\\n'), ' ')"
_ROOM_FOR_NUMBER = 1.15  # of the longest bar: its number stands behind it
LONGEST_TEXT = 200  # characters of an instruction that a hover shows


def funnel_chart(funnel: Funnel) -> Any:
    """Horizontal bars: what came in, what fell at which reason, what was kept."""
    kinds = ["rows", *["lost"] * len(funnel.lost), "rows"]
    return bars([(step, count, kind) for (step, count), kind in zip(funnel.steps.items(), kinds, strict=True)])


def bars(rows: Sequence[tuple[str, float, str]], unit: str = "rows") -> Any:
    """Horizontal bars of (name, value, "rows" or "lost"), in their order, each with its number."""
    import altair as alt

    names = [_in_lines(name.replace("_", " ")) for name, _, _ in rows]
    table = pl.DataFrame(
        [(name, value, kind) for name, (_, value, kind) in zip(names, rows, strict=True)],
        schema={"step": pl.String, unit: pl.Float64, "kind": pl.String},
        orient="row",
    )
    end = max((value for _, value, _ in rows), default=0) * _ROOM_FOR_NUMBER
    base = alt.Chart(table).encode(
        y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(labelExpr=_LINES)),
        x=alt.X(f"{unit}:Q", title=unit, scale=alt.Scale(domain=[0, end or 1]), axis=alt.Axis(tickCount=5)),
    )
    colour = alt.Color("kind:N", scale=alt.Scale(domain=["rows", "lost"], range=[BLUE, ORANGE]), legend=None)
    tooltip = ["step:N", alt.Tooltip(f"{unit}:Q", format=",")]
    shown = base.mark_bar(height={"band": 0.72}).encode(color=colour, tooltip=tooltip)
    labels = base.mark_text(align="left", dx=4).encode(text=alt.Text(f"{unit}:Q", format=","))
    return (shown + labels).properties(height=alt.Step(_row_height(names)))


def loss_chart(losses: Mapping[str, Sequence[Sequence[float]]]) -> Any:
    """Loss of trainings by how much of each was done: their steps differ by orders of magnitude."""
    import altair as alt

    rows = [
        (name, 100 * step / curve[-1][0], int(step), loss)
        for name, curve in losses.items()
        for step, loss in curve
        if curve
    ]
    table = pl.DataFrame(
        rows, schema={"training": pl.String, "done": pl.Float64, "step": pl.Int64, "loss": pl.Float64}, orient="row"
    )
    return (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=24))
        .encode(
            x=alt.X("done:Q", title="% of the training's steps", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("loss:Q", scale=alt.Scale(zero=False)),
            color=_colour_by("training", [*losses]),
            tooltip=["training:N", "step:Q", alt.Tooltip("loss:Q", format=".4f")],
        )
        .properties(height=240)
    )


def confusion_chart(confusion: Sequence[Sequence[int]]) -> Any:
    """True level by predicted level, darker by the share of the true level's rows."""
    import altair as alt

    rows = [
        (f"{true + 1}", f"{predicted + 1}", count, count / max(1, sum(row)))
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
    ]
    schema = {"true level": pl.String, "predicted level": pl.String, "rows": pl.Int64, "share": pl.Float64}
    base = alt.Chart(pl.DataFrame(rows, schema=schema, orient="row")).encode(
        x=alt.X("predicted level:N", axis=alt.Axis(labelAngle=0)), y="true level:N"
    )
    squares = base.mark_rect(color=BLUE).encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 0.75]), legend=None),
        tooltip=["true level:N", "predicted level:N", "rows:Q", alt.Tooltip("share:Q", format=".2f")],
    )
    return (squares + base.mark_text(fontSize=13).encode(text="rows:Q")).properties(height=180)


def reliability_chart(reliability: Sequence[Sequence[float]]) -> Any:
    """Share of right ratings by confidence, [confidence, share right, rows] a point; on the line they are calibrated."""
    import altair as alt

    names = ("mean confidence", "share right", "rows")
    table = pl.DataFrame(reliability, schema=dict.fromkeys(names, pl.Float64), orient="row")
    x = alt.X("mean confidence:Q", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("share right:Q", scale=alt.Scale(domain=[0, 1]))
    diagonal = pl.DataFrame({"mean confidence": [0.0, 1.0], "share right": [0.0, 1.0]})
    line = alt.Chart(diagonal).mark_line(strokeDash=[4, 4], color=GREY, strokeWidth=1).encode(x=x, y=y)
    tooltip = [alt.Tooltip(f"{name}:Q", format=".3~f") for name in names]
    points = alt.Chart(table).mark_line(point=True, color=BLUE).encode(x=x, y=y, tooltip=tooltip)
    counts = alt.Chart(table).mark_text(dy=-10).encode(x=x, y=y, text="rows:Q")
    return (line + points + counts).properties(height=220)


def histogram(values: pl.Series, title: str, by: pl.Series | None = None) -> Any:
    """Counts of a numeric column in bins; of those where `by` is true and false apart, stacked."""
    import altair as alt

    table = _binned(values, by if by is not None else pl.repeat(True, len(values), eager=True))
    colour = alt.value(BLUE) if by is None else _colour_by("group", ["kept", "not kept"], (BLUE, ORANGE))
    return (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("from:Q", bin="binned", title=title),
            x2="to:Q",
            y=alt.Y("rows:Q", stack=True),
            color=colour,
            tooltip=[alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("to:Q", format=".2f"), "group:N", "rows:Q"],
        )
        .properties(height=170)
    )


def _binned(values: pl.Series, by: pl.Series) -> pl.DataFrame:
    """Counts a bin and group: a chart of every single row would be as large as the rows are many."""
    import numpy

    rows = pl.DataFrame({"value": values, "kept": by}).drop_nulls()
    edges = numpy.histogram_bin_edges(rows["value"].to_numpy(), _BINS)
    found = [
        (float(edges[place]), float(edges[place + 1]), group, int(count))
        for group, kept in (("kept", True), ("not kept", False))
        for place, count in enumerate(
            numpy.histogram(rows.filter(pl.col("kept") == kept)["value"].to_numpy(), edges)[0]
        )
        if count
    ]
    schema = {"from": pl.Float64, "to": pl.Float64, "group": pl.String, "rows": pl.Int64}
    return pl.DataFrame(found, schema=schema, orient="row")


def interval_chart(
    rows: Sequence[tuple[str, str, float, float | None, float | None]], unit: str, names: Sequence[str]
) -> Any:
    """Points with intervals, of (what, whose, value, low, high): a line a measure, a colour a model or set (`names`)."""
    import altair as alt

    schema = {"what": pl.String, "whose": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    labels = [_in_lines(what) for what, *_ in rows]
    lined = [(label, *rest) for label, (_, *rest) in zip(labels, rows, strict=True)]
    table = pl.DataFrame(lined, schema=schema, orient="row")
    base = alt.Chart(table).encode(
        y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelExpr=_LINES)),
        yOffset=alt.YOffset("whose:N", sort=[*names]),
        color=_colour_by("whose", names),
        tooltip=["what:N", "whose:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high"))],
    )
    x = alt.X("value:Q", title=unit, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=5))
    intervals = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=unit), x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=x)
    step = max(_row_height(labels) / len(names), _ROW / 1.6)
    return (intervals + points).properties(height=alt.Step(step, **{"for": "offset"}))


def gap_chart(gaps: Sequence[Gap], unit: str) -> Any:
    """One model minus another with intervals, a line a measure and pair of models. To the right, the first is better."""
    import altair as alt

    names = [*dict.fromkeys(f"{gap.reference} - {gap.arm}" for gap in gaps)]
    rows = [(f"{gap.metric} ({gap.prompts})", f"{gap.reference} - {gap.arm}", *gap.advantage) for gap in gaps]
    zero = alt.Chart(pl.DataFrame({"x": [0.0]})).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="x:Q")
    return zero + interval_chart(rows, f"{unit}: the first is better →", names)


def cluster_map(points: pl.DataFrame) -> Any:
    """Instructions where their embeddings lie: colour by cluster, full where selected and a ring where not.

    `points` has x and y between 0 and 1, cluster_id, selected and instruction, which hovering shows.
    """
    import altair as alt

    table = points.sort("x", "y", "pair_id").select(
        pl.col("x", "y").round(4),
        pl.col("cluster_id").cast(pl.String).alias("cluster"),
        pl.when("selected").then(pl.lit("selected")).otherwise(pl.lit("not selected")).alias("state"),
        pl.col("instruction").map_elements(_short, pl.String),
    )
    place = alt.Axis(labels=False, ticks=False, grid=False, domain=False)
    # Clusters of neighbouring numbers differ in colour; with more clusters than colours, hovering tells them apart.
    return (
        alt.Chart(table)
        .mark_point(size=45, strokeWidth=1.4)
        .encode(
            x=alt.X("x:Q", title=None, axis=place, scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("y:Q", title=None, axis=place, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("cluster:N", legend=None, scale=alt.Scale(range=[*COLOURS])),
            fill=alt.Fill("cluster:N", legend=None, scale=alt.Scale(range=[*COLOURS])),
            fillOpacity=alt.condition(alt.datum.state == "selected", alt.value(0.9), alt.value(0)),
            tooltip=["instruction:N", "cluster:N", "state:N"],
        )
        .properties(height=420)
    )


def _in_lines(label: str) -> str:
    return "\n".join(wrap(label, _LINE_CHARACTERS, break_on_hyphens=False))


def _row_height(labels: Sequence[str]) -> int:
    """Pixels that a row needs for the label of most lines."""
    return max((_ROW, *(_LINE * (label.count("\n") + 1) + 4 for label in labels)))


def _short(text: str) -> str:
    flat = printable(" ".join(text.split()))
    return flat if len(flat) <= LONGEST_TEXT else flat[:LONGEST_TEXT] + "…"


def _colour_by(name: str, values: Sequence[str], colours: Sequence[str] = COLOURS) -> Any:
    import altair as alt

    legend = alt.Legend(orient="top", title=None, columns=2, labelLimit=0) if len(values) > 1 else None
    used = [colours[place % len(colours)] for place in range(len(values))]
    return alt.Color(f"{name}:N", sort=None, scale=alt.Scale(domain=[*values], range=used), legend=legend)
