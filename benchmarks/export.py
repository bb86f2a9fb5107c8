"""Time and memory of `xinstr export` by the number of rows, and of ten languages at once.

    python benchmarks/export.py HOME TAG [--rows 10000 300000] [--languages 10] [--language-rows 10000]

HOME is one where TAG is built (`make demo`): its rows are repeated under keys of their own until there are so many, in a
home that is thrown away. Each export is a process of its own, whose peak is the kernel's. benchmarks/export.md holds what
came out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.files import TableWriter
from xinstr_core.identity import content_key
from xinstr_core.schemas import CONTRACTS
from xinstr_core.store import Partition, StageOutput, Store

# In the order in which the export follows them; later assets add nothing that grows with the rows.
ASSETS = (
    "raw_corpus",
    "seed_pairs",
    "reverse_model",
    "candidate_pairs",
    "evaluator",
    "refined_pairs",
    "diversified_set",
)
MULTIPLIED = {
    "raw_corpus": "documents",
    "candidate_pairs": "pairs",
    "refined_pairs": "pairs",
    "diversified_set": "rows",
}
KEYS = ("pair_id", "doc_id")
CHUNK = 5_000


def multiplied(source: Partition, name: str, path: Path, wanted: int, selected: int) -> Path:
    """A table with its rows repeated, as many times as brings the selection to `wanted`; keys differ, order is by key."""
    rows = source.read(name).sort(pl.all().hash())
    times = -(-wanted // selected)
    of_key = "pair_id" if "pair_id" in rows.columns else "doc_id"
    keys = [(content_key(key, str(n)), number, n) for number, key in enumerate(rows[of_key]) for n in range(times)]
    keys.sort()
    if selected == rows.height:
        keys = keys[:wanted]
    with TableWriter(path, rows.schema) as table:
        for start in range(0, len(keys), CHUNK):
            part = keys[start : start + CHUNK]
            found = rows[[number for _, number, _ in part]]
            renamed = [
                pl.Series(key, [content_key(old, str(n)) for old, (_, _, n) in zip(found[key], part, strict=True)])
                for key in KEYS
                if key in rows.columns
            ]
            table.write(found.with_columns(renamed))
    return path


def enlarge(source: Store, tag: str, target: Store, as_tag: str, wanted: int) -> None:
    """The set of a language again with `wanted` selected rows, under another key."""
    versions: dict[str, str] = {}
    for asset in ASSETS:
        part = source.get(asset, tag)
        assert part is not None, f"build {tag} first: {asset} is missing"
        selected = source.get("diversified_set", tag)
        assert selected is not None
        many = MULTIPLIED.get(asset)
        target.unfinished(asset, as_tag)
        tables: dict[str, pl.DataFrame | Path] = {name: part.read(name) for name in part.tables if name != many}
        if many:
            path = target.path(asset, as_tag) / "many.parquet"
            tables[many] = multiplied(part, many, path, wanted, int(selected.tables["rows"]["rows"]))
        inputs = {name: versions.get(name, version) for name, version in part.made_of["inputs"].items()}
        figures = part.read_figures(CONTRACTS[asset].figures)
        output = StageOutput(tables, {}, figures, built=part.built)
        made = target.commit(asset, as_tag, part.fingerprint, {**part.made_of, "inputs": inputs}, output)
        versions[asset] = made.version


@contextmanager
def home_with(source: Path, tag: str, rows: Mapping[str, int]) -> Iterator[Path]:
    """A home with sets of so many rows, by key of the language."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "languages.toml").write_bytes((source / "languages.toml").read_bytes())
        for as_tag, wanted in rows.items():
            enlarge(Store(source / "data"), tag, Store(home / "data"), as_tag, wanted)
        yield home


def measured(home: Path, tags: list[str], licences: list[str]) -> dict[str, Any]:
    """Seconds and peak of an export, and the size of what it wrote."""
    out = home.parent / "out"
    accept = [part for licence in licences for part in ("--accept-licence", licence)]
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "xinstr_dagster.cli", "export", *tags, "--to", str(out), *accept],
        env={**os.environ, "XINSTR_HOME": str(home)},
        stdout=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        # The kernel's own count of the process after its start; that of wait4() has the parent's memory in it.
        with suppress(OSError, IndexError):
            peak = int(Path(f"/proc/{process.pid}/status").read_text("ascii").split("VmHWM:")[1].split()[0]) // 1024
        time.sleep(0.02)
    assert process.returncode == 0
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "seconds": time.monotonic() - started,
        "peak": peak,
        "written": size / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("tag")
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 300_000])
    parser.add_argument("--languages", type=int, default=10)
    parser.add_argument("--language-rows", type=int, default=10_000)
    given = parser.parse_args()
    corpus = Store(given.home / "data").get("raw_corpus", given.tag)
    assert corpus is not None, f"build {given.tag} first"
    licences = corpus.read("documents")["licence"].unique().to_list()
    tags = ["sw", "fi", "ur", "bn", "hi", "id", "ta", "th", "tr", "vi"][: given.languages]
    cases = [{given.tag: rows} for rows in given.rows] + ([dict.fromkeys(tags, given.language_rows)] if tags else [])
    print("| languages | rows in all | s | peak MiB | MB written |\n|---|---|---|---|---|")
    for case in cases:
        with home_with(given.home, given.tag, case) as home:
            found = measured(home, [*case], licences)
        print(
            f"| {len(case)} | {sum(case.values()):,} | {found['seconds']:.1f} | {found['peak']} | {found['written']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
