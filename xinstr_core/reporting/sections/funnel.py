"""From documents to training rows: how many were left after each stage, and what fell for which reason."""

from __future__ import annotations

import polars as pl

from xinstr_core.reporting.blocks import Block, Paragraph, Section
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import bars, funnel_chart
from xinstr_core.reporting.drawing import draw
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS, IS_ACCEPTED, PAIRS
from xinstr_core.schemas.declaration import Funnel, Table
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, IS_FOR_TRAINING, SELECTED
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import KEPT, REFINED_PAIRS
from xinstr_core.schemas.refined_pairs import PAIRS as RATED
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.shared import ROWS
from xinstr_core.schemas.tuned_model import TUNED_MODEL


def section(built: Built) -> Section:
    funnels: dict[str, Funnel] = {
        RAW_CORPUS.asset: built.figures(RAW_CORPUS).funnel,
        CANDIDATE_PAIRS.asset: built.figures(CANDIDATE_PAIRS).funnel,
        REFINED_PAIRS.asset: built.figures(REFINED_PAIRS).funnel,
        DIVERSIFIED_SET.asset: built.figures(DIVERSIFIED_SET).funnel,
        SEED_PAIRS.asset: built.figures(SEED_PAIRS).funnel,
    }
    steps = _texts(built)
    trained = built.figures(TUNED_MODEL)
    blocks: list[Block] = [
        draw(
            "funnel",
            "Texts that were left after each stage",
            bars([(name, count, ROWS) for name, count in steps]),
            _table(steps),
            "A record is cut into several documents where it is long or parts of it are refused, so documents can be more than "
            "the records.",
        ),
        Paragraph(
            f"The tuned model learned from {trained.curated_rows:,} selected pairs and {trained.seed_rows:,} seed pairs.",
        ),
    ]
    blocks += [
        draw(
            f"funnel-{asset}",
            f"{asset.replace('_', ' ').capitalize()}: what came in, what fell for which reason, what was left",
            funnel_chart(funnel),
            _table([*funnel.steps.items()]),
        )
        for asset, funnel in funnels.items()
    ]
    return Section("funnel", "From documents to training rows", blocks)


def _texts(built: Built) -> list[tuple[str, int]]:
    """Documents by how far they came: a text may have several instructions, of which one goes on at most."""
    corpus = built.figures(RAW_CORPUS)
    return [
        ("records read", corpus.records),
        ("documents kept", corpus.funnel.kept),
        ("with an accepted instruction", _documents(built, PAIRS, IS_ACCEPTED)),
        ("with a pair that goes on", _documents(built, RATED, pl.col(KEPT))),
        ("selected for training", _documents(built, SELECTED, IS_FOR_TRAINING)),
    ]


def _documents(built: Built, table: Table, where: pl.Expr) -> int:
    return built.read(table, "doc_id", where=where)["doc_id"].n_unique()


def _table(steps: list[tuple[str, int]]) -> pl.DataFrame:
    return pl.DataFrame(steps, schema={"step": pl.String, ROWS: pl.Int64}, orient="row")
