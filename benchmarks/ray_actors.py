"""An engine in actors of Ray beside the same engine in this process: `python benchmarks/ray_actors.py` writes benchmarks/ray_actors.md.

Rows of five hundred characters go through `run_windows` as those of a stage do, in batches of 32 and windows of 4,096. The
*quick* engine answers each with a hash, which costs nothing, so what is seen is what Ray adds; *pocket* is the pocket model,
which writes up to 16 tokens. Every run is a process of its own with a cluster of its own on this machine, which starts first and
is timed apart. What lies on disk at the end, names of shards and every byte in them, has to be equal whatever made it. *Ray
Data* is `map_batches` over the same windows with the engine as a class of its actors, whose rows are compared by key.

Then something is killed at a third of 10,000 rows of the quick engine, which waits 2 ms a row here, with two actors on two
nodes: an actor, the second node with the actor on it, or the process that asks, which is started again.

What was measured stays in data/benchmarks/ray_actors; `--runs` says how often, `--ways` what to measure, the tables have all
that is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import polars as pl
from real import table

from xinstr_core.cluster import ADDRESS, left_at_the_end
from xinstr_core.engines.base import Capability, Completion, Decoding, Engine, Request, Usage
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.ray_engine import RayEngine
from xinstr_core.engines.resume import KEY, RowLog, run_windows
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.files import read_parquet, write_text
from xinstr_core.progress import silent
from xinstr_core.settings import EngineSettings

FOLDER = Path("data/benchmarks/ray_actors")
SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})
BATCH_ROWS, WINDOW = 32, 4096
WORDS = [
    a + b + c for a in ("ma", "ki", "vi", "wa", "u") for b in ("ta", "so", "mbe", "ngi") for c in ("ni", "ko", "la")
]
HERE, ONE, TWO, DATA = "here", "1 actor", "2 actors", "Ray Data, 1 actor"
CASES = {
    "quick 1000": (HERE, ONE, TWO, DATA),
    "quick 10000": (HERE, ONE, TWO, DATA),
    "quick 100000": (HERE, ONE, TWO),
    "pocket 1000": (HERE, ONE, TWO),
}
KILLED = ("an actor", "a node", "the process that asks")
KILLED_ROWS, KILLED_AT, KILLED_SECONDS = 10_000, 3_333, 0.002


class Quick:
    """An engine that answers with a hash after `seconds` a row. In the folder `counted` it leaves a byte for each that it begins, by its process."""

    capabilities = frozenset(Capability)
    counted: Path | None = None
    seconds = 0.0

    def __init__(self) -> None:
        self.usage = Usage()

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        made = cls()
        if adapter is not None:
            made.counted, made.seconds = adapter, KILLED_SECONDS
        return made

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        if self.counted is not None:
            with (self.counted / str(os.getpid())).open("ab") as begun:
                begun.write(b"." * len(requests))
        time.sleep(self.seconds * len(requests))
        self.usage.rows += len(requests)
        return [Completion(one.key, hashlib.sha256(one.prompt.encode()).hexdigest(), 1, 1, True) for one in requests]


class InRayData:
    """What Ray Data makes in each actor of a pipeline."""

    def __init__(self) -> None:
        self._engine = Quick()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        asked = [Request(*row) for row in zip(batch[KEY], batch["prompt"], strict=True)]
        return {KEY: batch[KEY], "text": [one.text for one in self._engine.generate(asked, Decoding(1))]}


def windows(rows: int) -> Iterator[list[Request]]:
    rng = random.Random(0)
    for start in range(0, rows, WINDOW):
        numbers = range(start, min(start + WINDOW, rows))
        yield [Request(f"{n:06}", f"Na. {n}: {' '.join(rng.choices(WORDS, k=75))}.") for n in numbers]


def made(engine: Engine, rows: int, folder: Path, progress: Callable[..., None] = silent) -> None:
    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        found = engine.generate(batch, Decoding(16))
        return pl.DataFrame([(one.key, one.text) for one in found], SCHEMA, orient="row")

    log = RowLog.open(folder, SCHEMA)
    for _ in run_windows(
        lambda: engine, windows(rows), lambda given: given, work, log, batch_rows=BATCH_ROWS, progress=progress
    ):
        pass


def by_ray_data(rows: int, folder: Path) -> None:
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    folder.mkdir()
    for number, window in enumerate(windows(rows)):
        items = [{KEY: one.key, "prompt": one.prompt} for one in window]
        pipeline = ray.data.from_items(items).map_batches(InRayData, batch_size=BATCH_ROWS, concurrency=1)
        found = pl.concat([pl.DataFrame(dict(batch)) for batch in pipeline.iter_batches(batch_size=None)])
        found.cast({KEY: pl.String, "text": pl.String}).sort(KEY).write_parquet(folder / f"{number}.parquet")


def digest(folder: Path) -> tuple[str, str]:
    """Of all files with their names, and of all rows by key."""
    paths = sorted(folder.glob("*.parquet"))
    files = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in paths))
    rows = pl.concat([read_parquet(path) for path in paths]).sort(KEY)
    return files.hexdigest(), hashlib.sha256(json.dumps(rows.rows()).encode()).hexdigest()


def warm(engine: RayEngine) -> None:
    """Until every actor is there and has loaded its engine."""
    workers = engine._actors.workers
    while len(workers._free) < workers.calls_at_once:
        time.sleep(0.1)
    with ThreadPoolExecutor(workers.calls_at_once) as threads:
        first = [[Request(f"first {number}", "a")] for number in range(workers.calls_at_once)]
        [*threads.map(lambda asked: engine.generate(asked, Decoding(1)), first)]


def run(case: str, way: str) -> dict[str, Any]:
    """One run in this process: seconds until the engine is there, and of the rows; what this process did for it."""
    name, rows = case.split()
    base = resolve_model("pocket")
    kind: Any = Quick if name == "quick" else TransformersEngine
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, left_at_the_end():
        if way == DATA:
            import ray

            ray.init(address="local", num_cpus=4, object_store_memory=256 << 20, log_to_driver=False)
            engine = None
        elif way == HERE:
            engine = kind.load(base, None, TokenBudget(), EngineSettings())
        else:
            engine = RayEngine.load(kind, base, None, TokenBudget(), EngineSettings(actors=int(way.split()[0])))
            warm(engine)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        there, processor = time.monotonic(), time.process_time()
        if engine is None:
            by_ray_data(int(rows), Path(folder) / "rows")
        else:
            made(engine, int(rows), Path(folder) / "rows")
        seconds, processor = time.monotonic() - there, time.process_time() - processor
        peak = int(Path("/proc/self/status").read_text("ascii").split("VmHWM:")[1].split()[0]) // 1024
        files, by_key = digest(Path(folder) / "rows")
    return {
        "start": there - begun, "seconds": seconds, "processor": processor, "peak": peak, "files": files, "rows": by_key
    }  # fmt: skip


def killed(what: str) -> dict[str, Any]:
    """A run in which something is killed: whether every row is there, and how many were begun more than once."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    other = cluster.add_node(num_cpus=1)
    os.environ[ADDRESS] = cluster.address
    gone: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        counted, rows = Path(folder) / "counted", Path(folder) / "rows"
        counted.mkdir()
        if what == KILLED[2]:
            asks = [sys.executable, __file__, "--asks", str(counted), str(rows)]
            assert subprocess.run([*asks, str(KILLED_AT)], check=False).returncode == -signal.SIGKILL
            subprocess.run([*asks, str(2 * KILLED_ROWS)], check=True)
        else:

            def kill(done: int, total: int, **_: Any) -> None:
                if done >= KILLED_AT and not gone:
                    gone.append(done)
                    if what == KILLED[0]:
                        os.kill(int(next(iter(counted.iterdir())).name), signal.SIGKILL)
                    else:
                        cluster.remove_node(other, allow_graceful=False)

            asking(counted, rows, kill)
        made_rows = sum(path.stat().st_size for path in counted.iterdir())
        with_files = Path(folder) / "here"
        made(Quick(), KILLED_ROWS, with_files)  # type: ignore[arg-type]  # it writes, and nothing else is asked
        equal = digest(rows) == digest(with_files)
    cluster.shutdown()
    return {"what": what, "equal": equal, "again": made_rows - KILLED_ROWS}


def asking(counted: Path, rows: Path, progress: Callable[..., None]) -> None:
    with left_at_the_end():
        engine = RayEngine.load(Quick, resolve_model("pocket"), counted, TokenBudget(), EngineSettings(actors=2))  # type: ignore[arg-type]
        made(engine, KILLED_ROWS, rows, progress)


def asks(counted: str, rows: str, dies_at: str) -> None:
    def progress(done: int, total: int, **_: Any) -> None:
        if done >= int(dies_at):
            os.kill(os.getpid(), signal.SIGKILL)

    asking(Path(counted), Path(rows), progress)


def kept(*of: str) -> dict[str, Any]:
    """What was measured of a run, now if it was not before, in a process of its own."""
    path = FOLDER / f"{'-'.join(of).replace(' ', '_').replace(',', '')}.json"
    if not path.exists():
        print(*of, flush=True)
        given = ["--killed", of[0]] if len(of) == 1 else ["--run", *of[:2]]
        command = [sys.executable, __file__, *given]
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        write_text(path, found)
    return dict(json.loads(path.read_text("utf-8")))


def told(values: Sequence[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def rows_of(case: str, runs: int, ways: Sequence[str]) -> list[list[Any]]:
    """A line of the table a way. Every second round goes the other way round."""
    asked = [way for way in CASES[case] if way in ways]
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in asked}
    for number in range(runs):
        for way in asked if number % 2 == 0 else reversed(asked):
            found[way].append(kept(case, way, str(number)))
    count = int(case.split()[1])
    lines = []
    for way, of_way in found.items():
        own = found[HERE]
        which = "rows" if way == DATA else "files"
        equal = all(one[which] == other[which] for one, other in zip(of_way, own, strict=True))
        more = [1000 * (one["seconds"] - other["seconds"]) / count for one, other in zip(of_way, own, strict=True)]
        lines.append(
            [
                case,
                way,
                "equal" if equal else "DIFFER",
                told([one["start"] for one in of_way]),
                told([one["seconds"] for one in of_way]),
                "" if way == HERE else told(more, 2),
                told([1000 * one["processor"] / count for one in of_way], 2),
                told([one["peak"] for one in of_way], 0),
            ]
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=[HERE, ONE, TWO, DATA])
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--killed", help=argparse.SUPPRESS)
    parser.add_argument("--asks", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.asks:
        asks(*given.asks)
        return
    if given.run or given.killed:
        print(json.dumps(run(*given.run) if given.run else killed(given.killed)))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # of all that is started from here, too
    lines = ["# Actors of Ray beside one process", "", *(__doc__ or "").splitlines()[2:], ""]
    lines += [
        f"Medians of {given.runs} runs (least to greatest); {platform.machine()}, one thread a process, one core for all.",
        "",
    ]
    head = ["rows", "made", "bytes", "s to start", "s", "ms a row more", "processor ms a row of the asking process", "its peak MiB"]  # fmt: skip
    lines += table([line for case in CASES for line in rows_of(case, given.runs, given.ways)], head)
    found = [kept(what) for what in KILLED]
    lines += table(
        [[one["what"], "equal" if one["equal"] else "DIFFER", one["again"]] for one in found],
        ["killed", f"bytes of {KILLED_ROWS} rows", "rows begun again"],
    )
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    main()
