"""What a reader is shown of rows: the same ones every time, and models beside each other."""

from __future__ import annotations

import polars as pl

from tests.small_line import PAIRS
from xinstr_core.reporting.samples import beside, choose, of_replies, shown
from xinstr_core.reporting.samples import of_pairs as samples_of

RATED = PAIRS.with_columns(
    verdict=pl.when("kept").then(pl.lit("kept")).otherwise(pl.lit("poor_fit")),
    instruction_quality=pl.lit(0.5),
    pair_fit=pl.lit(0.75),
)


def test_pairs_at_random_and_at_the_extremes() -> None:
    found = choose(RATED)
    assert found == {
        "Kept pairs at random": ["p0", "p1", "p2", "p3"],
        "Best rated of the kept pairs": ["p0", "p1", "p2", "p3"],
        "Worst rated of the kept pairs": ["p5", "p4", "p3", "p2"],
        "Best rated of the dropped pairs": ["p6", "p7", "p8", "p9"],
    }
    assert choose(RATED.reverse()) == found


def test_a_dropped_pair_says_for_what() -> None:
    (dropped,) = samples_of({"Dropped": ["p6"]}, RATED)
    assert (dropped.title, dropped.samples[0].key) == ("Dropped", "p6")
    assert dropped.samples[0].known == [
        "rating 2.400", "instruction quality 0.500", "pair fit 0.750", "dropped: poor fit",
    ]  # fmt: skip


def test_no_pairs_are_no_samples() -> None:
    assert choose(RATED.clear()) == {}
    assert [*choose(RATED.with_columns(rating=pl.lit(None, pl.Float64)))] == ["Kept pairs at random"]


def replies(*prompts: str, models: tuple[str, ...] = ("base", "tuned", "random")) -> pl.DataFrame:
    rows = [
        {"prompt_id": f"{tag}{number}", "prompt_language": tag, "instruction": f"{tag} {number}", "model": model,
         "reply": f"{model} of {tag}{number}"}
        for tag in prompts
        for number in range(9)
        for model in models
    ]  # fmt: skip
    return pl.DataFrame(rows)


def test_base_and_tuned_stand_beside_each_other_for_the_same_prompts_of_every_language() -> None:
    found = beside(replies("en", "sw"), 2)
    assert found["prompt_language"].to_list() == ["en", "en", "sw", "sw"]
    for prompt, base, tuned in found.select("instruction", "base", "tuned").iter_rows():
        key = prompt.replace(" ", "")
        assert (base, tuned) == (f"base of {key}", f"tuned of {key}")
    assert beside(replies("en", "sw").reverse(), 2).equals(found)
    assert beside(replies("en", models=("base",)), 2).is_empty()


def test_replies_are_grouped_by_the_language_of_their_prompts() -> None:
    english, native = of_replies(replies("en", "sw"), {"en": "English", "sw": "Swahili"})
    assert (english.title, native.title) == ("Prompts in English", "Prompts in Swahili")
    assert [text.native for text in english.samples[0].texts] == [False, True, True]
    assert [text.native for text in native.samples[0].texts] == [True, True, True]
    assert native.beside


def test_a_text_keeps_its_lines_and_its_marks() -> None:
    assert shown("یہ\x00 ہے\u202e۔\nक्‍ष  \n") == "یہ ہے۔\nक्‍ष"
    assert shown("word " * 1000).endswith("word …")
