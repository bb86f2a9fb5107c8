"""Settings of actors and workers of a cluster, where Ray is not installed or is not wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xinstr_core.cluster import ordered_map_on_cluster
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError
from xinstr_core.settings import EngineSettings, EnginesSettings, Settings


@pytest.mark.parametrize(
    "ask",
    [
        lambda base: Engines(Settings(engines=EnginesSettings(default=EngineSettings(actors=2))), base).reader()(),
        lambda base: [*ordered_map_on_cluster(abs, [1, 2], 2)],
    ],
    ids=["actors", "workers"],
)
def test_where_ray_is_not_installed_a_line_says_how_to(
    ask: Callable[[ModelReference], object], tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"^actors and workers of a cluster need Ray: pip install 'xinstr\[ray\]'$"):
        ask(tiny_model)


def test_how_many_actors_there_are_is_in_no_identity() -> None:
    shared = EngineSettings(actors=4, actor_cpus=2, actor_gpus=1, actor_restarts=9)
    assert shared.identity() == EngineSettings().identity()
    assert (EngineSettings().gpus_here, shared.gpus_here) == (1, None)


@pytest.mark.parametrize(
    ("kind", "said"),
    [({"kind": "openai", "address": "http://localhost"}, "actors is of vllm and transformers")],
)
def test_a_server_is_in_no_actors(kind: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EngineSettings(**kind, actors=2)  # type: ignore[arg-type]


def test_engines_without_actors_are_the_same_otherwise() -> None:
    shared = EngineSettings(actors=4, price_hour=2)
    alone = EnginesSettings(default=shared, rater=shared).without_actors()
    assert alone.of("rater") == alone.of("reader") == EngineSettings(price_hour=2)
    assert alone.rater is not None and alone.reader is None


def test_tokens_that_another_process_has_room_for_are_a_limit_and_are_kept(tmp_path: Path) -> None:
    budget = TokenBudget(tmp_path / "kept.json")
    budget.limit(None)
    assert budget.found is None
    for told, found in ((600, 600), (900, 600), (500, 500)):
        budget.limit(told)
        assert budget.found == TokenBudget(tmp_path / "kept.json").found == found
