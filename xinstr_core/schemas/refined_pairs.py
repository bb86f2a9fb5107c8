"""refined_pairs: every accepted pair rated, over rounds of label, keep and retrain. `kept` decides what goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import polars as pl

from xinstr_core.schemas.candidate_pairs import SAMPLE
from xinstr_core.schemas.declaration import Column, Contract, Declared, Figures, Folder, Funnel, Table, figure
from xinstr_core.schemas.shared import (
    DOC_ID,
    INSTRUCTION,
    LANGUAGE,
    PAIR_ID,
    RESPONSE,
    ROWS,
    SHARE,
    Advises,
    TrainedOn,
    ValidationFigures,
)
from xinstr_core.schemas.signals import ratings_and_signals, signal_tables

ASSET = "refined_pairs"
KEPT = "kept"
NOT_CURATED = "not_curated"  # goes on too: no rater was good enough to say anything against it
RATING = Column(
    "rating", pl.Float64, "expected level: 1 x p_level_1 + 2 x p_level_2 + 3 x p_level_3", minimum=1, maximum=3
)

PAIRS = Table(
    ASSET,
    "pairs",
    "Every accepted pair with its ratings and signals, which are null where the evaluator could not read it.",
    (
        LANGUAGE,
        PAIR_ID,
        DOC_ID,
        SAMPLE,
        INSTRUCTION,
        RESPONSE,
        *ratings_and_signals(nullable=True),
        Column("failure", pl.String, "why it could not be read; null for a rated pair", nullable=True),
        replace(RATING, nullable=True),
        Column("round", pl.Int32, "round whose evaluator gave the rating", minimum=1),
        Column("evaluator", pl.String, "fingerprint of that evaluator's adapters"),
        Column("verdict", pl.String, f"{KEPT}, {NOT_CURATED}, or what it fell short in"),
        Column(KEPT, pl.Boolean, "whether it goes on"),
    ),
    view=ASSET,
    sample=("pair_id", "instruction", "response", "rating", "instruction_quality", "pair_fit", "verdict"),
)
ROUND_RATINGS = Table(
    ASSET,
    "ratings",
    "What every round that was used said of every pair that it could read.",
    (PAIR_ID, *ratings_and_signals(nullable=False), Column("round", pl.Int32, "the round", minimum=1)),
)


class PairFunnel(Funnel):
    came: ClassVar = "accepted pairs"
    left: ClassVar = KEPT


class RoundFigures(ValidationFigures):
    """What one round of label, keep and retrain came to."""

    round: int = figure("round", "its number, from 1")
    used: bool = figure("used", "whether its evaluator counts")
    outcome: str = figure("outcome", "what became of it, and why")
    mean_probabilities: list[float] = figure(
        "mean level probabilities of candidates",
        "means over the candidates that could be read, level 1 first",
        unit=SHARE,
    )


class PrecisionFigures(Declared):
    """What is wanted of the kept pairs, what is expected of them, and what came of it on held-out instructions."""

    wanted: float = figure("wanted precision", "curation.wanted_precision", unit=SHARE)
    expected: float | None = figure(
        "expected precision",
        "mean of right_instruction over what the rating keeps; null where that is nothing",
        unit=SHARE,
        better="higher",
    )
    limit: float | None = figure(
        "limit that follows", "least right_instruction that the rating keeps; null where that is nothing", unit=SHARE
    )
    checked: int = figure(
        "held-out instructions", "that the evaluator's adapter wrote of texts it had not seen", unit=ROWS
    )
    checked_kept: int = figure(
        "held-out instructions kept",
        "of them, kept as candidates are: the best of a text, within the limits",
        unit=ROWS,
    )
    precision: float | None = figure(
        "precision on held-out instructions",
        "share of these that ask what the seed asks; null where none is kept",
        unit=SHARE,
        better="higher",
    )
    low: float | None = figure("its lower end", "of the 95 % interval", unit=SHARE)
    high: float | None = figure("its upper end", "of the 95 % interval", unit=SHARE)
    wrong: float | None = figure(
        "wrong ones on held-out instructions", "share of these that ask something else", unit=SHARE, better="lower"
    )

    @property
    def said(self) -> str:
        """All of it in a sentence."""
        if self.precision is None and self.expected is None:
            return (
                f"no pair is surely enough right for the wanted precision of {self.wanted:g}: the rating keeps nothing, "
                f"neither of the candidates nor of {_held_out(self.checked)}"
            )
        if self.precision is None:
            proof = f"of {_held_out(self.checked)} it would keep none"
        else:
            proof = (
                f"of {_held_out(self.checked_kept)} kept in the same way a share of {self.precision:.2f} "
                f"({self.low:.2f} to {self.high:.2f}) is right, and {self.wrong:.2f} asks something else"
            )
        kept = (
            "the rating keeps nothing"
            if self.expected is None
            else f"a share of {self.expected:.2f} is expected to be right of what the rating keeps"
        )
        return f"wanted is a precision of {self.wanted:g}: {kept}, and {proof}"


def _held_out(count: int) -> str:
    return f"{count} held-out instruction{'' if count == 1 else 's'}"


class AuditFigures(Declared):
    """What people say of the pairs that the rating would keep: it decides in place of the held-out rows."""

    labelled: int = figure("labelled pairs", "pairs that the rating would keep and a person labelled", unit=ROWS)
    precision: float = figure("precision by people", "share of these at the highest level", unit=SHARE, better="higher")
    low: float = figure("lower end by people", "of the 95 % interval", unit=SHARE)
    high: float = figure("upper end by people", "of the 95 % interval", unit=SHARE)
    overrules: bool = figure("overrules", "whether the verdict would be another one without the labels")
    promised: str = figure("promised", "the verdict that held-out rows alone would give")

    @property
    def said(self) -> str:
        """All of it in a sentence."""
        found = f"People find {self.precision:.2f} ({self.low:.2f} to {self.high:.2f}) right of {self.labelled} labelled pairs"
        does = "overrules" if self.overrules else "confirms"
        return f"{found}, which {does} what held-out rows say ({self.promised.rstrip('.')})"


class RefinedFigures(Advises, TrainedOn, Figures):
    funnel: PairFunnel = figure("funnel", "accepted pairs by verdict", unit=ROWS)
    curated: bool = figure("curated", "whether the evaluator was good enough to decide what is kept")
    rounds: list[RoundFigures] = figure("rounds", "what every round came to")
    precision: PrecisionFigures | None = figure(
        "precision", "what is wanted of the kept pairs and what came of it; null where nothing is wanted", default=None
    )
    audit: AuditFigures | None = figure(
        "audit", "what people say of what would be kept; null where too few pairs are labelled", default=None
    )


REFINED_PAIRS = Contract(
    ASSET,
    "Every accepted pair with its level probabilities, over rounds of label, keep and retrain.",
    RefinedFigures,
    tables=(PAIRS, ROUND_RATINGS, *signal_tables(ASSET)),
    folders=(Folder("round-*", "the adapter that a round after the first trained for a task"),),
)
