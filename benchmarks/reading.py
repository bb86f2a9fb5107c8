"""Reading and generating with Gemma 3 270M on Finnish text: `python benchmarks/reading.py`, results in benchmarks/reading.md.

Every comparison is five pairs, one of each by turns in a process of its own, and the median of their ratios, in seconds
of the processor on one thread, which other work on the machine disturbs least. What is done lies in build/reading/, a file a comparison, so the command goes on where it was stopped; delete a file to measure again.
Needs models/ (make real-models) and ../shared/data, and ends at once where they are not.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from real_models import GEMMA, MODELS
from real_text import DATA

from xinstr_core.engines import reading, transformers_engine
from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.encoding import encode_prompt
from xinstr_core.engines.models import load_causal_model, resolve_model
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.reading import left_padded
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.prompts.render import prompt

ROOT = Path(__file__).resolve().parents[1]
CORPUS = DATA / "corpus" / "fi.jsonl"
DONE, REPORT = ROOT / "build" / "reading", Path(__file__).with_suffix(".md")
PAIRS = 5
LENGTHS = range(1200, 1600)  # characters: 400 to 560 tokens
GREEDY = Decoding(24)
SAMPLED = Decoding(24, temperature=0.7, top_p=0.9)
OPENINGS = (
    "What is",
    "How do I",
    "Tell me about",
    "Who was",
    "Why did the",
    "When was",
    "Where is the",
    "What are the best",
)
Timed = Callable[[], Any]


def texts(count: int) -> Sequence[str]:
    found = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
    return [prompt("reverse").render(text=text) for text in found if len(text) in LENGTHS][:count]


def engine(precision: Precision, *, adapter: bool = False) -> TransformersEngine:
    """Gemma, or with an adapter of rank 16 on all linear layers that changes nothing: texts of other lengths tell no speed."""
    base = resolve_model(str(MODELS / GEMMA.name), precision)
    if not adapter:
        return TransformersEngine(base)
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as folder:
        get_peft_model(load_causal_model(base), lora).save_pretrained(folder)
        return TransformersEngine(base, Path(folder))


def generation(of: TransformersEngine) -> Timed:
    requests = [Request(str(number), text) for number, text in enumerate(texts(4))]
    return lambda: [completion.text for completion in of.generate(requests, GREEDY)]


def bare_generation(of: TransformersEngine) -> Timed:
    """transformers' own generate() of the same loaded model on the same batch."""
    ids = [encode_prompt(of._tokenizer, text) for text in texts(4)]
    padded, mask = left_padded(ids, of._tokenizer.pad_token_id, "cpu")

    def run() -> list[str]:
        written = of.model.generate(input_ids=padded, attention_mask=mask, max_new_tokens=24, do_sample=False)
        return list(of._tokenizer.batch_decode(written[:, padded.shape[1] :], skip_special_tokens=True))

    return run


def against_bare(precision: Precision, *, adapter: bool = False) -> tuple[Timed, Timed]:
    loaded = engine(precision, adapter=adapter)
    ours, bare = generation(loaded), bare_generation(loaded)
    assert ours() == bare(), "not the same texts"
    return bare, ours


def candidates(precision: Precision, count: int) -> tuple[Timed, Timed]:
    """Four of each text: every row reads its prompt, or the four share it."""
    loaded = engine(precision)
    requests = [Request(f"{number} {sample}", text) for number, text in enumerate(texts(count)) for sample in range(4)]

    def alone() -> list[str]:
        with patch.object(transformers_engine, "worth_sharing", lambda rows: False):
            return together()

    def together() -> list[str]:
        return [completion.text for completion in loaded.generate(requests, SAMPLED)]

    if precision == "float32":  # in bfloat16 another shape gives other last digits, and so another token now and then
        assert alone() == together(), "not the same texts"
    return alone, together


def openings(precision: Precision, *, alone: bool) -> tuple[Timed, Timed]:
    """Eight openings of a text against reading the text, or against reading it for every opening."""
    loaded = engine(precision)
    asked = [
        Request(f"{number} {opening}", text, opening) for number, text in enumerate(texts(1)) for opening in OPENINGS
    ]

    def read() -> Any:
        with patch.object(reading, "worth_sharing", lambda rows: False):
            return loaded.score(asked) if alone else loaded.embed(texts(1))

    return read, lambda: loaded.score(asked)


# (the first, the second): how many times as fast the second is.
COMPARISONS: dict[str, tuple[str, Callable[[], tuple[Timed, Timed]]]] = {
    "bare-float32": ("generation, against bare generate, float32", lambda: against_bare("float32")),
    "bare-bfloat16": ("generation, against bare generate, bfloat16", lambda: against_bare("bfloat16")),
    "bare-adapter": (
        "generation, against bare generate, bfloat16 with an adapter",
        lambda: against_bare("bfloat16", adapter=True),
    ),
    "precision": (
        "generation in bfloat16, against float32",
        lambda: (generation(engine("float32")), generation(engine("bfloat16"))),
    ),
    "precision-adapter": (
        "generation in bfloat16 with an adapter, against float32 with it merged",
        lambda: (generation(engine("float32", adapter=True)), generation(engine("bfloat16", adapter=True))),
    ),
    "candidates-float32": (
        "four candidates of a text, against four prompts, float32",
        lambda: candidates("float32", 1),
    ),
    "candidates-bfloat16": (
        "four candidates of a text, against four prompts, bfloat16",
        lambda: candidates("bfloat16", 1),
    ),
    "candidates-texts": (
        "the same of four texts at once, bfloat16",
        lambda: candidates("bfloat16", 4),
    ),
    "openings-alone": ("eight openings, against reading the text for each", lambda: openings("float32", alone=True)),
    "openings": ("eight openings, against reading the text alone", lambda: openings("float32", alone=False)),
}


def measure(name: str) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    first, second = COMPARISONS[name][1]()
    seconds: list[tuple[float, float]] = []
    for number in range(PAIRS + 1):  # the first pair builds kernels
        taken = [_seconds(run) for run in (first, second)]
        if number:
            seconds.append((taken[0], taken[1]))
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _seconds(run: Timed) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def report() -> str:
    lines = [
        "# Reading and generating",
        "",
        "Gemma 3 270M on Finnish texts of 1,200 to 1,600 characters, 24 new tokens; `python benchmarks/reading.py`. Five pairs",
        "by turns; median seconds of one thread of the first and the second, the median of the ratios of a pair with the least and the",
        "greatest, and the peak memory of the process, in which the first is done too.",
        "",
        "| | first s | second s | times as fast | MiB |",
        "|---|---|---|---|---|",
    ]
    for name, (label, _) in COMPARISONS.items():
        path = DONE / f"{name}.json"
        if path.is_file():
            found = json.loads(path.read_text("utf-8"))
            first, second = zip(*found["seconds"], strict=True)
            ratios = sorted(one / other for one, other in found["seconds"])
            lines.append(
                f"| {label} | {statistics.median(first):.2f} | {statistics.median(second):.2f} | "
                f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | {found['peak']:,} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=COMPARISONS, help="measure this one, in this process")
    only = parser.parse_args().only
    if not (MODELS / GEMMA.name).is_dir() or not CORPUS.is_file():
        sys.exit("skipped: it needs models/ (make real-models) and ../shared/data")
    DONE.mkdir(parents=True, exist_ok=True)
    for name in [only] if only else COMPARISONS:
        path = DONE / f"{name}.json"
        if only:
            path.write_text(json.dumps(measure(name)), "utf-8")
        elif not path.is_file():
            print(name, flush=True)
            subprocess.run([sys.executable, __file__, "--only", name], check=True)
    REPORT.write_text(report(), "utf-8")


if __name__ == "__main__":
    main()
