"""The sections of a language's report, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xinstr_core.reporting.blocks import Section
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.sections import (
    arms,
    change,
    cost,
    curation,
    embedded_world,
    funnel,
    making,
    measures,
    provenance,
    rows,
    selection,
    training,
)

# Each gives its section, or None where there is nothing to tell.
SECTIONS: Sequence[Callable[[Built], Section | None]] = (
    funnel.section,
    rows.section,
    curation.section,
    selection.section,
    training.section,
    measures.section,
    measures.replies,
    arms.section,
    embedded_world.section,
    cost.section,
    provenance.section,
    making.section,
    change.section,
)
