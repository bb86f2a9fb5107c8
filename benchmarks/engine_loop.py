"""What our loop costs beside the bare model: `python benchmarks/engine_loop.py` writes benchmarks/engine_loop.md.

Reverse prompts of pocket pages, the likeliest instruction of each. *Ours* is `run_rows` with the engine in this process:
text to ids, batches, padding, decoding, text again, a shard on disk a batch. *Bare* is `model.generate` of the same model on
the same ids in the same batches, padded alike, all made beforehand. *One at a time* is the same call for one prompt after
the other, unpadded, as the script of the authors does; of a few prompts, evenly chosen by length, by the row. What is
written is compared first, token for token. Then the three run in turn, every second time in the other order, in one thread;
a ratio is of runs that stand next to each other, by the wall and by the processor's time: other work was on the machine.

Rows *as they end* stop at their end token, which is after some fifteen tokens; rows of *all tokens* have no end token, so
that each writes as many as it may. A case that was measured stays in
data/benchmarks/engine_loop; `--cases` says which to measure, the table has all that are.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl
from real import table

from xinstr_core.curation.reverse import reverse_prompt, reverse_request
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.batches import length_sorted_batches
from xinstr_core.engines.encoding import maximum_positions
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.reading import left_padded
from xinstr_core.engines.resume import KEY, RowLog, run_rows
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.files import write_text
from xinstr_core.identity import content_key
from xinstr_core.pocket.world import write_world
from xinstr_core.progress import silent

FOLDER = Path("data/benchmarks/engine_loop")
SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String, "tokens": pl.Int64})


@dataclass(frozen=True)
class Asked:
    """`prompts` of at most `longest` characters of text in batches of `rows`, up to `written` tokens each; `alone` of them one at a time."""

    model: str
    prompts: int
    rows: int
    written: int
    alone: int
    ends: bool = True
    longest: int = 10_000
    precision: Literal["float32", "bfloat16"] = "float32"


CASES = {
    "pocket, rows of 32, as they end": Asked("pocket", 128, 32, 64, 16),
    "pocket, rows of 64, as they end": Asked("pocket", 128, 64, 64, 16),
    "pocket, rows of 64, short texts, all 64 tokens": Asked("pocket", 64, 64, 64, 16, ends=False, longest=315),
    "gemma-3-270m, rows of 16, all 32 tokens": Asked("models/gemma-3-270m", 16, 16, 32, 2, ends=False),
    "gemma-3-270m in bfloat16, rows of 16, all 32 tokens": Asked(
        "models/gemma-3-270m", 16, 16, 32, 2, ends=False, precision="bfloat16"
    ),
}


class Case:
    """A model with prompts, as it is asked in each of the three ways."""

    def __init__(self, asked: Asked) -> None:
        self.engine = TransformersEngine(replace(resolve_model(asked.model), precision=asked.precision))
        if not asked.ends:
            self.engine.model.generation_config.eos_token_id = None
        self.rows, self.decoding = asked.rows, Decoding(asked.written)
        self.requests = [
            reverse_request(f"{n:05}", reverse_prompt(text))
            for n, text in enumerate(texts(asked.prompts, asked.longest))
        ]
        self.alone = self.requests[asked.prompts // asked.alone // 2 :: asked.prompts // asked.alone]
        # As the engine makes them: what stands here is only done beforehand.
        self.ids = {one.key: self.engine._row(one.prompt).prompt for one in self.requests}
        self.batches = []
        places = maximum_positions(self.engine.model.config)
        for batch in length_sorted_batches(self.requests, asked.rows):
            for piece in self.engine._pieces([self.engine._row(one.prompt) for one in batch], asked.written, 1):
                keys = [batch[place].key for place in piece]
                padded = left_padded([self.ids[key] for key in keys], self.engine._pad, "cpu", places)
                self.batches.append((keys, *padded))

    def ours(self) -> dict[str, str]:
        def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
            found = engine.generate(batch, self.decoding)
            return pl.DataFrame([(c.key, c.text, c.completion_tokens) for c in found], SCHEMA, orient="row")

        with tempfile.TemporaryDirectory() as folder:
            log = RowLog.open(Path(folder) / "rows", SCHEMA)
            done = run_rows(lambda: self.engine, self.requests, work, log, batch_rows=self.rows, progress=silent).done
        return dict(done.select(KEY, "text").iter_rows())

    def bare(self, batches: Sequence[tuple[list[str], Any, Any]]) -> dict[str, list[int]]:
        import torch

        written: dict[str, list[int]] = {}
        for keys, ids, mask in batches:
            with torch.inference_mode():
                output = self.engine.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=self.decoding.maximum_new_tokens,
                    do_sample=False,
                )
            written |= dict(zip(keys, output[:, ids.shape[1] :].tolist(), strict=True))
        return written

    def one_at_a_time(self) -> dict[str, list[int]]:
        import torch

        ids = [(one.key, torch.tensor([self.ids[one.key]])) for one in self.alone]
        return self.bare([([key], row, torch.ones_like(row)) for key, row in ids])

    def text(self, ids: list[int]) -> str:
        """What the engine makes of tokens."""
        stops = self.engine._format.stops
        end = next((place for place, token in enumerate(ids) if token in stops), None)
        return self.engine._format.text(ids[:end])


def texts(count: int, longest: int) -> list[str]:
    """Documents of the embedded world, evenly taken from the shortest to the longest."""
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), "sw")
        found = pl.read_ndjson(Path(folder) / "corpus" / "sw.jsonl")["text"].unique().to_list()
    by_length = sorted((text for text in found if len(text) <= longest), key=lambda text: (len(text), text))
    assert len(by_length) >= count, "texts that stand twice would be read once, and not by the bare model"
    return [by_length[n * len(by_length) // count] for n in range(count)]


def clocked(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the wall and of the processor."""
    wall, processor = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - wall, time.process_time() - processor


def in_turn(runs: int, ways: Sequence[Callable[[], Any]]) -> list[list[tuple[float, float]]]:
    """The clocks of every way, run next to each other, every second time in the other order."""
    clocks: list[list[tuple[float, float]]] = [[] for _ in ways]
    for number in range(runs):
        for place in range(len(ways)) if number % 2 == 0 else reversed(range(len(ways))):
            clocks[place].append(clocked(ways[place]))
    return clocks


def told(first: Sequence[float], second: Sequence[float], digits: int) -> str:
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    return f"{statistics.median(ratios):.{digits}f} ({min(ratios):.{digits}f} to {max(ratios):.{digits}f})"


def measure(name: str, pairs: int) -> list[Any]:
    case = Case(CASES[name])
    ours, bare, alone = case.ours(), case.bare(case.batches), case.one_at_a_time()
    differ = [key for key, ids in bare.items() if ours[key] != case.text(ids)]
    if differ or len(bare) < len(ours):
        raise SystemExit(f"{name}: {len(differ)} of {len(ours)} texts differ from those of the bare model")
    equal = sum(ours[key] == case.text(ids) for key, ids in alone.items())
    clocks = in_turn(pairs, (case.ours, lambda: case.bare(case.batches), case.one_at_a_time))
    rows = (len(ours), len(bare), len(alone))
    walls, processors = (
        [[clock[which] / count for clock in of_way] for of_way, count in zip(clocks, rows, strict=True)]
        for which in (0, 1)
    )
    lengths = sorted(map(len, case.ids.values()))
    return [
        name,
        f"{len(ours)} of {lengths[0]} to {lengths[-1]} tokens",
        *(f"{1000 * statistics.median(of_way):.1f}" for of_way in processors),
        told(walls[1], walls[0], 3),
        told(processors[1], processors[0], 3),
        told(walls[2], walls[0], 1),
        told(processors[2], processors[0], 1),
        f"{equal} of {len(alone)}",
    ]


def kept(name: str, pairs: int) -> Path:
    """Where it lies what was measured of a case."""
    return FOLDER / f"{content_key(name, repr(CASES[name]), str(pairs))}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cases", nargs="*", default=[*CASES], choices=[*CASES])
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in given.cases:
        if not kept(name, given.pairs).exists():
            write_text(kept(name, given.pairs), json.dumps(measure(name, given.pairs)))
    measured = [path for name in CASES if (path := kept(name, given.pairs)).exists()]
    rows = [json.loads(path.read_text("utf-8")) for path in measured]
    head = [
        "rows", "prompts", "ours: processor ms a row", "bare", "one at a time", "bare / ours, wall", "processor",
        "one at a time / ours, wall", "processor", "of these equal to ours",
    ]  # fmt: skip
    lines = ["# Our loop beside the bare model", "", *(__doc__ or "").splitlines()[2:], ""]
    lines += [
        f"Medians of {given.pairs} runs, with the least and the greatest ratio; {platform.machine()}, float32 but where it is said. Every text of ours is the bare model's.",
        "",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*lines, *table(rows, head)]))


if __name__ == "__main__":
    main()
