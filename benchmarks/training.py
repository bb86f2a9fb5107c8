"""Training against TRL's SFTTrainer, Gemma 3 270M on real Finnish pairs: `python benchmarks/training.py --pairs 5`.

Both learn from the same rows in the same order, four a step, six steps, with the same precision, storage of the weights and
rates; time runs from the end of the first step, and is that of the processor, in one thread: so it does not depend on what
else the machine does. Two cases: the instruction after its text (short completions) and
the response after its instruction (long ones). Losses are compared in float32 first. Every finished measurement is kept in
build/training.jsonl, so that a call that was cut off goes on; --fresh begins again. The share of the GEMM rate counts 4
operations a parameter of the layers and token, and a parameter of the head and label, over the rate of a square product
in the same process. TRL is installed into build/trl on the first call, beside the packages that this Python has.

`--peak lora|full` measures instead the memory of two steps of 32 rows of up to 2,048 tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from real_models import GEMMA, MODELS
from real_text import DATA

from xinstr_core.engines.models import load_tokenizer, resolve_model
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.engines.roles import Engines
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.batches import labels_of, training_steps
from xinstr_core.training.rows import Example, TrainingRow, build_rows

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
MODEL = MODELS / GEMMA.name
SEEDS = DATA / "seeds" / "fi.jsonl"
TRL = "trl==1.16.0"
STEPS, BATCH_ROWS, RANK, LEARNING_RATE = 6, 4, 16, 2e-4
CASES = ("short", "long")
Method = Literal["lora", "full"]
Checkpointing = Literal["auto", "on", "off"]


def environment() -> Path:
    folder = BUILD / "trl"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        [site] = folder.glob("lib/python*/site-packages")
        (site / "ours.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", TRL], check=True)
    return python


def examples(case: str) -> list[Example]:
    """The first pairs of the seeds, by what is learned from them."""
    seeds = [json.loads(line) for line in SEEDS.read_text("utf-8").rstrip("\n").split("\n")]
    if case == "short":
        return [
            Example(s["id"], f"### Text:\n{s['response']}\n\n### English Instruction:\n", s["instruction"])
            for s in seeds
        ]
    return [Example(s["id"], f"### Instruction:\n{s['instruction']}\n\n### Response:\n", s["response"]) for s in seeds]


def settings(method: Method, checkpointing: Checkpointing) -> TrainingSettings:
    return TrainingSettings(
        method=method,
        activation_checkpointing=checkpointing,
        epochs=1,
        batch_rows=BATCH_ROWS,
        rank=RANK,
        learning_rate=LEARNING_RATE,
        maximum_tokens=1024,
    )


def job(case: str, precision: Precision, method: Method, checkpointing: Checkpointing) -> dict[str, Any]:
    """What one side is given."""
    return {
        "case": case, "precision": precision, "method": method, "checkpointing": checkpointing,
        "activation_checkpointing": checkpointing == "on", "model": str(MODEL), "steps": STEPS,
        "batch_rows": BATCH_ROWS, "rank": RANK, "learning_rate": LEARNING_RATE,
        "rows": [{"input_ids": row.input_ids, "labels": row.labels} for step in steps_of(case) for row in step],
    }  # fmt: skip


def steps_of(case: str) -> list[list[TrainingRow]]:
    rows, _ = build_rows(PlainFormat(load_tokenizer(resolve_model(str(MODEL)))), examples(case), 1024)
    return training_steps(rows[: STEPS * BATCH_ROWS], settings("lora", "auto"))


def ours(given: dict[str, Any]) -> dict[str, Any]:
    """The same training by train_adapter(), in this process."""
    rows, _ = build_rows(PlainFormat(load_tokenizer(resolve_model(str(MODEL)))), examples(given["case"]), 1024)
    taken = {row.key for row in rows[: STEPS * BATCH_ROWS]}
    ends: list[float] = []

    def clock(done: int, total: int, **_: Any) -> None:
        if done:  # what is told before the first step is no end of one
            ends.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        trained = train_adapter(
            Engines(Settings(), resolve_model(str(MODEL), given["precision"])),
            [example for example in examples(given["case"]) if example.key in taken],
            settings(given["method"], given["checkpointing"]),
            Path(folder) / "adapter",
            progress=clock,
        )
    made = {"losses": [loss for _, loss in trained.losses], "seconds": ends[-1] - ends[0], "peak": peak_memory()}
    return {**made, "rate": gemm_rate(given["precision"])}


def peak_memory() -> int:
    """MiB."""
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024


def gemm_rate(precision: str) -> float:
    """Operations a second of a square matrix product, the best of five."""
    import torch

    one = torch.randn(2048, 2048).to(getattr(torch, precision))
    seconds = []
    for _ in range(5):
        started = time.process_time()
        one @ one
        seconds.append(time.process_time() - started)
    return float(2 * 2048**3 / min(seconds))


def operations(case: str) -> float:
    """Of the steps that are timed: 4 a parameter and token, of the head a label."""
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    width, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    attention = 2 * width * config["head_dim"] * (heads + config["num_key_value_heads"])
    layers = config["num_hidden_layers"] * (attention + 3 * width * inner)
    tokens, labels = counted(case)
    return float(4 * (layers * tokens + config["vocab_size"] * width * labels))


def counted(case: str) -> tuple[int, int]:
    """Tokens, and trainable tokens, of the steps that are timed."""
    timed = [row for step in steps_of(case)[1:] for row in step]
    return sum(len(row.input_ids) for row in timed), labels_of(timed)


def in_a_process(python: Path, script: str, *arguments: str) -> dict[str, Any]:
    command = [str(python), str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return dict(json.loads(done.stdout.strip().rsplit("\n", 1)[-1]))


def measure(side: str, given: dict[str, Any]) -> dict[str, Any]:
    BUILD.mkdir(exist_ok=True)
    path = BUILD / f"{side}.json"
    path.write_text(json.dumps(given), "utf-8")
    if side == "trl":
        return in_a_process(environment(), "training_trl.py", str(path))
    return in_a_process(Path(sys.executable), "training.py", "--job", str(path))


def kept(fresh: bool) -> Callable[[dict[str, Any], Callable[[], dict[str, Any]]], dict[str, Any]]:
    """A memory of finished measurements."""
    path = BUILD / "training.jsonl"
    if fresh:
        path.unlink(missing_ok=True)
    known = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def ask(name: dict[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        for entry in known:
            if entry["name"] == name:
                return dict(entry["made"])
        made = work()
        BUILD.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"name": name, "made": made}) + "\n")
        return made

    return ask


def compare_losses(ask: Any) -> None:
    for case in CASES:
        mine, theirs = (
            ask(
                {"case": case, "side": side, "losses": True},
                partial(measure, side, job(case, "float32", "lora", "off")),
            )["losses"]
            for side in ("ours", "trl")
        )
        apart = max(abs(a - b) for a, b in zip(mine, theirs, strict=True))
        print(f"{case}: losses in float32 {mine} and {theirs}, at most {apart:.5f} apart", flush=True)
        if apart > 1e-3:
            raise SystemExit(f"{case}: the two sides do not train the same")


def compare_speed(ask: Any, case: str, precision: Precision, pairs: int, checkpointing: Checkpointing) -> None:
    tokens, labels = counted(case)
    given = {
        "ours": job(case, precision, "lora", "auto"),
        "trl": job(case, precision, "lora", checkpointing),
    }
    ratios, memory, shares = [], [], []
    for pair in range(pairs):
        name = {"case": case, "precision": precision, "pair": pair, "checkpointing": checkpointing}
        order = ("ours", "trl") if pair % 2 else ("trl", "ours")
        done = {side: ask({**name, "side": side}, partial(measure, side, given[side])) for side in order}
        mine, theirs = done["ours"], done["trl"]
        ratios.append(theirs["seconds"] / mine["seconds"])
        memory.append(mine["peak"] / theirs["peak"])
        shares.append(operations(case) / mine["seconds"] / mine["rate"])
        print(
            f"{case}, {precision}: trainable tokens/s {labels / mine['seconds']:.1f} and {labels / theirs['seconds']:.1f}, "
            f"all tokens/s {tokens / mine['seconds']:.0f} and {tokens / theirs['seconds']:.0f}, peak MiB {mine['peak']} and "
            f"{theirs['peak']}, GEMM {mine['rate'] / 1e9:.0f} GFLOP/s, share {shares[-1]:.2f}",
            flush=True,
        )
    print(
        f"{case}, {precision}: median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"of its memory {statistics.median(memory):.2f}, of the GEMM rate {statistics.median(shares):.2f}",
        flush=True,
    )


def peak(method: Method, precision: Precision) -> dict[str, Any]:
    """Two steps of 32 rows in this process, one row in eight of nearly 2,048 tokens, its text over and over."""
    rows = [replace(e, completion=e.completion * (20 if i % 8 == 0 else 1)) for i, e in enumerate(examples("long"))]
    tokenizer = load_tokenizer(resolve_model(str(MODEL)))
    cut = [
        replace(e, completion=tokenizer.decode(tokenizer.encode(e.completion, add_special_tokens=False)[:1900]))
        for e in rows[:32]
    ]
    chosen = TrainingSettings(method=method, epochs=2, rank=RANK, learning_rate=LEARNING_RATE)
    with tempfile.TemporaryDirectory() as folder:
        engines = Engines(Settings(), resolve_model(str(MODEL), precision))
        trained = train_adapter(engines, cut, chosen, Path(folder) / "adapter")
    return {
        "losses": trained.losses,
        "tokens": trained.tokens_seen,
        "rejected": trained.rejected,
        "peak": peak_memory(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--trl-checkpointing", default="off", choices=["off", "on"], help="on is TRL's own default")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--peak", choices=["lora", "full"])
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not MODEL.exists() or not SEEDS.exists():
        print(f"skipped: needs {MODEL.relative_to(ROOT)} (make real-models) and {SEEDS}")
        return
    if arguments.job:
        print(json.dumps(ours(json.loads(arguments.job.read_text("utf-8")))))
        return
    if arguments.peak:
        print(json.dumps(peak(arguments.peak, arguments.precision)))
        return
    ask = kept(arguments.fresh)
    compare_losses(ask)
    for case in CASES:
        compare_speed(ask, case, arguments.precision, arguments.pairs, arguments.trl_checkpointing)


if __name__ == "__main__":
    main()
