"""The rows that a model was tuned on, by licence, and whether its base's licence may stand for what was made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from xinstr_core.exporting.built_set import BuiltSet
from xinstr_core.exporting.markdown import Markdown, table
from xinstr_core.licences import RESTRICTING, UNKNOWN_LICENCE, asked_for, conditions, plain_name
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.raw_corpus import DOCUMENTS, RAW_CORPUS
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.schemas.tuned_model import TRAINING_ROWS, TUNED_MODEL


@dataclass(frozen=True)
class LearnedRows:
    """Of the model that was tuned on a set."""

    built: BuiltSet

    @cached_property
    def counted(self) -> pl.DataFrame:
        """of ("corpus" or "seeds"), licence and rows, the one of most rows first."""
        learned = self.built.part(TUNED_MODEL).scan(TRAINING_ROWS.name).select("pair_id")
        documents = self.built.part(RAW_CORPUS).scan(DOCUMENTS.name).select("doc_id", "licence")
        selected = self.built.parts[SELECTED.asset].scan(SELECTED.name).select("pair_id", "doc_id")
        seeds = self.built.parts[SEEDS.asset].scan(SEEDS.name).select("pair_id", "licence")
        of_texts = selected.join(documents, on="doc_id", how="left").select("pair_id", "licence", of=pl.lit("corpus"))
        rows = pl.concat([of_texts, seeds.with_columns(of=pl.lit("seeds"))]).join(learned, on="pair_id", how="semi")
        name = pl.col("licence").fill_null("").str.strip_chars()
        named = pl.when(name == "").then(pl.lit(UNKNOWN_LICENCE)).otherwise(name).alias("licence")
        counted = rows.group_by("of", named).agg(pl.len().alias("rows")).collect()
        return counted.sort(["of", "rows", "licence"], descending=[False, True, False]).select("of", "licence", "rows")

    @property
    def told(self) -> Markdown:
        """With what each licence asks for."""
        return table(
            ["rows", "of", "licence", "asks for"],
            [[count, of, licence, asked_for(licence)] for of, licence, count in self.counted.iter_rows()],
        )

    @property
    def restricting(self) -> dict[str, int]:
        """Rows by licence, of those that forbid something and those that nobody here knows."""
        found: dict[str, tuple[str, int]] = {}
        for _, licence, count in self.counted.iter_rows():
            if restricts(licence):
                name, before = found.get(plain_name(licence), (licence, 0))
                found[plain_name(licence)] = name, before + count
        return dict(sorted(found.values(), key=lambda one: (-one[1], one[0])))


def restricts(licence: str) -> bool:
    """Whether texts under it may leave a model with less than its base's licence gives; what is not known here does."""
    asked = conditions(licence)
    return asked is None or not RESTRICTING.isdisjoint(asked)
