"""The contract of engines on vLLM itself, as a process of ours and as a server: `make test-vllm` sets it up.

Of the pocket model, and in a process also of real ones where `make real-models` has put them: Gemma 3 270M, and
SmolLM2 135M by its chat template.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from real_models import GEMMA, MODELS, SMOLLM2, SOURCE

from tests.engine_contract import ASKED, EngineContract, Load, random_adapter
from tests.vllm.conftest import vllm_server
from xinstr_core.engines.base import Decoding
from xinstr_core.engines.kinds import KINDS
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.vllm_engine import VllmEngine
from xinstr_core.errors import InputError, StageError
from xinstr_core.settings import EngineSettings, EnginesSettings, Settings

pytestmark = pytest.mark.vllm


def resolved(name: str) -> ModelReference:
    if name == "pocket":
        return resolve_model(name)
    folder = MODELS / name
    if not (folder / SOURCE).is_file():
        pytest.skip(f"models/{name} is missing: make real-models")
    return resolve_model(str(folder), prompt_format="auto")


class WithAdapter(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls, base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return random_adapter(base, tmp_path_factory.mktemp("adapters") / "adapter")


class TestVllm(WithAdapter):
    @pytest.fixture(scope="class", params=["pocket", SMOLLM2.name, GEMMA.name])
    @classmethod
    def base(cls, request: pytest.FixtureRequest) -> ModelReference:
        return resolved(request.param)

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, vllm_python: str, base: ModelReference, adapter: Path) -> Load:
        """One process, which the base and its adapters share."""
        settings = EngineSettings(kind="vllm", python=vllm_python)
        process = VllmEngine.load(base, adapter, TokenBudget(), settings)

        @cache
        def load(of: Path | None) -> VllmEngine:
            engine = process.with_adapter(of)
            assert engine is not None
            return engine

        return load


class TestVllmServer(WithAdapter):
    @pytest.fixture(scope="class")
    @classmethod
    def base(cls) -> ModelReference:
        return resolved("pocket")

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, vllm_python: str, base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
        with vllm_server(vllm_python, base, tmp_path_factory.mktemp("server")) as settings:
            yield cache(lambda adapter: KINDS[settings.kind].load(base, adapter, TokenBudget(), settings))

    def test_it_tells_the_likeliest_tokens_by_their_ids(self, load: Load) -> None:
        assert load(None)._tells_likeliest

    def test_another_model_is_refused(self, load: Load, base: ModelReference) -> None:
        settings = load(None)._server._settings.model_copy(update={"model": "another"})
        with pytest.raises(InputError, match=r"it serves served.* and not another: set the role's model"):
            KINDS["openai"].load(base, None, TokenBudget(), settings)


def test_roles_share_one_process(vllm_python: str, tmp_path: Path) -> None:
    base = resolved("pocket")
    adapter = random_adapter(base, tmp_path / "adapter")
    chosen = EngineSettings(kind="vllm", python=vllm_python)
    with Engines(Settings(engines=EnginesSettings(default=chosen)), base) as engines:
        reverse, reader = engines.reverse(adapter)(), engines.reader()()
        assert reverse._process is reader._process
        reader.score(ASKED)
        assert engines.ledger.close()["reader"].rows == len(ASKED)


def test_a_process_that_dies_ends_the_stage_in_one_line(vllm_python: str) -> None:
    engine = VllmEngine.load(resolved("pocket"), None, TokenBudget(), EngineSettings(kind="vllm", python=vllm_python))
    engine._process._process.kill()
    with pytest.raises(StageError, match=r"it was killed by signal 9 \(was memory short\?\); the next build") as told:
        engine.generate(ASKED, Decoding(4))
    assert "\n" not in str(told.value)


def test_a_model_that_vllm_cannot_load_is_told_in_one_line(vllm_python: str, tmp_path: Path) -> None:
    shutil.copy(resolved("pocket").path / "config.json", tmp_path)  # and no weights
    empty = ModelReference("empty", tmp_path, "none")
    with pytest.raises(InputError, match="it did not start") as told:
        VllmEngine.load(empty, None, TokenBudget(), EngineSettings(kind="vllm", python=vllm_python))
    assert "\n" not in str(told.value)
