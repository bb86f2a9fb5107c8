"""An engine in actors of a cluster: its rows are those of the same engine here, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from tests.engine_contract import GIVEN, LABELS, ROUNDING, EngineContract, Load, flat, random_adapter
from tests.ray.conftest import Nodes, actors
from tests.ray.stand_in import FAILS, KILLS, SLOW, UNUSABLE, StandIn, made_in, run
from xinstr_core import cluster as room
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.encoders import encode_in_batches
from xinstr_core.engines.kinds import load_engine
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.ray_engine import RayEngine
from xinstr_core.engines.resume import KEY, RowLog, Work, run_rows
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError, StageError
from xinstr_core.progress import silent
from xinstr_core.settings import EngineSettings, EnginesSettings, Settings

pytestmark = pytest.mark.ray

ROWS = [Request(f"key-{n:03}", f"{SLOW} {n}") for n in range(80)]
FAILED = [*ROWS[:10], Request("key-bad", f"{FAILS} alone"), *ROWS[10:20]]


def loaded(base: ModelReference, settings: EngineSettings, adapter: Path | None = None) -> Engine:
    return load_engine(base, adapter, TokenBudget(), settings)


@pytest.fixture
def many(cluster: Nodes, stand_in: type[StandIn], base: ModelReference) -> Iterator[Callable[..., RayEngine]]:
    """Stand-ins in actors, ended with the test."""
    engines = []

    def load(count: int = 2, restarts: int = 3, adapter: Path | None = None) -> RayEngine:
        engine = loaded(base, actors(count, restarts), adapter)
        assert isinstance(engine, RayEngine)
        engines.append(engine)
        return engine

    yield load
    for engine in engines:
        engine.give_up()


class TestRay(EngineContract):
    """The pocket model in two actors, on a node each."""

    @pytest.fixture(scope="class")
    @classmethod
    def adapter(cls, base: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return random_adapter(base, tmp_path_factory.mktemp("adapters") / "adapter")

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, cluster: Nodes, base: ModelReference) -> Iterator[Load]:
        engine = loaded(base, actors(2))
        assert isinstance(engine, RayEngine)

        def load(adapter: Path | None) -> Engine:
            found = engine.with_adapter(adapter)
            found.score(GIVEN[:1])  # as load() does, so that what cannot be loaded is told
            return found

        yield cache(load)
        engine.give_up()

    def test_rows_are_those_of_the_engine_here_to_the_last_byte(
        self, load: Load, base: ModelReference, trained: Path | None, tmp_path: Path
    ) -> None:
        own = loaded(base, EngineSettings(), trained)
        for name, work in WORKS.items():
            here, there = shards(own, work, tmp_path / "here" / name), shards(load(trained), work, tmp_path / name)
            assert here == there, name
            assert len(here) == -(-len(GIVEN) // 4)

    def test_many_texts_are_embedded_by_all_of_them_in_the_order_of_the_texts(
        self, load: Load, base: ModelReference
    ) -> None:
        texts = [f"Mto namba {n} unaanzia milimani." for n in range(600)]
        own = encode_in_batches(loaded(base, EngineSettings()), texts)
        mine = encode_in_batches(load(None), texts)
        assert mine.tobytes() == own.tobytes()
        mine[0] = 0  # its own memory, not Ray's


def test_one_actor_gives_the_same_as_two(cluster: Nodes, base: ModelReference, tmp_path: Path) -> None:
    own, alone = loaded(base, EngineSettings()), loaded(base, actors(1))
    assert isinstance(alone, RayEngine)
    for name, work in WORKS.items():
        assert shards(own, work, tmp_path / "here" / name) == shards(alone, work, tmp_path / name)
    alone.give_up()


@pytest.mark.vllm
def test_vllm_in_an_actor_scores_what_it_does_here(cluster: Nodes, base: ModelReference, tmp_path: Path) -> None:
    if not (python := os.environ.get("XINSTR_VLLM", "")):
        pytest.skip("XINSTR_VLLM names no Python with vLLM: make test-vllm")
    adapter = random_adapter(base, tmp_path / "adapter")
    found = []
    for count in (0, 1):
        engine = loaded(base, EngineSettings(kind="vllm", python=python, actors=count), adapter)
        scores = [value for one in engine.score(GIVEN) for value in flat(one)]
        labels = [value for one in engine.score_labels(GIVEN, LABELS) for value in one.labels]
        keys = [one.key for one in engine.generate(GIVEN, Decoding(8))]
        found.append(([*scores, *labels], keys))
        if isinstance(engine, RayEngine):
            engine.give_up()
        del engine
    (here, keys), (there, keys_there) = found
    assert keys_there == keys
    assert there == pytest.approx(here, abs=ROUNDING)  # which rows vLLM reads together is a matter of time


def generated(engine: Engine, batch: list[Request]) -> pl.DataFrame:
    written = engine.generate(batch, Decoding(12, 1.0, 0.9, seed=2))
    return pl.DataFrame({KEY: [one.key for one in written], "text": [one.text for one in written]})


def scored(engine: Engine, batch: list[Request]) -> pl.DataFrame:
    found = engine.score(batch)
    return pl.DataFrame({KEY: [one.key for one in found], "scores": [[*one.tokens, one.end] for one in found]})


def labelled(engine: Engine, batch: list[Request]) -> pl.DataFrame:
    found = engine.score_labels(batch, LABELS)
    return pl.DataFrame({KEY: [one.key for one in found], "scores": [[*one.labels] for one in found]})


def embedded(engine: Engine, batch: list[Request]) -> pl.DataFrame:
    vectors = engine.embed([one.prompt for one in batch])
    return pl.DataFrame({KEY: [one.key for one in batch], "scores": vectors.astype("float64").tolist()})


WORKS: dict[str, Work] = {"generate": generated, "score": scored, "labels": labelled, "embed": embedded}


def shards(engine: Engine, work: Work, folder: Path) -> dict[str, bytes]:
    """What lies in a stage's folder of rows when all are made, by name."""
    schema = pl.Schema(
        {KEY: pl.String, **({"text": pl.String} if work is generated else {"scores": pl.List(pl.Float64)})}
    )
    found = run_rows(lambda: engine, GIVEN, work, RowLog.open(folder, schema), batch_rows=4, progress=silent)
    assert not found.failed
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_a_row_that_fails_alone_fails_with_the_same_words_as_here(
    many: Callable[..., RayEngine], base: ModelReference, tmp_path: Path
) -> None:
    there = run(many(), FAILED, tmp_path / "there")
    here = run(StandIn(None), FAILED, tmp_path / "here")
    assert there.failed == here.failed == {"key-bad": "ValueError: key-bad fails"}
    assert there.done.equals(here.done)


def test_what_actors_did_is_counted(many: Callable[..., RayEngine], tmp_path: Path) -> None:
    engine = many()
    run(engine, ROWS, tmp_path)
    assert (engine.usage.rows, engine.usage.completion_tokens, engine.usage.retries) == (len(ROWS), len(ROWS), 0)
    assert engine.usage.gpu_seconds == 20  # of each batch one, whoever made it
    assert 0 < engine.usage.seconds < 20  # of both at once each second counts once


def test_all_actors_work(many: Callable[..., RayEngine], tmp_path: Path) -> None:
    (adapter := tmp_path / "made").mkdir()
    run(many(adapter=adapter), ROWS, tmp_path / "rows")
    made = made_in(adapter)
    assert len(made) == 2
    assert sum(made.values()) == len(ROWS)


def test_the_tokens_that_one_has_room_for_hold_for_all_and_are_kept(
    many: Callable[..., RayEngine], base: ModelReference, stand_in: type[StandIn], tmp_path: Path
) -> None:
    budget = TokenBudget(tmp_path / "kept.json")
    engine = load_engine(base, None, budget, actors(1))
    assert isinstance(engine, RayEngine)
    engine.generate(ROWS[:1], Decoding(1))
    assert budget.found == TokenBudget(tmp_path / "kept.json").found == 1000
    engine.give_up()


def test_an_actor_that_is_killed_costs_what_was_under_way_in_it(many: Callable[..., RayEngine], tmp_path: Path) -> None:
    (adapter := tmp_path / "made").mkdir()
    engine = many(adapter=adapter)
    killed = []

    def kill_one(done: int, total: int, **_: object) -> None:
        if done >= 20 and not killed:
            killed.append(next(iter(made_in(adapter))))
            os.kill(int(killed[0]), signal.SIGKILL)

    found = run(engine, ROWS, tmp_path / "rows", kill_one)
    assert found.done.height == len(ROWS)
    assert not found.failed
    assert 1 <= engine.usage.retries <= 2
    assert len(ROWS) <= sum(made_in(adapter).values()) <= len(ROWS) + 8


def test_a_node_that_is_killed_costs_what_was_under_way_on_it(
    cluster: Nodes, many: Callable[..., RayEngine], tmp_path: Path
) -> None:
    """Its actor has nowhere to go until another node comes: the one that is left makes all."""
    (adapter := tmp_path / "made").mkdir()
    engine = many(adapter=adapter)
    killed = threading.Event()

    def kill_node(done: int, total: int, **_: object) -> None:
        if done >= 20 and not killed.is_set():
            killed.set()
            cluster.kill()

    try:
        found = run(engine, ROWS, tmp_path / "rows", kill_node)
    finally:
        cluster.add()
    assert killed.is_set()
    assert found.done.height == len(ROWS)
    assert not found.failed
    assert len(ROWS) <= sum(made_in(adapter).values()) <= len(ROWS) + 8
    before = set(made_in(adapter))
    until = time.monotonic() + 120
    while len(made_in(adapter)) == len(before):  # on the new node it is there again
        assert time.monotonic() < until
        run(
            engine,
            [Request(f"again-{time.monotonic()}-{n}", SLOW) for n in range(32)],
            tmp_path / f"{time.monotonic()}",
        )


def test_an_actor_that_is_lost_too_often_ends_the_stage_in_a_line_and_keeps_what_is_done(
    many: Callable[..., RayEngine], tmp_path: Path
) -> None:
    deadly = [*ROWS[:40], Request("key-deadly", f"{KILLS} whoever reads it, and is the longest")]
    with pytest.raises(StageError) as told:
        run(many(2, restarts=1), deadly, tmp_path)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith("one of 2 actors with transformers pocket was lost more than 1 times (The actor")
    kept = sum(pl.read_parquet(path).height for path in tmp_path.glob("*.parquet"))
    assert kept >= 36
    assert run(StandIn(None), ROWS[:40], tmp_path).done.height == 40


def test_what_cannot_be_loaded_is_told_in_the_words_of_the_engine(
    many: Callable[..., RayEngine], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"{UNUSABLE} cannot be loaded: train it again"):
        many(adapter=tmp_path / UNUSABLE)


def test_an_actor_that_no_machine_could_have_ends_the_stage_in_a_line(
    cluster: Nodes, stand_in: type[StandIn], base: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STARTS_WITHIN", 1.0)
    with pytest.raises(
        StageError, match=r"^no machine of the cluster has what one of 1 actors .* takes: 64 processors and 0 GPUs$"
    ):
        loaded(base, EngineSettings(actors=1, actor_cpus=64))


def test_an_actor_whose_place_others_have_waits_for_them(
    many: Callable[..., RayEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STARTS_WITHIN", 1.0)
    first = many(2)
    with first._actors.workers._changed:
        first._actors.workers._changed.wait_for(lambda: len(first._actors.workers._free) == 4, 120)
    with ThreadPoolExecutor() as threads:
        second = threads.submit(many, 1)
        time.sleep(5)
        assert not second.done()
        first.give_up()
        assert second.result(120).generate(ROWS[:1], Decoding(1))


DRIVER = """
import os, sys
from pathlib import Path
from tests.ray.conftest import actors
from tests.ray.stand_in import StandIn, run
from tests.ray.test_engine import ROWS, loaded
from xinstr_core.engines.kinds import KINDS, TRANSFORMERS
from xinstr_core.engines.models import resolve_model

KINDS[TRANSFORMERS] = StandIn
def progress(done, total, **_):
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), 9)
run(loaded(resolve_model("pocket"), actors(2), Path(sys.argv[1])), ROWS, Path(sys.argv[2]), progress)
"""


def test_a_driver_that_is_killed_goes_on_with_the_rows_that_are_missing(cluster: Nodes, tmp_path: Path) -> None:
    (adapter := tmp_path / "made").mkdir()

    def drive(dies_at: int) -> int:
        command = [sys.executable, "-c", DRIVER, str(adapter), str(tmp_path / "rows"), str(dies_at)]
        return subprocess.run(command, check=False, timeout=300).returncode

    assert drive(20) == -signal.SIGKILL
    kept = sum(pl.read_parquet(path).height for path in (tmp_path / "rows").glob("*.parquet"))
    assert 20 <= kept < len(ROWS)
    made = sum(made_in(adapter).values())
    assert drive(1000) == 0
    assert sum(made_in(adapter).values()) - made == len(ROWS) - kept
    assert run(StandIn(None), ROWS, tmp_path / "rows").done.height == len(ROWS)


def test_roles_share_actors_which_take_other_adapters(
    cluster: Nodes, stand_in: type[StandIn], base: ModelReference, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    with Engines(Settings(engines=EnginesSettings(default=actors(1))), base) as engines:
        processes = set()
        for folder in folders:
            engines.rater(folder)().generate(ROWS[:2], Decoding(1))
            processes |= set(made_in(folder))
        assert len(processes) == 1
        used = engines.ledger.close()["rater"]
    assert (used.rows, used.engine) == (4, "transformers pocket, 1 actors")
