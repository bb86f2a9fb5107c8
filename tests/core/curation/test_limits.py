"""A wanted precision decides how many are kept; what came of it is counted on held-out instructions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from xinstr_core.curation.limits import Checked, check, taken
from xinstr_core.settings import CurationSettings
from xinstr_core.statistics import share_interval


def test_as_many_are_taken_as_the_wanted_share_allows() -> None:
    right = [0.2, 0.9, 0.7, 0.8, 0.1]
    assert [taken(right, wanted) for wanted in (0.95, 0.9, 0.85, 0.8, 0.6, 0.5)] == [0, 1, 2, 3, 4, 5]
    assert taken([], 0.5) == 0


def wanting(precision: float) -> CurationSettings:
    return CurationSettings(wanted_precision=precision)


def held_out(*rows: tuple[str, str, float], seeds: Sequence[str] = ()) -> pl.DataFrame:
    """(construction, level, score of the instruction as right) of pairs without a flaw, each of a seed of its own if not told."""
    table = pl.DataFrame(
        list(rows),
        schema={"construction": pl.String, "level": pl.String, "right_instruction": pl.Float64},
        orient="row",
    )
    keys = [f"{number:02}" for number in range(len(rows))]
    flawless = {"p_level_1": 0.0, "p_level_2": 0.1, "p_level_3": 0.9, "instruction_quality": 0.9, "pair_fit": 0.9}
    return table.with_columns(
        pl.Series("pair_id", keys), pl.Series("seed_id", seeds or keys), **{k: pl.lit(v) for k, v in flawless.items()}
    )


def test_only_instructions_that_a_model_wrote_are_counted() -> None:
    rows = held_out(
        *[("generated", "3", 0.999)] * 3, ("generated", "1", 0.998), *[("generated", "1", 0.001)] * 4, ("own", "3", 1.0)
    )
    found = check(rows, wanting(0.9))
    assert found == Checked(8, 4, 0.75, round(share_interval(3, 4)[0], 4), round(share_interval(3, 4)[1], 4), 0.25)


def test_of_a_held_out_text_the_best_instruction_is_kept_and_none_of_a_flawed_pair() -> None:
    """As of candidates: the second of a's is right and not the surest, c's is right and its pair flawed."""
    rows = held_out(
        ("generated", "1", 0.999), ("generated", "3", 0.99), ("generated", "3", 0.999), ("generated", "3", 0.999),
        seeds=["a", "a", "b", "c"],
    )  # fmt: skip
    rows = rows.with_columns(p_level_2=pl.when(pl.col("seed_id") == "c").then(0.95).otherwise("p_level_2"))
    found = check(rows, wanting(0.5))
    assert (found.rows, found.kept, found.precision, found.wrong) == (4, 2, 0.5, 0.5)


def test_where_nothing_can_be_kept_nothing_is_promised() -> None:
    assert check(held_out(*[("generated", "1", 0.2)] * 5), wanting(0.9)) == Checked(5, 0, None, None, None, None)
    assert check(held_out(("own", "3", 1.0)), wanting(0.9)) == Checked(0, 0, None, None, None, None)
    unknown = held_out(*[("generated", "3", 0.9)] * 5).drop("right_instruction")
    assert check(unknown, wanting(0.9)) == Checked(5, 0, None, None, None, None), "no head has learned what is right"


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(8, 10, 0.490, 0.943), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0)]
)
def test_the_interval_of_a_share_is_wilsons(count: int, of: int, low: float, high: float) -> None:
    """Values of R's prop.test(correct = FALSE)."""
    assert share_interval(count, of) == (pytest.approx(low, abs=0.001), pytest.approx(high, abs=0.001))
