"""What comparison models are tuned on, and what they are worth against the selection: the honest test of curation.

An arm is a choice of pairs. All arms have the same number of pairs, and with each go the seed pairs that the tuned model
has too: so an arm tells what its pairs are worth to somebody who has these seeds, and every arm knows both response
tags. `seed_only` has no pairs; its seeds are repeated until it has as many rows, and so as many steps: what more of the
same training would have given. (Pairs against as many further seeds would be no fair contest: nobody has those.)

selected     of the diversified set, rank by rank over its clusters, so that it stays as diverse
random       of the kept pairs: what selection is measured against
uncurated    of all rated pairs, kept or not: what curation is measured against
top_half     of the rated pairs with the higher ratings, and
bottom_half  of the others: what the evaluator's ratings are measured by
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, get_args

import polars as pl

from xinstr_core.evaluation.intervals import paired_difference
from xinstr_core.settings import Arm, EvaluationSettings

T = TypeVar("T")
SELECTED: Arm = "selected"
SEED_ONLY: Arm = "seed_only"
ARMS: tuple[Arm, ...] = get_args(Arm)
# (an arm, the one it is compared with): what the selection is worth, and what the ratings are.
COMPARED: tuple[tuple[Arm, Arm], ...] = (
    *((SELECTED, arm) for arm in ARMS if arm != SELECTED),
    ("top_half", "bottom_half"),
)
SEED_TAG, WEB_TAG = "seed", "web"
ARM_SCHEMA = pl.Schema({"pair_id": pl.String, "instruction": pl.String, "response": pl.String, "source_tag": pl.String})
GAP_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "reference": pl.String,
        "arm": pl.String,
        "metric": pl.String,
        "prompts": pl.String,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "n": pl.Int64,
        "clear": pl.Boolean,
        "better": pl.String,
    }
)


def drawable(pairs: pl.DataFrame, held_out: pl.Series) -> pl.DataFrame:
    """The rated pairs (pair_id, doc_id, rating, kept) of documents that are not held out, by key.

    Held-out rows are kept pairs. Of the dropped ones as large a share goes, so that those that stay are kept and
    dropped in the proportion in which they were rated.
    """
    rated = pairs.filter(pl.col("rating").is_not_null()).sort("pair_id")
    free = rated.filter(~pl.col("doc_id").is_in(held_out.implode()))
    kept, dropped = free.filter("kept"), free.filter(~pl.col("kept"))
    kept_share = len(kept) / max(1, int(rated["kept"].sum()))
    wanted = round(int((~rated["kept"]).sum()) * kept_share) if len(kept) else len(dropped)
    return pl.concat([kept, dropped.tail(wanted)]).sort("pair_id")


def arm_size(pairs: pl.DataFrame, selected: pl.DataFrame) -> int:
    """Pairs of every arm: as many as the smallest has, whichever are asked for, so that one more changes no other."""
    return min(len(_choice(arm, pairs, selected)) for arm in ARMS if arm != SEED_ONLY)


def arm_rows(
    arm: Arm, pairs: pl.DataFrame, selected: pl.DataFrame, seeds: pl.DataFrame, size: int, *, mix_seeds: bool = True
) -> pl.DataFrame:
    """What an arm is tuned on, each row once, in ARM_SCHEMA: `size` of its pairs, then the seeds.

    `pairs` are those of drawable(), `selected` the rows for training of the diversified set. Only `seed_only` has seeds
    when they are not mixed in.
    """
    chosen = pairs.head(0) if arm == SEED_ONLY else _choice(arm, pairs, selected).head(size)
    rows = [chosen.with_columns(source_tag=pl.lit(WEB_TAG)).select(ARM_SCHEMA.names()).sort("pair_id")]
    if mix_seeds or arm == SEED_ONLY:
        rows.append(seeds.with_columns(source_tag=pl.lit(SEED_TAG)).select(ARM_SCHEMA.names()).sort("pair_id"))
    return pl.concat(rows)


def _choice(arm: Arm, pairs: pl.DataFrame, selected: pl.DataFrame) -> pl.DataFrame:
    """All pairs that an arm may have, in the order in which it takes them. Keys are hashes: their order is random."""
    by_rating = pairs.sort("rating", "pair_id")
    match arm:
        case "selected":
            return selected.sort(["rank_in_cluster", "rating", "pair_id"], descending=[False, True, False])
        case "random":
            return pairs.filter("kept").sort("pair_id")
        case "top_half":
            return by_rating.tail(len(pairs) // 2).sort("pair_id")
        case "bottom_half":
            return by_rating.head(len(pairs) // 2).sort("pair_id")
        case "uncurated":
            return pairs.sort("pair_id")
        case "seed_only":
            raise ValueError("seed_only has no pairs")


def repeated(items: Sequence[T], count: int) -> list[T]:
    """`count` items: these from the first to the last, over and over."""
    return [items[place % len(items)] for place in range(count)]


@dataclass(frozen=True)
class Gap:
    """An arm (`reference`) minus another (`arm`) on the same cases of one measure, with the difference's interval."""

    language: str
    reference: str
    arm: str
    metric: str
    prompts: str
    difference: float
    low: float
    high: float
    n: int
    better: str

    @property
    def advantage(self) -> tuple[float, float, float]:
        """(difference, low, high) with the sign by which more than 0 speaks for the reference."""
        if self.better == "higher":
            return self.difference, self.low, self.high
        return -self.difference, -self.high, -self.low

    @property
    def clear(self) -> bool:
        """Whether the reference is better and the interval holds no zero."""
        return self.advantage[1] > 0

    @property
    def verdict(self) -> str:
        """What a reader may conclude."""
        if self.clear:
            return f"{self.reference} is better"
        if self.low <= 0 <= self.high:
            return "not shown: the interval holds zero"
        return f"{self.reference} is worse than {self.arm}"


def paired_cases(scores: pl.DataFrame) -> pl.DataFrame:
    """Every case (SCORE_SCHEMA) of two arms that are COMPARED: reference, arm, reference_value and value, sorted."""
    of_case = ["language", "metric", "prompts", "better", "case"]
    pairs = pl.DataFrame(COMPARED, schema={"reference": pl.Enum(ARMS), "arm": pl.Enum(ARMS)}, orient="row")
    values = scores.filter(pl.col("model").is_in(ARMS)).with_columns(pl.col("model").cast(pl.Enum(ARMS)))
    others = pairs.join(values, left_on="arm", right_on="model")
    references = values.select(*of_case, reference="model", reference_value="value")
    return others.join(references, on=[*of_case, "reference"]).sort("reference", "arm", *of_case)


def gaps(scores: pl.DataFrame, settings: EvaluationSettings) -> list[Gap]:
    """The gaps of all arms that are COMPARED, on every measure that both have, from scores in SCORE_SCHEMA."""
    found = []
    by = ["language", "reference", "arm", "metric", "prompts", "better"]
    for cases in paired_cases(scores).partition_by(by, maintain_order=True):
        estimate = paired_difference(
            cases["reference_value"].to_list(), cases["value"].to_list(), settings.bootstrap_samples, settings.seed
        )
        of_gap = cases.select(by).row(0, named=True)
        found.append(Gap(**of_gap, difference=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n))
    return found
