"""diversified_set: kept pairs that differ in what is asked, and a held-out part."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import polars as pl

from xinstr_core.schemas.declaration import Column, Contract, Declared, Figures, Funnel, Table, figure
from xinstr_core.schemas.refined_pairs import RATING
from xinstr_core.schemas.shared import (
    CLUSTER_ID,
    DOC_ID,
    INSTRUCTION,
    LANGUAGE,
    PAIR_ID,
    RESPONSE,
    ROWS,
    SHARE,
    SOURCE_TAG,
    Advises,
)

ASSET = "diversified_set"
Split = Literal["train", "heldout"]
TRAIN: Split = "train"
HELD_OUT: Split = "heldout"
IS_FOR_TRAINING = pl.col("split") == TRAIN
IS_HELD_OUT = pl.col("split") == HELD_OUT
# What a measure says of the selection beside random draws.
MORE_VARIED, AS_RANDOM, LESS_VARIED = "more varied than every draw", "no better than random", "worse than every draw"
ALL_THERE_IS = "all there is"

SELECTED = Table(
    ASSET,
    "rows",
    "The selection for tuning, and the held-out part.",
    (
        LANGUAGE,
        PAIR_ID,
        DOC_ID,
        INSTRUCTION,
        RESPONSE,
        RATING,
        CLUSTER_ID,
        Column("distance_to_centre", pl.Float64, "cosine distance of the instruction to its cluster's centre"),
        Column(
            "rank_in_cluster",
            pl.Int64,
            "turn in which it was taken of its cluster; null for held-out rows",
            nullable=True,
        ),
        Column("topic", pl.String, "nearest topic; null where topics are not looked for", nullable=True),
        Column("split", pl.String, "what it is for", values=get_args(Split)),
        SOURCE_TAG,
    ),
    view=ASSET,
    sample=("pair_id", "cluster_id", "instruction", "response", "split"),
)
REJECTED = Table(
    ASSET,
    "rejected",
    "Kept pairs whose instruction the encoder could not read.",
    (PAIR_ID, INSTRUCTION, Column("reason", pl.String, "why")),
)
EMBEDDINGS = Table(
    ASSET,
    "embeddings",
    "Vectors of the distinct instructions: a later run takes those that it needs again.",
    (
        Column("text_key", pl.String, "key of encoder and instruction"),
        Column("vector", pl.List(pl.Float32), "unit vector"),
    ),
)
MAP = Table(
    ASSET,
    "map",
    "The report's map: a random sample of what could be selected.",
    (
        PAIR_ID,
        Column("x", pl.Float64, "place from left to right", minimum=0, maximum=1),
        Column("y", pl.Float64, "place from bottom to top", minimum=0, maximum=1),
        CLUSTER_ID,
        Column("selected", pl.Boolean, "whether it was selected"),
        INSTRUCTION,
    ),
)


class SelectionFunnel(Funnel):
    came: ClassVar = "kept pairs"
    left: ClassVar = "selected"


class RandomMeasure(Declared):
    """A measure over random selections of the same size."""

    mean: float = figure("mean", "over the draws")
    low: float = figure("low", "lowest draw")
    high: float = figure("high", "highest draw")


class DiversityMeasures(Declared):
    """How varied rows are in what they ask."""

    verb_object_pairs: float = figure("distinct verb-object pairs", "distinct pairs of verb and noun", better="higher")
    top_verb_share: float = figure("share of the top verb", "rows with the commonest verb", unit=SHARE, better="lower")
    cluster_entropy: float = figure(
        "cluster entropy", "entropy of the rows over the clusters, over its maximum", unit=SHARE, better="higher"
    )
    neighbour_distance: float = figure(
        "nearest-neighbour distance", "mean cosine distance to the most alike other row", better="higher"
    )


class DiversityFigures(Declared):
    """How varied the selection is beside random ones of the same size."""

    selected: DiversityMeasures = figure("selected", "measures of the selection")
    random: dict[str, RandomMeasure] = figure("as many at random", "each measure over 20 draws from the same pool")

    @property
    def verdicts(self) -> dict[str, str]:
        """What each measure says of the selection. One that is better than all of 20 draws is so by chance once in 21 times."""
        found = {}
        for one, value in self.selected.told():
            random, sign = self.random[one.name], 1 if one.better == "higher" else -1
            worst, best = sorted((sign * random.low, sign * random.high))
            beside = MORE_VARIED if sign * value > best else LESS_VARIED if sign * value < worst else AS_RANDOM
            found[one.name] = ALL_THERE_IS if self.is_all else beside
        return found

    @property
    def is_all(self) -> bool:
        """Whether every draw is the selection itself: there was nothing to choose from."""
        return all(one.low == one.high == getattr(self.selected, name) for name, one in self.random.items())

    @property
    def warning(self) -> str:
        """In a sentence where the selection is no more varied than random pairs; empty where it is by every measure."""
        if self.is_all:
            return "All pairs that could be selected were: the selection cannot be more varied than random pairs."
        labels = {one.name: one.label for one, _ in self.selected.told()}
        not_better = [labels[name] for name, verdict in self.verdicts.items() if verdict != MORE_VARIED]
        if not not_better:
            return ""
        if len(not_better) == len(labels):
            return "By none of the measures is the selection more varied than as many pairs drawn at random."
        by = ", ".join(not_better)
        return f"By some measures only is the selection more varied than as many pairs drawn at random: not by {by}."


class SelectionFigures(Advises, Figures):
    funnel: SelectionFunnel = figure("funnel", "kept pairs by what became of them", unit=ROWS)
    clusters: int = figure("clusters", "clusters of instructions")
    topics: dict[str, float] = figure("topics", "of each topic in the selection", unit=SHARE)
    embeddings_computed: int = figure(
        "embeddings computed", "instructions that the encoder looked at in this run", unit=ROWS
    )
    diversity: DiversityFigures | None = figure(
        "diversity", "how varied the selection is; null where nothing was selected"
    )


DIVERSIFIED_SET = Contract(
    ASSET,
    "Kept pairs drawn evenly across clusters of what is asked, with a held-out part.",
    SelectionFigures,
    tables=(SELECTED, REJECTED, EMBEDDINGS, MAP),
)
