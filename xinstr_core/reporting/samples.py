"""Rows that a reader looks at: some at random, which no build chooses anew, those at the extremes, and replies beside each other."""

from __future__ import annotations

import polars as pl

from xinstr_core.identity import content_key
from xinstr_core.reporting.blocks import Sample, Samples, Text, number
from xinstr_core.schemas.metrics import BASE, TUNED
from xinstr_core.schemas.refined_pairs import KEPT, NOT_CURATED
from xinstr_core.text import printable

SHOWN = 4
_LONGEST = 700  # characters of a text that is shown


def choose(pairs: pl.DataFrame) -> dict[str, list[str]]:
    """Keys of rated pairs (pair_id, rating, kept) by what they are samples of: kept ones at random, the best and worst rated
    kept ones, and the best that were dropped."""
    by_rating = pairs.filter(pl.col("rating").is_not_null()).sort("rating", "pair_id", descending=[True, False])
    kept, dropped = by_rating.filter(pl.col(KEPT)), by_rating.filter(~pl.col(KEPT))
    # Keys are hashes, so their order is a draw that stays the same while the rows do.
    groups = {
        "Kept pairs at random": pairs.filter(pl.col(KEPT)).sort("pair_id").head(SHOWN),
        "Best rated of the kept pairs": kept.head(SHOWN),
        "Worst rated of the kept pairs": kept.tail(SHOWN).reverse(),
        "Best rated of the dropped pairs": dropped.head(SHOWN),
    }
    return {title: rows["pair_id"].to_list() for title, rows in groups.items() if len(rows)}


def of_pairs(chosen: dict[str, list[str]], pairs: pl.DataFrame) -> list[Samples]:
    """The pairs that were chosen, by title; `pairs` has them all."""
    by_key = {row["pair_id"]: row for row in pairs.iter_rows(named=True)}
    return [Samples(title, [_pair(by_key[key]) for key in keys]) for title, keys in chosen.items()]


def _pair(row: dict[str, object]) -> Sample:
    scores = {"rating": row["rating"], **{name: row[name] for name in ("instruction_quality", "pair_fit")}}
    known = [f"{name.replace('_', ' ')} {number(value)}" for name, value in scores.items() if isinstance(value, float)]
    if row["verdict"] not in (None, KEPT, NOT_CURATED):
        known.append(f"dropped: {str(row['verdict']).replace('_', ' ')}")
    texts = [
        Text("Instruction", shown(str(row["instruction"]))),
        Text("Response", shown(str(row["response"])), native=True),
    ]
    return Sample(texts, known, str(row["pair_id"]))


def beside(replies: pl.DataFrame, most: int) -> pl.DataFrame:
    """What base and tuned model replied to the same prompts: columns prompt_language, instruction, base, tuned.

    At most so many prompts of each language, drawn by a hash of their key: the same ones for every build.
    """
    by_model = {
        model: replies.filter(pl.col("model") == model).select("prompt_id", pl.col("reply").alias(model))
        for model in (BASE, TUNED)
    }
    asked = replies.select("prompt_id", "prompt_language", "instruction").unique("prompt_id")
    both = asked.join(by_model[BASE], on="prompt_id").join(by_model[TUNED], on="prompt_id")
    drawn = pl.col("prompt_id").map_elements(lambda key: content_key("sample", key), pl.String)
    ordered = both.with_columns(drawn=drawn).sort("prompt_language", "drawn")
    chosen = ordered.group_by("prompt_language", maintain_order=True).head(most)
    return chosen.select("prompt_language", "instruction", BASE, TUNED)


def of_replies(replies: pl.DataFrame, names: dict[str, str]) -> list[Samples]:
    """Replies of both models beside each other, by the prompts' language; `names` has the languages' names by tag."""
    found = []
    for (tag,), rows in beside(replies, SHOWN).group_by("prompt_language", maintain_order=True):
        samples = [
            Sample(
                [
                    Text("Prompt", shown(prompt), native=tag != "en"),
                    Text("Base model", shown(base) or "(nothing)", native=bool(base)),
                    Text("Tuned model", shown(tuned) or "(nothing)", native=bool(tuned)),
                ]
            )
            for _, prompt, base, tuned in rows.iter_rows()
        ]
        found.append(Samples(f"Prompts in {names.get(str(tag), tag)}", samples, beside=True))
    return found


def shown(text: str) -> str:
    """A text as a page shows it: its lines, without control characters, cut where it is long."""
    lines = "\n".join(printable(line.replace("\t", " ")) for line in text.splitlines()).strip()
    return lines if len(lines) <= _LONGEST else f"{lines[:_LONGEST].rsplit(None, 1)[0]} …"
