"""A role that vLLM plays, in a process of its own: how that begins, ends, and fails."""

from __future__ import annotations

import gc
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from tests.core.engines.vllm_stand_in import stand_in
from tests.engine_contract import ASKED, random_adapter
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.vllm_engine import VllmEngine
from xinstr_core.errors import InputError, StageError
from xinstr_core.progress import silent
from xinstr_core.settings import EngineSettings, EnginesSettings, Settings

SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})
# What stands for a vLLM that has loaded a model and has nothing to do.
IDLE = """
__version__ = "1"
from vllm import platforms

class SamplingParams:
    logprob_token_ids = None

class EngineArgs:
    def __init__(self, **options): ...

class LLMEngine:
    class model_config:
        max_model_len = 64

    @classmethod
    def from_engine_args(cls, options): return cls()

    def has_unfinished_requests(self): return False
"""
PLATFORMS = """
class current_platform:
    device_type = "cpu"

    @staticmethod
    def is_cpu(): return True
"""
PROBED = 5  # questions that are asked of the base before the first row


def started(base: ModelReference, python: str, adapter: Path | None = None) -> VllmEngine:
    return VllmEngine.load(base, adapter, TokenBudget(), EngineSettings(kind="vllm", python=python))


@dataclass
class Writing:
    """What run_rows does with each batch; `asked` are the rows of all of them."""

    asked: list[str]

    def __call__(self, engine: Engine, batch: list[Request]) -> pl.DataFrame:
        self.asked += [one.key for one in batch]
        written = engine.generate(batch, Decoding(2))
        return pl.DataFrame([(one.key, one.text) for one in written], SCHEMA, orient="row")


def run(engine: VllmEngine, folder: Path, work: Writing) -> Rows:
    return run_rows(lambda: engine, ASKED, work, RowLog.open(folder, SCHEMA), batch_rows=2, progress=silent)


def test_a_process_that_dies_half_way_ends_the_stage_and_finished_rows_stay(
    tiny_model: ModelReference, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match=r"it was killed by signal 9 \(was memory short\?\); the next build") as told:
        run(started(tiny_model, stand_in(tmp_path, PROBED + 6)), tmp_path / "rows", Writing([]))
    assert "\n" not in str(told.value)
    again = Writing([])
    rows = run(started(tiny_model, stand_in(tmp_path)), tmp_path / "rows", again)
    assert set(rows.done[KEY]) == {one.key for one in ASKED}
    assert len(again.asked) <= len(ASKED) - 2, "what was finished is not asked for again"


def test_the_process_ends_with_the_engine(tiny_model: ModelReference, tmp_path: Path) -> None:
    engine = started(tiny_model, stand_in(tmp_path))
    process = engine._process._process
    assert process.poll() is None
    del engine
    gc.collect()
    assert process.wait(10) == 0


def test_roles_with_other_adapters_share_the_process_and_another_kind_ends_it(
    tiny_model: ModelReference, tmp_path: Path
) -> None:
    adapter = random_adapter(tiny_model, tmp_path / "adapter")
    chosen = EnginesSettings(
        reverse=EngineSettings(kind="vllm", python=stand_in(tmp_path)),
        rater=EngineSettings(kind="vllm", python=stand_in(tmp_path)),
        reader=EngineSettings(kind="vllm", python=stand_in(tmp_path)),
    )
    with Engines(Settings(engines=chosen), tiny_model) as engines:
        reverse, reader, writer = engines.reverse(adapter), engines.reader(), engines.writer()
        process = reverse()._process._process  # type: ignore[attr-defined]
        assert reader()._process._process is process  # type: ignore[attr-defined]
        assert reader().score(ASKED) != reverse().score(ASKED)
        assert reverse()._process._process is process  # type: ignore[attr-defined]
        writer()
        assert process.wait(10) == 0, "one model at a time"
        uses = engines.ledger.close()
    assert (uses["reader"].rows, uses["reverse"].rows) == (len(ASKED), len(ASKED))


def test_an_environment_without_vllm_is_told(tiny_model: ModelReference) -> None:
    with pytest.raises(
        InputError, match=r"vLLM of .*python.*: it has no vLLM that can be imported \(No module named 'v"
    ):
        started(tiny_model, sys.executable)


def with_vllm(folder: Path, source: str) -> str:
    """A Python that runs the worker itself, with a vLLM of this source."""
    package = folder / "vllm"
    package.mkdir()
    (package / "__init__.py").write_text(source, "utf-8")
    (package / "platforms.py").write_text(PLATFORMS, "utf-8")
    runs = f"import runpy, sys; sys.path.insert(0, '{folder}'); runpy.run_path(sys.argv[-1], run_name='__main__')"
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{runs}" "$@"\n', "utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return str(python)


def test_a_vllm_that_is_too_old_is_told(tiny_model: ModelReference, tmp_path: Path) -> None:
    python = with_vllm(tmp_path, "__version__ = '0.9.2'\n\nclass SamplingParams: ...\n")
    with pytest.raises(InputError, match=r"its vLLM 0\.9\.2 cannot score given tokens: take another"):
        started(tiny_model, python)


def test_a_killed_build_leaves_no_worker(tmp_path: Path) -> None:
    python = with_vllm(tmp_path, IDLE)
    process = (
        "from xinstr_core.engines.vllm_process import VllmProcess\n"
        f"there = VllmProcess({python!r}, {{'model': 'none', 'positions': 64}}, 1)\n"
        "print(there._process.pid, flush=True)\n"
        "input()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", process], encoding="utf-8", **pipes) as build:  # type: ignore[call-overload]
        worker = Path("/proc") / build.stdout.readline().strip()
        assert worker.is_dir()
        build.kill()
    until = time.monotonic() + 10
    while worker.is_dir() and "(Z" not in (worker / "stat").read_text("utf-8") and time.monotonic() < until:
        time.sleep(0.05)
    assert not worker.is_dir()


def test_a_python_that_is_none_is_told(tiny_model: ModelReference, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho a banner\n", "utf-8")
    other.chmod(0o755)
    with pytest.raises(
        InputError, match=r"it is no Python that runs vLLM, and says: a banner: correct the role's python"
    ):
        started(tiny_model, str(other))


def test_a_python_that_is_not_there_is_told(tiny_model: ModelReference, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"python cannot be started \(No such file .*\): correct the role's python"):
        started(tiny_model, str(tmp_path / "python"))
