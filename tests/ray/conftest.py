"""A Ray cluster of several nodes on this machine, which tests join by RAY_ADDRESS as stages do."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.ray.stand_in import StandIn
from xinstr_core import cluster as room
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.settings import EngineSettings

ROOT = Path(__file__).parents[2]
OBJECTS = 80 << 20


@pytest.fixture(scope="session", autouse=True)
def ray_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What clusters and all that talk to them find in the environment, before Ray is imported, which reads it then."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: make test-ray")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    with (
        pytest.MonkeyPatch.context() as patch,
        TemporaryDirectory(prefix="xinstr-ray-", dir="/tmp", ignore_cleanup_errors=True) as folder,
    ):
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of the stand-ins
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # vLLM takes its threads where it finds them
        yield


@dataclass
class Nodes:
    """The nodes of the cluster: one of its own, and others that come and go."""

    cluster: Any
    others: list[Any] = field(default_factory=list)

    def add(self) -> None:
        self.others.append(self.cluster.add_node(num_cpus=1, object_store_memory=OBJECTS))
        self.cluster.wait_for_nodes()

    def kill(self) -> None:
        """End the node that came last, as a machine that loses its power."""
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)


@pytest.fixture(scope="session")
def cluster(ray_environment: None) -> Iterator[Nodes]:
    """Two nodes with room for a process each."""
    with pytest.MonkeyPatch.context() as patch:
        from ray.cluster_utils import Cluster

        started = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "object_store_memory": OBJECTS, "include_dashboard": False},
        )
        patch.setenv(room.ADDRESS, started.address)
        nodes = Nodes(started)
        nodes.add()
        with room.left_at_the_end():
            yield nodes
        started.shutdown()


@pytest.fixture(scope="session")
def base() -> ModelReference:
    return resolve_model("pocket")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """In place of the kind transformers."""
    monkeypatch.setitem(KINDS, TRANSFORMERS, StandIn)
    return StandIn


def actors(count: int, restarts: int = 3) -> EngineSettings:
    return EngineSettings(actors=count, actor_restarts=restarts)
