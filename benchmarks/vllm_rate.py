"""What our way to vLLM costs: `XINSTR_VLLM=.venv-vllm/bin/python python benchmarks/vllm_rate.py` writes benchmarks/vllm_rate.md.

The same prompts of uneven lengths, whose texts end where they end, go through `run_rows` and an engine of kind vllm, and
through vLLM's own `LLM.generate` in one call, in turn, both in processes that have loaded the model before; every pair has
prompts of its own, so that none was read before. Texts are greedy and compared first. Then four candidates a text, with
vLLM's cache of prompts and without. `--base-model` names the model, of which the page keeps a section each, `--prompts` how
many, `--pairs` how often.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
from real import table

from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.encoding import maximum_positions
from xinstr_core.engines.models import (
    ModelReference,
    load_prompt_format,
    load_tokenizer,
    read_config,
    resolve_model,
)
from xinstr_core.engines.reading import row_of
from xinstr_core.engines.resume import KEY, RowLog, run_rows
from xinstr_core.engines.vllm_engine import VllmEngine
from xinstr_core.engines.vllm_process import VllmProcess
from xinstr_core.files import write_text
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import EngineSettings

SCHEMA = pl.Schema({KEY: pl.String, "tokens": pl.Int64, "text": pl.String})
WRITTEN, BATCH_ROWS, CANDIDATES = 48, 16, 4
LONGEST = 8192  # tokens of a row, as the worker has it on a processor


def texts(number: int, seed: int) -> list[str]:
    """Pages of the pocket world, cut at uneven lengths."""
    chance = random.Random(seed)
    return [text[: chance.randint(60, 900)] for text in islice(pages(seed, PHASES[0].mix), number)]


def ours(engine: VllmEngine, requests: Sequence[Request]) -> tuple[float, dict[str, str]]:
    """Seconds, and what was written, by key."""

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        written = engine.generate(batch, Decoding(WRITTEN))
        return pl.DataFrame([(one.key, one.completion_tokens, one.text) for one in written], SCHEMA, orient="row")

    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        log = RowLog.open(Path(folder), SCHEMA)
        found = run_rows(lambda: engine, requests, work, log, batch_rows=BATCH_ROWS, progress=lambda *_, **__: None)
        seconds = time.monotonic() - began
    return seconds, dict(found.done.select(KEY, "text").iter_rows())


class Bare:
    """vLLM's own LLM, in a process."""

    def __init__(self, python: str, base: ModelReference, options: dict[str, Any]) -> None:
        self._format = load_prompt_format(base, load_tokenizer(base))
        script = str(Path(__file__).with_name("vllm_bare.py"))
        self._process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        )
        self._tell(options)
        assert self._process.stdout and self._process.stdout.readline() == "ready\n", "vLLM did not start"

    def run(self, requests: Sequence[Request]) -> tuple[float, dict[str, str]]:
        rows = [row_of(self._format, one.prompt, one.completion) for one in requests]
        how = {"max_tokens": WRITTEN, "temperature": 0.0, "stop_token_ids": list(self._format.stops)}
        self._tell({"prompts": [row.prompt for row in rows], "sampling": [how] * len(rows)})
        assert self._process.stdout
        found = json.loads(self._process.stdout.readline())
        stops = set(self._format.stops)
        written = [self._format.text([token for token in ids if token not in stops]) for ids in found["ids"]]
        return found["seconds"], dict(zip((one.key for one in requests), written, strict=True))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _tell(self, what: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()


def asked(number: int, seed: int, candidates: int = 1) -> list[Request]:
    reverse = prompt("reverse")
    return [
        Request(f"{place:05}-{candidate}", reverse.render(text=text))
        for place, text in enumerate(texts(number, seed))
        for candidate in range(candidates)
    ]


def ratio(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", default="pocket")
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    python, base = os.environ["XINSTR_VLLM"], resolve_model(given.base_model)
    settings = EngineSettings(kind="vllm", python=python)
    named = {"model": str(base.path), "dtype": base.precision}
    places = maximum_positions(read_config(base)) or LONGEST
    options = {**named, "positions": places}
    # As the worker has it on a processor.
    whole = {"enable_chunked_prefill": False, "max_num_batched_tokens": min(places, LONGEST)}
    kept = {"enforce_eager": True, "kv_cache_memory_bytes": 2**30, "max_model_len": min(places, LONGEST)}
    of_llm = {**named, **whole, **kept}
    bare = Bare(python, base, of_llm)
    engine = VllmEngine(base, VllmProcess(python, options, 1), None, settings)
    ratios, same = list[float](), list[float]()
    for pair in range(given.pairs + 1):
        requests = asked(given.prompts, pair)
        runs: list[Callable[[Sequence[Request]], tuple[float, dict[str, str]]]] = [bare.run, partial(ours, engine)]
        found = [run(requests) for run in (runs if pair % 2 else runs[::-1])]
        (bare_seconds, by_bare), (our_seconds, by_us) = found if pair % 2 else found[::-1]
        if pair:  # the first warms both up
            same.append(sum(by_us[key] == text for key, text in by_bare.items()) / len(by_bare))
            ratios.append(bare_seconds / our_seconds)
            print(
                f"ours {our_seconds:.1f} s, bare {bare_seconds:.1f} s, ratio {ratios[-1]:.3f}, same {same[-1]:.3f}",
                flush=True,
            )
    bare.end()
    without = VllmEngine(base, VllmProcess(python, {**options, "enable_prefix_caching": False}, 1), None, settings)
    gains = list[float]()
    for pair in range(given.pairs + 1):
        requests = asked(given.prompts // CANDIDATES, 100 + pair, CANDIDATES)
        both = (engine, without) if pair % 2 else (without, engine)
        seconds = {id(one): ours(one, requests)[0] for one in both}
        if pair:
            gains.append(seconds[id(without)] / seconds[id(engine)])
    rows = [
        ["our rate, of LLM.generate's", ratio(ratios), ratio(same)],
        [f"{CANDIDATES} candidates a text: rate with the cache of prompts, of that without", ratio(gains), ""],
    ]
    head = ["", "median ratio (range)", "texts alike"]
    name, page = base.name.rpartition("/")[2], Path(__file__).with_suffix(".md")
    section = [f"## {name}", "", f"{given.prompts} prompts, {given.pairs} pairs.", "", *table(rows, head)]
    parts = page.read_text("utf-8").split("\n## ")[1:] if page.exists() else []
    others = [f"## {part.strip()}\n" for part in parts if not part.startswith(f"{name}\n")]
    lines = ["# Our way to vLLM", "", *(__doc__ or "").splitlines()[2:], "", *others, *section]
    write_text(page, "\n".join(lines).rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
