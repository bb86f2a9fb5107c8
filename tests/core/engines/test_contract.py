"""The contract on engines of a tiny model: this process, a server of the loopback, and what stands for vLLM."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.core.engines.completion_server import CompletionServer, serving
from tests.core.engines.vllm_stand_in import stand_in
from tests.engine_contract import EngineContract, Load, random_adapter
from xinstr_core.engines.kinds import KINDS
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.settings import EngineSettings

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


class OnTheTinyModel(EngineContract):
    @pytest.fixture(scope="class", params=["plain", "chat"])
    @classmethod
    def base(
        cls, request: pytest.FixtureRequest, tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory
    ) -> ModelReference:
        if request.param == "plain":
            return tiny_model
        folder = tmp_path_factory.mktemp("chat") / "tiny-chat"
        shutil.copytree(tiny_model.path, folder)
        (folder / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
        return resolve_model(str(folder), prompt_format="chat")

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls, base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return random_adapter(base, tmp_path_factory.mktemp("adapters") / "adapter")


def loading(base: ModelReference, settings: EngineSettings) -> Load:
    return cache(lambda adapter: KINDS[settings.kind].load(base, adapter, TokenBudget(), settings))


class TestInThisProcess(OnTheTinyModel):
    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, base: ModelReference) -> Load:
        return loading(base, EngineSettings())


class TestServer(OnTheTinyModel):
    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, base: ModelReference) -> Iterator[Load]:
        server = CompletionServer(base)
        server.positions = 2048
        with serving(server):
            address = server.address
            yield loading(base, EngineSettings(kind="openai", address=address, retry_seconds=1, timeout_seconds=20))


class TestVllm(OnTheTinyModel):
    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Load:
        python = stand_in(tmp_path_factory.mktemp("python"))
        return loading(base, EngineSettings(kind="vllm", python=python))
