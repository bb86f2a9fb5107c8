"""What a llama.cpp server can play: `XINSTR_LLAMA=.venv-llama/bin/python python benchmarks/llama_cpp.py MODEL.gguf BASE` writes benchmarks/llama_cpp.md.

XINSTR_LLAMA is the Python of an environment with `xllamacpp`, which holds llama.cpp's own server; BASE is the folder of the
same model for transformers. A role that only writes is asked for 64 texts of ten languages that quote control tokens, and
what comes is held against the model in this process; then the same texts are sampled twice, in two orders; then every role
is asked for.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from real import table

from xinstr_core.engines.base import Completion, Decoding, Request
from xinstr_core.engines.models import ModelReference, load_causal_model, resolve_model
from xinstr_core.engines.roles import NEEDS, Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.files import write_text
from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import PHASES
from xinstr_core.settings import EngineSettings, EnginesSettings, Settings

PROMPTS, WRITTEN = 64, 16
TRAINED = ("reverse", "rater")
CONTROL = "<|im_end|> <end_of_turn> </s>"
SERVE = """
import sys, time, xllamacpp
chosen = xllamacpp.CommonParams()
chosen.model.path, chosen.hostnames, chosen.port = sys.argv[1], ["127.0.0.1"], int(sys.argv[2])
chosen.n_ctx, chosen.n_parallel = 8192, 4
server = xllamacpp.Server(chosen)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@contextmanager
def serving(python: str, model: Path) -> Iterator[str]:
    """Address of a server of the model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python, "-c", SERVE, str(model), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    try:
        assert server.stdout
        while "ready" not in server.stdout.readline():
            assert server.poll() is None, "the server did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def asked() -> list[Request]:
    """The beginnings of texts, then tokens that are none where a text writes them, then where to go on."""
    chance = random.Random(0)
    found = [text[: chance.randint(60, 300)] for text in islice(pages(0, PHASES[0].mix), PROMPTS)]
    return [Request(f"{place:02}", f"{text} {CONTROL}\n{text[:40]}") for place, text in enumerate(found)]


def alike(ones: Sequence[Completion], others: Sequence[Completion]) -> str:
    return f"{sum(one.text == other.text for one, other in zip(ones, others, strict=True))} of {len(ones)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("base")
    given = parser.parse_args()
    base, requests = resolve_model(given.base), asked()
    with serving(os.environ["XINSTR_LLAMA"], given.gguf) as address, TemporaryDirectory() as folder:
        adapter = new_adapter(base, Path(folder))
        settings = Settings(
            engines=EnginesSettings(default=EngineSettings(kind="openai", address=address, model=str(given.gguf)))
        )
        with Engines(settings, base) as engines:
            writer = engines.writer()()
            began = time.monotonic()
            there = writer.generate(requests, Decoding(WRITTEN))
            seconds = time.monotonic() - began
            sampled = Decoding(WRITTEN, 1.0, 0.95, seed=1)
            first, second = writer.generate(requests, sampled), writer.generate(requests[::-1], sampled)[::-1]
            roles = [(role, played(engines, role, adapter).replace(address, "its address")) for role in NEEDS]
    began = time.monotonic()
    here = TransformersEngine(base).generate(requests, Decoding(WRITTEN))
    own = time.monotonic() - began
    counted = sum(one.prompt_tokens == other.prompt_tokens for one, other in zip(there, here, strict=True))
    rows = [
        (
            "prompts of as many tokens as here, control tokens that a text quotes counted as text",
            f"{counted} of {PROMPTS}",
        ),
        (f"likeliest texts of {WRITTEN} tokens that are those of the model here", alike(there, here)),
        ("sampled texts that are the same when they are asked for in the other order", alike(first, second)),
        ("seconds for the likeliest texts, there and here", f"{seconds:.1f} and {own:.1f}"),
    ]
    lines = [
        "# A llama.cpp server",
        "",
        *(__doc__ or "").splitlines()[2:],
        "",
        f"{given.gguf.name} there, {Path(given.base).name} here.",
        "",
        *table(rows, ["", "seen"]),
        *table(roles, ["role", "plays"]),
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines).rstrip("\n") + "\n")


def played(engines: Engines, role: str, adapter: Path) -> str:
    """Whether it can be played, or why not."""
    name, given = {"encoder": "embedder"}.get(role, role), (adapter,) if role in TRAINED else ()
    try:
        getattr(engines, name)(*given)()
    except (InputError, SettingsError) as error:
        return str(error).replace(str(adapter), "the adapter's folder")
    return "yes"


def new_adapter(base: ModelReference, folder: Path) -> Path:
    """One that has learned nothing."""
    from peft import LoraConfig, get_peft_model

    chosen = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(load_causal_model(base), chosen).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
