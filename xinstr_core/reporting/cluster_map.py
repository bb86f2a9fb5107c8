"""The map of instructions: what was chosen from where."""

from __future__ import annotations

from html import escape

import polars as pl

from xinstr_core.text import printable

SIZE = 640
MARGIN = 12
LONGEST_TEXT = 200  # characters of an instruction that a hover shows
# Turning the colour wheel by the golden angle keeps clusters of neighbouring numbers apart, however many there are.
GOLDEN_ANGLE = 137.508


def cluster_map(points: pl.DataFrame) -> str:
    """An SVG of the points: colour by cluster, full where selected and a ring where not, the instruction on hovering.

    `points` has x and y between 0 and 1, cluster_id, selected and instruction. Instructions are escaped; no script.
    """
    circles = [
        _circle(*row) for row in points.select("x", "y", "cluster_id", "selected", "instruction").sort("x", "y").rows()
    ]
    selected = int(points["selected"].sum())
    label = f"Map of {len(points)} instructions, {selected} of them selected"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}" role="img" '
        f'aria-label="{label}">' + "".join(circles) + "</svg>"
    )


def _circle(x: float, y: float, cluster_id: int, selected: bool, instruction: str) -> str:
    left, top = (MARGIN + value * (SIZE - 2 * MARGIN) for value in (x, 1 - y))
    colour = f"hsl({round(cluster_id * GOLDEN_ANGLE) % 360}, 60%, 45%)"
    look = (
        f'fill="{colour}"' if selected else f'fill="white" fill-opacity="0.01" stroke="{colour}" stroke-opacity="0.8"'
    )
    text = printable(" ".join(instruction.split()))
    shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" {look}><title>{escape(shown)}</title></circle>'
