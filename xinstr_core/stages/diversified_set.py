"""diversified_set: the kept pairs, drawn evenly across clusters of what is asked, and a held-out part."""

from __future__ import annotations

import polars as pl

from xinstr_core.diversity.selection import cluster, cluster_entropy, select_evenly
from xinstr_core.engines.encoders import load_encoder
from xinstr_core.schemas import frame
from xinstr_core.stages.stage import Stage, StageRun
from xinstr_core.store import StageOutput

HELD_OUT_SHARE_AT_MOST = 0.1  # of the kept pairs: a small language needs its rows for tuning
ROW_SCHEMA = pl.Schema(
    {
        "language": pl.String,
        "pair_id": pl.String,
        "doc_id": pl.String,
        "instruction": pl.String,
        "response": pl.String,
        "rating": pl.Float64,
        "cluster_id": pl.Int64,
        "distance_to_centre": pl.Float64,
        "rank_in_cluster": pl.Int64,
        "split": pl.String,
        "source_tag": pl.String,
    }
)


def run(run: StageRun) -> StageOutput:
    settings = run.settings.diversity
    kept = run.inputs["refined_pairs"].scan("pairs").filter("kept").collect().sort("pair_id")
    if kept.is_empty():
        return StageOutput(tables={"rows": frame([], ROW_SCHEMA)}, figures={"funnel": {"kept pairs": 0, "selected": 0}})
    vectors = load_encoder(settings.encoder, run.model)(kept["instruction"].to_list())
    clusters = max(1, round(min(settings.target_rows, len(kept)) / settings.rows_per_cluster))
    cluster_of, distance = cluster(vectors, clusters, settings.seed)
    rows = kept.with_columns(
        cluster_id=pl.Series(cluster_of), distance_to_centre=pl.Series(distance), source_tag=pl.lit("web")
    )

    # Keys are hashes: the first ones are a random sample, drawn before selection so that it favours no cluster.
    held_out = rows.head(min(settings.held_out_rows, int(len(rows) * HELD_OUT_SHARE_AT_MOST)))
    selected = select_evenly(rows.tail(len(rows) - len(held_out)), settings.target_rows)
    table = pl.concat(
        [
            selected.with_columns(split=pl.lit("train")),
            held_out.with_columns(split=pl.lit("heldout"), rank_in_cluster=pl.lit(None, pl.Int64)),
        ],
        how="diagonal",
    ).sort("pair_id")
    return StageOutput(
        tables={"rows": table.select(ROW_SCHEMA.names()).cast(ROW_SCHEMA)},
        figures={
            "funnel": {
                "kept pairs": len(rows),
                "- held out": len(held_out),
                "- not selected": len(rows) - len(held_out) - len(selected),
                "selected": len(selected),
            },
            "clusters": int(table["cluster_id"].n_unique()),
            "cluster entropy before": round(cluster_entropy(rows["cluster_id"]), 4),
            "cluster entropy after": round(cluster_entropy(selected["cluster_id"]), 4) if len(selected) else None,
        },
    )


STAGE = Stage("diversified_set", "2", run, upstream=("refined_pairs",), settings=("diversity",))
