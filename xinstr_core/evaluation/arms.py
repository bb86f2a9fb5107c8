"""What comparison models are tuned on. What they are worth against the selection (gaps.py) is the honest test of curation.

An arm is a choice of pairs. All arms have the same number of pairs, and with each go the seed pairs that the tuned model
has too: so an arm tells what its pairs are worth to somebody who has these seeds, and every arm knows both response
tags. `seed_only` has no pairs; its seeds are repeated until it has as many rows, and so as many steps: what more of the
same training would have given. (Pairs against as many further seeds would be no fair contest: nobody has those.)
`english_only` and `pinch` have no pair of this line and are what others publish in its place: see transfer.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, get_args

import polars as pl

from xinstr_core.schemas.shared import SEED, WEB
from xinstr_core.settings import Arm

T = TypeVar("T")
SELECTED: Arm = "selected"
SEED_ONLY: Arm = "seed_only"
ENGLISH_ONLY: Arm = "english_only"
PINCH: Arm = "pinch"
TRANSFER_ARMS = (ENGLISH_ONLY, PINCH)
ARMS: tuple[Arm, ...] = get_args(Arm)
# Whose pairs each arm has, and so what is measured by it: selection by random, curation by uncurated, ratings by halves.
CHOICES: dict[Arm, str] = {
    "selected": "of the selection, rank by rank over its clusters",
    "seed_only": "none: the seeds repeated",
    "uncurated": "rated pairs at random, kept or not",
    "random": "kept pairs at random",
    "top_half": "rated pairs at random from the better rated half",
    "bottom_half": "rated pairs at random from the worse rated half",
    "english_only": "none, and no seeds: English pairs repeated, at a lower learning rate (zero-shot transfer)",
    "pinch": "none, and few seeds: English pairs repeated, with a few rows of several languages once each",
}
ARM_SCHEMA = pl.Schema({"pair_id": pl.String, "instruction": pl.String, "response": pl.String, "source_tag": pl.String})


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
    return min(len(_choice(arm, pairs, selected)) for arm in ARMS if arm not in (SEED_ONLY, *TRANSFER_ARMS))


def arm_rows(
    arm: Arm, pairs: pl.DataFrame, selected: pl.DataFrame, seeds: pl.DataFrame, size: int, *, mix_seeds: bool = True
) -> pl.DataFrame:
    """What an arm is tuned on, each row once, in ARM_SCHEMA: `size` of its pairs, then the seeds.

    `pairs` are those of drawable(), `selected` the rows for training of the diversified set. Only `seed_only` has seeds
    when they are not mixed in. Rows of TRANSFER_ARMS are not chosen here.
    """
    chosen = pairs.head(0) if arm == SEED_ONLY else _choice(arm, pairs, selected).head(size)
    rows = [chosen.with_columns(source_tag=pl.lit(WEB)).select(ARM_SCHEMA.names()).sort("pair_id")]
    if mix_seeds or arm == SEED_ONLY:
        rows.append(seeds.with_columns(source_tag=pl.lit(SEED)).select(ARM_SCHEMA.names()).sort("pair_id"))
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
        case "seed_only" | "english_only" | "pinch":
            raise ValueError(f"{arm} has no pairs")


def repeated(items: Sequence[T], count: int) -> list[T]:
    """`count` items: these from the first to the last, over and over."""
    return [items[place % len(items)] for place in range(count)]
