"""What each construction of the rating set costs, and what switching it off would lose.

The level's head is small, and every signal is read already: to fit it again without one construction costs no reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from xinstr_core.curation.constructions import OWN
from xinstr_core.curation.evaluator import fit_head, read_levels
from xinstr_core.curation.rating_set import GENERATED, RatedPair
from xinstr_core.curation.validation import share_right, validate
from xinstr_core.schemas.evaluator import ConstructionFigures
from xinstr_core.settings import EvaluatorSettings


def ablate(
    signals: pl.DataFrame,
    rated: Sequence[RatedPair],
    held_out: pl.DataFrame,
    seconds: Mapping[str, float],
    settings: EvaluatorSettings,
) -> dict[str, ConstructionFigures]:
    """Every construction by name, each with how the held-out rows are rated by a head that has never seen it.

    `signals` (pair_id and every signal) are those of `rated`, which the heads learned from; `held_out` has truth, ratings
    and signals; `seconds` is what models needed to write for a construction.
    """
    of = {row.key: row.construction for row in rated}
    learned = signals.with_columns(construction=pl.col("pair_id").replace_strict(of, return_dtype=pl.String))
    known = held_out.drop_nulls(signals.columns[1:])
    before = validate(known, known.clear()).log_loss
    return {
        construction: _figures(construction, learned, rated, known, before, seconds.get(construction, 0.0), settings)
        for construction in sorted({*of.values(), *held_out["construction"]})
    }


def _figures(
    construction: str,
    learned: pl.DataFrame,
    rated: Sequence[RatedPair],
    held_out: pl.DataFrame,
    log_loss: float,
    seconds: float,
    settings: EvaluatorSettings,
) -> ConstructionFigures:
    is_it = pl.col("construction") == construction
    rows, proof = learned.filter(is_it), held_out.filter(is_it)
    told = ConstructionFigures(
        rows=len(rows), held_out=len(proof), seconds=round(seconds, 1), accuracy=share_right(proof)
    )
    if construction == GENERATED:  # its levels are estimates, and the head of the level has not learned from it
        return told.model_copy(update={"accuracy": None})
    if construction == OWN or rows.is_empty() or held_out["level"].n_unique() < 2:
        return told
    head = fit_head("level", learned.filter(~is_it).drop("construction"), rated, settings)
    judged = read_levels(head, held_out)
    lost = validate(judged, judged.clear()).log_loss - log_loss
    return told.model_copy(
        update={"accuracy_without": share_right(judged.filter(is_it)), "log_loss_without": round(lost, 4)}
    )
