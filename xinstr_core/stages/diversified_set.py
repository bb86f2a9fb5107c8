"""diversified_set: kept pairs that differ in what is asked, and a held-out part."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.diversity.clusters import cluster, cluster_count
from xinstr_core.diversity.embeddings import Embeddings, earlier_embeddings, embed, text_key
from xinstr_core.diversity.measures import compare_with_random
from xinstr_core.diversity.projection import project
from xinstr_core.diversity.selection import Selection, select_rows
from xinstr_core.diversity.topics import TOPICS_FILE, nearest_topics
from xinstr_core.engines.encoders import encoder_identity
from xinstr_core.files import ShardLog
from xinstr_core.languages import Language
from xinstr_core.schemas.diversified_set import (
    DIVERSIFIED_SET,
    EMBEDDINGS,
    HELD_OUT,
    MAP,
    REJECTED,
    SELECTED,
    TRAIN,
    SelectionFigures,
    SelectionFunnel,
)
from xinstr_core.schemas.refined_pairs import KEPT, PAIRS, REFINED_PAIRS
from xinstr_core.schemas.shared import WEB
from xinstr_core.settings import DiversitySettings
from xinstr_core.stages.stage import StageRun, stage
from xinstr_core.store import StageOutput
from xinstr_core.workspace import Workspace

HELD_OUT_SHARE_AT_MOST = 0.1  # of the kept pairs: a small language needs its rows for tuning
FEW = 50  # selected pairs: two steps of the usual 32 rows, and a share among them is known to about +-0.14


def files(workspace: Workspace, language: Language) -> dict[str, Path | str | None]:
    return {
        "encoder": encoder_identity(workspace.settings(language).diversity.encoder, workspace.model(language)),
        "topics": TOPICS_FILE,
    }


@stage(
    gives=DIVERSIFIED_SET, takes=(REFINED_PAIRS,), version="5", settings=("diversity",), roles=("encoder",), files=files
)
def select(run: StageRun) -> StageOutput:
    settings = run.settings.diversity
    encoder = encoder_identity(settings.encoder, run.model)
    load = run.engines.encoder()
    kept = (
        run.scan(PAIRS)
        .filter(KEPT)
        .collect()
        .sort("pair_id")
        .with_columns(text_key=pl.col("instruction").map_elements(lambda text: text_key(encoder, text), pl.String))
    )
    embeddings = embed(
        kept["instruction"],
        encoder,
        load,
        ShardLog(run.rows / EMBEDDINGS.name),
        earlier_embeddings(run.previous),
        partial(run.progress, doing="embedding instructions"),
    )
    rows, count = _placed(kept, embeddings, load, run)

    # Keys are hashes: the first ones are a random sample, drawn before selection so that it favours no cluster.
    held_out = rows.head(min(settings.held_out_rows, int(len(rows) * HELD_OUT_SHARE_AT_MOST)))
    pool = rows.tail(len(rows) - len(held_out))
    selection = select_rows(pool, embeddings.vectors, settings)
    table = pl.concat(
        [
            selection.rows.with_columns(split=pl.lit(TRAIN)),
            held_out.with_columns(split=pl.lit(HELD_OUT), rank_in_cluster=pl.lit(None, pl.Int64)),
        ],
        how="diagonal_relaxed",
    ).sort("pair_id")
    rejected = kept.join(rows, on="pair_id", how="anti").with_columns(
        reason=pl.col("text_key").replace_strict(embeddings.failed, return_dtype=pl.String)
    )
    return StageOutput(
        tables={
            SELECTED.name: table.select(SELECTED.schema.names()).cast(SELECTED.schema),
            REJECTED.name: rejected.select(REJECTED.schema.names()),
            EMBEDDINGS.name: embeddings.table(),
            MAP.name: _map(pool, selection, embeddings.vectors, run),
        },
        figures=SelectionFigures(
            funnel=_funnel(len(kept), len(rejected), len(held_out), len(pool), selection),
            clusters=count,
            topics=_shares(selection.rows["topic"].drop_nulls()),
            advice=" ".join(filter(None, (_few(len(selection.rows)), _advice(selection, len(pool), settings)))),
            embeddings_computed=embeddings.computed,
            diversity=compare_with_random(selection.rows, pool, embeddings.vectors, count, settings.seed),
        ),
    )


def _placed(kept: pl.DataFrame, embeddings: Embeddings, load: Any, run: StageRun) -> tuple[pl.DataFrame, int]:
    """The rows that have a vector, each with its position, cluster and topic; and the number of clusters.

    Clusters are made of distinct instructions: one that is repeated often pulls no centre.
    """
    settings, texts = run.settings.diversity, len(embeddings.keys)
    count = min(cluster_count(len(kept), settings), texts)
    cluster_of, distance = cluster(embeddings.vectors, count, settings.seed) if texts else ([], [])
    topics = nearest_topics(embeddings.vectors, load()) if texts and settings.maximum_topic_share < 1 else None
    placed = pl.DataFrame(
        {
            "text_key": embeddings.keys,
            "position": range(texts),
            "cluster_id": cluster_of,
            "distance_to_centre": distance,
            "topic": topics or [None] * texts,
        },
        schema={
            "text_key": pl.String,
            "position": pl.Int64,
            "cluster_id": pl.Int64,
            "distance_to_centre": pl.Float64,
            "topic": pl.String,
        },
    )
    rows = kept.join(placed, on="text_key", how="inner", maintain_order="left").with_columns(source_tag=pl.lit(WEB))
    return rows, count


def _map(pool: pl.DataFrame, selection: Selection, vectors: Any, run: StageRun) -> pl.DataFrame:
    """Points of a random sample of the pool: keys are hashes."""
    shown = pool.head(run.settings.diversity.map_rows)
    points = project(vectors[shown["position"].to_numpy()], run.settings.diversity.seed)
    return shown.with_columns(
        x=pl.Series(points[:, 0], dtype=pl.Float64),
        y=pl.Series(points[:, 1], dtype=pl.Float64),
        selected=pl.col("pair_id").is_in(selection.rows["pair_id"].implode()),
    ).select(MAP.schema.names())


def _funnel(kept: int, rejected: int, held_out: int, pool: int, selection: Selection) -> SelectionFunnel:
    passed_over = {
        "no embedding": rejected,
        "held out": held_out,
        "near duplicate": selection.near_duplicates,
        "topic has its share": selection.of_full_topics,
    }
    rest = pool - len(selection.rows) - selection.near_duplicates - selection.of_full_topics
    lost = {**{reason: n for reason, n in passed_over.items() if n}, "not selected": rest}
    return SelectionFunnel(taken=kept, lost=lost, kept=len(selection.rows))


def _few(selected: int) -> str:
    if selected >= FEW:
        return ""
    return (
        f"Only {selected} pair{'s were' if selected != 1 else ' was'} selected: a model tuned on fewer than {FEW} shows that the line runs, and not what "
        "its pairs are worth; give a larger corpus, or see in refined_pairs what was dropped for what."
    )


def _advice(selection: Selection, pool: int, settings: DiversitySettings) -> str:
    """What to do where topics that many rows lack left the selection smaller than it could be; else nothing."""
    wanted, topics = min(settings.target_rows, pool), selection.rows["topic"].n_unique()
    if not selection.of_full_topics or len(selection.rows) == wanted:
        return ""
    never = f", which {topics} topics cannot have" if settings.maximum_topic_share * topics < 1 else ""
    return (
        f"At most {settings.maximum_topic_share} of the selection for a topic{never}, so {len(selection.rows)} pairs were "
        f"selected where {wanted} could be: raise diversity.maximum_topic_share for more."
    )


def _shares(topics: pl.Series) -> dict[str, float]:
    """Share of each topic among the selected rows, largest first."""
    counted = topics.value_counts().sort(["count", topics.name], descending=[True, False])
    return {topic: round(n / len(topics), 4) for topic, n in counted.rows()}
