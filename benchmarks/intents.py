"""How even a selection is over the intents of the texts: `python benchmarks/intents.py --languages sw,fi --rows 72`.

Reads what a build of an embedded world left in data/ and selects anew from its kept pairs, with the build's embeddings: at
random, by quotas of clusters, and by marginal relevance. Prints the effective number of intents, the exponential of the
Shannon entropy of their shares: twelve are the most, and are reached only when each has as many pairs.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections import Counter
from math import exp, log
from pathlib import Path

import numpy
import polars as pl

from xinstr_core.diversity.clusters import cluster, cluster_count
from xinstr_core.diversity.embeddings import text_key
from xinstr_core.diversity.selection import select_rows
from xinstr_core.engines.encoders import encoder_identity
from xinstr_core.evaluation.gold import judge_pairs
from xinstr_core.settings import DiversitySettings
from xinstr_core.store import Store
from xinstr_core.workspace import Workspace, home_folder

DRAWS = 50


def effective(intents: list[str]) -> float:
    shares = [count / len(intents) for count in Counter(intents).values()]
    return exp(-sum(share * log(share) for share in shares))


def measured(store: Store, tag: str, world: str, size: int) -> dict[str, float]:
    refined, diversified = store.get("refined_pairs", tag), store.get("diversified_set", tag)
    if refined is None or diversified is None:
        raise SystemExit(f"{tag} was not built")
    settings = DiversitySettings.model_validate(
        {**diversified.manifest["made_of"]["settings"]["diversity"], "target_rows": size}
    )
    encoder = encoder_identity(settings.encoder, Workspace(home_folder()).model)
    table = diversified.read("embeddings")
    vectors = numpy.array(table["vector"].to_list(), numpy.float32)
    place = {key: number for number, key in enumerate(table["text_key"])}
    held_out = diversified.read("rows").filter(pl.col("split") == "heldout")["pair_id"]
    pool = refined.read("pairs").filter("kept", ~pl.col("pair_id").is_in(held_out.implode())).sort("pair_id")
    positions = [place[text_key(encoder, text)] for text in pool["instruction"]]
    clusters, _ = cluster(vectors, cluster_count(len(pool), settings), settings.seed)
    pool = pool.with_columns(
        position=pl.Series(positions), cluster_id=pl.Series(clusters[positions]), topic=pl.lit(None, pl.String)
    )
    judged = judge_pairs(pool, store.root / world / "gold" / f"{tag}.jsonl", tag)
    intent_of = dict(judged.select("pair_id", "intent").iter_rows())
    found = {
        method: effective([intent_of[key] for key in select_rows(pool, vectors, changed).rows["pair_id"]])
        for method in ("clusters", "mmr")
        for changed in [settings.model_copy(update={"method": method})]
    }
    draws = [effective(random.Random(seed).sample(list(intent_of.values()), size)) for seed in range(DRAWS)]
    return {"all kept": effective(list(intent_of.values())), "random": statistics.mean(draws), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", default="sw,fi,ur", help="comma-separated keys")
    parser.add_argument("--world", default="pocket-skewed")
    parser.add_argument("--rows", type=int, default=72)
    arguments = parser.parse_args()
    store = Store(Path(home_folder()) / "data")
    rows = {tag: measured(store, tag, arguments.world, arguments.rows) for tag in arguments.languages.split(",")}
    print("| selection | mean |", " | ".join(rows), "|")
    for name in next(iter(rows.values())):
        values = [row[name] for row in rows.values()]
        print(f"| {name} | {statistics.mean(values):.2f} |", " | ".join(f"{value:.2f}" for value in values), "|")


if __name__ == "__main__":
    main()
