"""Models are asked for by their role: loaded when needed, shared, one at a time, and refused before anything is loaded."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.engines import fit, roles
from xinstr_core.engines.base import Capability, Engine, Request, Usage
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.resume import KEY, RowLog, run_rows
from xinstr_core.engines.roles import Engines, check_roles
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.languages import Language
from xinstr_core.progress import silent
from xinstr_core.schemas.declaration import Contract, Figures
from xinstr_core.settings import EngineSettings, EnginesSettings, SeedSettings, Settings, TrainingSettings
from xinstr_core.stages.stage import StageRun, run_stage, stage
from xinstr_core.store import StageOutput
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example
from xinstr_core.workspace import Workspace

ONE, OTHER = Path("one"), Path("other")
SWAHILI, ENGLISH = (Language.model_validate({"tag": tag, "name": tag, "script": "Latn"}) for tag in ("sw", "en"))
SCHEMA = pl.Schema({KEY: pl.String})


class Fake:
    """An engine's stand-in that can everything; remembers what was loaded, and what was held at that time."""

    capabilities = frozenset(Capability)
    usage = Usage()
    loaded: list[Path | None] = []  # noqa: RUF012
    alive: weakref.WeakSet[Fake] = weakref.WeakSet()  # noqa: RUF012

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        assert not cls.alive, "another model is still held"
        cls.loaded.append(adapter)
        made = cls()
        cls.alive.add(made)
        return made

    def embed(self, texts: Sequence[str]) -> Any:
        raise AssertionError


class Deaf(Fake):
    """One that can only write, on the base model alone."""

    capabilities = frozenset({Capability.GENERATE})


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch, tiny_model: ModelReference) -> Engines:
    Fake.loaded.clear()
    Fake.alive.clear()
    monkeypatch.setitem(KINDS, TRANSFORMERS, Fake)
    return Engines(Settings(), tiny_model)


@pytest.mark.parametrize(
    ("asked", "loaded"),
    [
        (lambda e: (e.reader(), e.writer()), None),
        (lambda e: (e.reader(), e.tuned()), None),
        (lambda e: (e.reverse(ONE), e.rater(ONE)), ONE),
        (lambda e: (e.writer(ONE), e.tuned(ONE)), ONE),
    ],
)
def test_two_roles_with_the_same_base_and_adapter_share_one_loaded_model(
    engines: Engines, asked: Callable[[Engines], Any], loaded: Path | None
) -> None:
    one, other = asked(engines)
    assert one() is other() is one()
    assert Fake.loaded == [loaded]


def test_the_base_model_as_encoder_is_the_reader(engines: Engines) -> None:
    engines.reader()()
    engines.encoder()()
    assert Fake.loaded == [None]


def test_another_model_is_loaded_only_when_the_one_before_is_gone(engines: Engines) -> None:
    reader, rater, other = engines.reader(), engines.rater(ONE), engines.rater(OTHER)
    held = weakref.ref(reader())
    rater()
    assert held() is None
    other()
    reader()
    assert Fake.loaded == [None, ONE, OTHER, None]


def test_a_translator_takes_the_place_of_a_model_and_one_direction_that_of_the_other(
    engines: Engines, tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []

    def load(name: str, source: Language, target: Language) -> object:
        assert not Fake.alive
        loaded.append((name, source.tag, target.tag))
        return object()

    monkeypatch.setattr(roles, "load_translator", load)
    both = Engines(Settings(seeds=SeedSettings(translator="a-model")), tiny_model)
    there, back = both.translator(SWAHILI, ENGLISH), both.translator(ENGLISH, SWAHILI)
    both.reader()()
    assert there() is there()
    back()
    assert loaded == [("a-model", "sw", "en"), ("a-model", "en", "sw")]


def test_nothing_is_loaded_before_the_first_row_is_missing(engines: Engines, tmp_path: Path) -> None:
    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return pl.DataFrame({KEY: [request.key for request in batch]}, schema=SCHEMA)

    def run(load: Callable[[], Engine], *keys: str) -> None:
        requests = [Request(key, key) for key in keys]
        run_rows(load, requests, work, RowLog.open(tmp_path, SCHEMA), batch_rows=1, progress=silent)

    load = engines.reader()
    run(load)
    assert Fake.loaded == []
    run(load, "a", "b")
    assert Fake.loaded == [None]
    run(engines.rater(ONE), "b", "a")
    assert Fake.loaded == [None]


@pytest.mark.parametrize(
    ("ask", "role", "lacks"),
    [
        (lambda e: e.reader(), "reader", "score completions"),
        (lambda e: e.reverse(ONE), "reverse", "adapters, score completions"),
        (lambda e: e.rater(ONE), "rater", "adapters, score completions, score labels"),
        (lambda e: e.tuned(), "tuned", "score completions"),
        (lambda e: e.writer(ONE), "writer", "adapters"),
    ],
)
def test_a_kind_of_engine_that_cannot_play_a_role_is_refused_when_it_is_asked_for(
    engines: Engines,
    tiny_model: ModelReference,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[Engines], object],
    role: str,
    lacks: str,
) -> None:
    monkeypatch.delitem(KINDS, "vllm")
    monkeypatch.setitem(KINDS, "openai", Deaf)
    settings = Settings(engines=EnginesSettings(default=EngineSettings(kind="openai", address="http://localhost")))
    deaf = Engines(settings, tiny_model)
    with pytest.raises(SettingsError) as refused:
        ask(deaf)
    assert str(refused.value) == (
        f"the {role} cannot be an engine of kind 'openai', which lacks: {lacks}; "
        f"set engines.{role}.kind to one that can: transformers"
    )
    deaf.writer()()
    assert Fake.loaded == [None]


def test_the_encoder_stays_here_where_the_default_cannot_embed_unless_it_is_told(tiny_model: ModelReference) -> None:
    elsewhere = EngineSettings(kind="openai", address="http://localhost")
    assert EnginesSettings(default=elsewhere).of("encoder") == EngineSettings()
    chosen = Settings(engines=EnginesSettings(default=elsewhere, encoder=elsewhere))
    with pytest.raises(SettingsError, match=r"^the encoder cannot be .* lacks: embed; set engines.encoder.kind to one"):
        check_roles(chosen, ["reader", "encoder"])


def test_a_stage_releases_its_models_at_its_end_and_when_it_fails(
    engines: Engines, tiny_model: ModelReference, tmp_path: Path
) -> None:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    workspace = Workspace(tmp_path, base_model=str(tiny_model.path))

    def run(run: StageRun) -> StageOutput:
        run.engines.reader()()
        assert len(Fake.alive) == 1
        if run.previous is not None:
            raise Killed
        return StageOutput()

    one = stage(gives=Contract("one", "Nothing.", Figures), takes=(), version="1", roles=("reader",))(run)
    run_stage(workspace, one, "sw", {})
    assert not Fake.alive
    with pytest.raises(Killed):
        run_stage(workspace, replace(one, version="2"), "sw", {})
    assert not Fake.alive


def test_a_training_releases_what_is_held_and_leaves_nothing_behind(tiny_model: ModelReference, tmp_path: Path) -> None:
    """With real models: of each only one is in memory at a time."""
    gc.collect()
    before = _causal_models()  # of other tests
    engines = Engines(Settings(), tiny_model)
    held = weakref.ref(engines.reader()().model)  # type: ignore[attr-defined]
    models = []

    def watch(done: int, total: int, **_: object) -> None:
        models.append(held())

    settings = TrainingSettings(epochs=1, rank=2, batch_rows=1, maximum_tokens=64)
    adapter = train_adapter(engines, [Example("a", "Maji", " ni uhai")], settings, tmp_path / "a", progress=watch)
    assert models == [None, None]
    engines.tuned(adapter.folder)()
    assert _causal_models() == before + 1
    engines.release()
    assert _causal_models() == before


def _causal_models() -> int:
    from transformers import LlamaForCausalLM

    return sum(type(found) is LlamaForCausalLM for found in gc.get_objects())


@pytest.mark.parametrize("ask", [lambda engines: engines.reader()(), lambda engines: engines.trainable("full")])
def test_a_model_that_memory_cannot_hold_is_refused_before_it_is_loaded(
    tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Engines], object]
) -> None:
    monkeypatch.setattr(fit, "free_memory", lambda: 1000)
    monkeypatch.setattr("xinstr_core.engines.roles.load_trainable_model", None)
    monkeypatch.setattr("xinstr_core.engines.transformers_engine.load_causal_model", None)
    with pytest.raises(
        InputError, match=r"takes 0\.0 GiB, and 0\.0 GiB are free: close what else runs, take a smaller"
    ):
        ask(Engines(Settings(), tiny_model))
