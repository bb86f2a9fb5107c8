"""What people say of the kept pairs: one source for verdict, overview and charts, so that a page does not contradict itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from xinstr_core.curation.audit import read_audit
from xinstr_core.curation.limits import MINIMUM_JUDGED
from xinstr_core.errors import InputError
from xinstr_core.evaluation.agreement import KEPT_ASPECT, PRECISION, Agreement, agreement
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.sections.making import ended
from xinstr_core.schemas.eval_report import AUDIT, EVAL_REPORT
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.settings import Settings


@dataclass(frozen=True)
class ByPeople:
    """Of so many labelled pairs that were kept this share is right, with its 95 % interval.

    `minimum` is the share under which nothing is called curated, None where nobody noted it. `read`: when the labels were
    read; `is_newer`: whether that was after the curation, which then knew other labels or none.
    """

    labelled: int
    precision: float
    low: float
    high: float
    minimum: float | None = None
    read: str = ""
    is_newer: bool = False

    @property
    def is_enough(self) -> bool:
        """Whether they are enough to decide what is called curated."""
        return self.labelled >= MINIMUM_JUDGED

    @property
    def is_too_low(self) -> bool:
        return self.minimum is not None and self.precision < self.minimum


def labelled(path: Path, rated: pl.LazyFrame, settings: Settings) -> tuple[list[Agreement], str]:
    """How ratings agree with what people labelled so far in an audit, and what is to be said of that file; nothing where there is none."""
    if not path.is_file():
        return [], ""
    try:
        audit = read_audit(path)
    except InputError as error:
        return [], str(error).replace(str(path), path.name)
    unread = f"; {len(audit.troubles)} cells could not be read" if audit.troubles else ""
    note = f"{audit.labelled} of {len(audit.labels)} pairs labelled{unread}"
    return agreement(audit.labels, rated.drop("instruction", "response").collect(), settings), note


def by_people(built: Built) -> ByPeople | None:
    """By the labels that the report read, which are never older than those of the curation; None where no kept pair is labelled.

    Where the report was made of another build of the pairs, the curation's own figures go before it.
    """
    at_curation = built.figures(REFINED_PAIRS).audit
    minimum = built.settings(REFINED_PAIRS, "curation").get("minimum_precision")
    of_report = built.read(AUDIT, where=(pl.col("aspect") == KEPT_ASPECT) & (pl.col("measure") == PRECISION))
    taken = built.made_of(EVAL_REPORT).get("inputs", {}).get(REFINED_PAIRS.asset)
    is_of_these = taken in (None, built[REFINED_PAIRS].version)
    if at_curation and (of_report.is_empty() or not is_of_these):
        found = at_curation.labelled, at_curation.precision, at_curation.low, at_curation.high
        return ByPeople(*found, minimum, ended(built[REFINED_PAIRS]))
    if of_report.is_empty():
        return None
    row = of_report.row(0, named=True)
    known = at_curation and (at_curation.labelled, at_curation.precision)
    # Of too few the curation tells nothing, whether it read them or not.
    is_newer = row["n"] >= MINIMUM_JUDGED and known != (row["n"], round(row["value"], 4))
    found = row["n"], row["value"], row["low"], row["high"]
    return ByPeople(*found, minimum, ended(built[EVAL_REPORT]), is_newer)
