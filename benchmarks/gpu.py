"""Memory, speed and precision on a GPU: `python benchmarks/gpu.py` writes benchmarks/gpu.md.

Gemma 3 270M and SmolLM2's tokenizer (`make real-models`), and a Llama-shaped model of 1.1 billion random weights, as speed
does not depend on what they are. Each trains 8 steps of 32 rows by LoRA, reads, and writes 128 tokens for 64 prompts, in
bfloat16 and in float32. The share of the rate of a square product counts 4 operations a parameter of the layers and
token under a frozen base, the head where labels are; a training includes the loading of the model. Made-up text: words at random. `--tiny` runs all of it with a model of
a few million weights on whatever there is, to see that the command holds; it writes nothing.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_models import GEMMA, MODELS, SMOLLM2

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.device import device
from xinstr_core.engines.machine import machine_rate
from xinstr_core.engines.models import load_tokenizer, resolve_model
from xinstr_core.engines.precision import Precision
from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.shape import ModelShape
from xinstr_core.files import write_text
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example, build_rows

STEPS, ROWS, PROMPTS, WRITTEN = 8, 32, 64, 128
WORDS = 300  # of a text
LARGE = {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22, "num_attention_heads": 32}
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float32")


@dataclass(frozen=True)
class Speed:
    """Tokens, the seconds that they took, and the most memory that was held, in bytes; 0 where no GPU counts it."""

    tokens: int
    seconds: float
    peak: int

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def random_llama(folder: Path, shape: dict[str, int]) -> Path:
    """A model of random weights with SmolLM2's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(MODELS / SMOLLM2.name)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(**shape, vocab_size=len(tokenizer), num_key_value_heads=4, max_position_embeddings=4096)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


def texts(count: int, words: int) -> list[str]:
    drawn = random.Random(0)
    letters = "abcdefghijklmnoprstuvyä"
    vocabulary = ["".join(drawn.choices(letters, k=drawn.randint(2, 9))) for _ in range(2000)]
    return [" ".join(drawn.choices(vocabulary, k=words)) + "." for _ in range(count)]


@contextmanager
def measured(found: list[Speed], tokens: int) -> Iterator[None]:
    import torch

    on_gpu = device() == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    yield
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    found.append(Speed(tokens, seconds, torch.cuda.max_memory_allocated() if on_gpu else 0))


def run(name: str, folder: Path, precision: Precision, small: bool) -> str:
    """A row of the table: a model trains, reads and writes."""
    base = resolve_model(str(folder), precision)
    shape, rate = ModelShape.of(base), machine_rate(precision)
    steps, rows, prompts, written = (2, 4, 4, 8) if small else (STEPS, ROWS, PROMPTS, WRITTEN)
    found: list[Speed] = []
    examples = [Example(f"{n}", text, text[:80]) for n, text in enumerate(texts(steps * rows, WORDS))]
    settings = TrainingSettings(epochs=1, batch_rows=rows, rank=16, learning_rate=1e-4, maximum_tokens=2048)
    taken, _ = build_rows(PlainFormat(load_tokenizer(base)), examples, settings.maximum_tokens)
    tokens, labels = (
        sum(len(row.input_ids) for row in taken),
        sum(label >= 0 for row in taken for label in row.labels),
    )
    with Engines(Settings(), base) as engines, tempfile.TemporaryDirectory() as temporary, measured(found, tokens):
        train_adapter(engines, examples, settings, Path(temporary) / "adapter")
    with Engines(Settings(), base) as engines:
        engine = engines.reader()()
        asked = [Request(f"{n}", "", text) for n, text in enumerate(texts(prompts, WORDS))]
        with measured(found, sum(len(row.input_ids) for row in taken) * prompts // len(taken)):
            engine.score(asked)
        openings = [Request(f"{n}", text) for n, text in enumerate(texts(prompts, 40))]
        with measured(found, 0):
            made = engine.generate(openings, Decoding(written))
        wrote = sum(one.completion_tokens for one in made)
    training, reading, writing = found
    share = 4 * (shape.body * tokens + shape.head * labels) / training.seconds / rate
    peaks = " / ".join(f"{one.peak / 2**30:.1f}" for one in found)
    speeds = f"{training.rate:,.0f} | {share:.2f} | {reading.rate:,.0f} | {wrote / writing.seconds:,.0f}"
    return f"| {name} | {precision} | {shape.parameters / 1e6:,.0f} M | {rate / 1e12:.1f} | {speeds} | {peaks} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a model of a few million weights, on whatever there is")
    arguments = parser.parse_args()
    if device() != "cuda" and not arguments.tiny:
        raise SystemExit("no GPU that torch can use: run this on a machine that has one, or say --tiny")
    with tempfile.TemporaryDirectory() as temporary:
        llama = random_llama(Path(temporary), TINY if arguments.tiny else LARGE)
        models: dict[str, Any] = {"random Llama": llama}
        if not arguments.tiny:
            models = {"Gemma 3 270M": MODELS / GEMMA.name, **models}
        lines = [
            run(name, folder, precision, arguments.tiny) for name, folder in models.items() for precision in PRECISIONS
        ]
    head = [
        "# On a GPU",
        "",
        f"`python benchmarks/gpu.py`, {device_name()}. Peaks of training, reading and writing in GiB.",
        "",
        "| model | precision | parameters | TFLOP/s of a square product | trained tokens/s | share of that rate | read tokens/s | written tokens/s | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    if not arguments.tiny:
        write_text(Path(__file__).with_suffix(".md"), "\n".join([*head, *lines, ""]))


def device_name() -> str:
    import torch

    return str(torch.cuda.get_device_name()) if device() == "cuda" else "a processor"


if __name__ == "__main__":
    main()
