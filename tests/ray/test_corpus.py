"""Documents are judged in processes of a cluster as in those of this machine."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray.conftest import Nodes
from xinstr_core.cluster import ordered_map_on_cluster
from xinstr_core.corpus import batches
from xinstr_core.errors import InputError
from xinstr_core.pocket.world import write_world
from xinstr_core.stages.raw_corpus import clean_corpus
from xinstr_core.stages.stage import StageResult, run_stage
from xinstr_core.workspace import Workspace

pytestmark = pytest.mark.ray


def build(home: Path, **corpus: int) -> StageResult:
    home.mkdir(exist_ok=True)
    (home / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\ncorpus = "sw.jsonl"\n', "utf-8")
    return run_stage(Workspace(home, overrides={"corpus": corpus}), clean_corpus, "sw", {})


def test_the_corpus_is_the_same_and_nothing_is_done_again_for_who_shared_the_work(
    cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_RECORDS", 60)
    write_world(tmp_path, "sw")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sw.jsonl").write_bytes((tmp_path / "corpus" / "sw.jsonl").read_bytes())
    here, there = build(tmp_path / "here"), build(tmp_path / "there", ray_workers=2)
    assert here.partition.fingerprint == there.partition.fingerprint
    assert here.partition.version == there.partition.version
    for table in here.partition.tables:
        assert here.partition.table_path(table).read_bytes() == there.partition.table_path(table).read_bytes()
    assert build(tmp_path / "there").reused


STAGE = """
import sys
from pathlib import Path
from tests.ray.test_corpus import build
from xinstr_core import cluster

cluster.join()
print(cluster._folder.name)
print(build(Path(sys.argv[1]), ray_workers=2).partition.version)
"""


def test_where_no_cluster_is_named_one_is_started_and_leaves_nothing(tmp_path: Path, ray_environment: None) -> None:
    write_world(tmp_path, "sw")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "sw.jsonl").write_bytes((tmp_path / "corpus" / "sw.jsonl").read_bytes())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-c", STAGE, str(tmp_path / "there")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "sw.jsonl").write_bytes((tmp_path / "corpus" / "sw.jsonl").read_bytes())
    folder, version = ran.stdout.split()
    assert version == build(tmp_path / "here").partition.version
    assert not Path(folder).exists()


def counted(taken: list[int], count: int) -> Iterator[int]:
    for number in range(count):
        taken.append(number)
        yield number


def test_results_come_in_order_and_few_items_are_taken_ahead(cluster: Nodes) -> None:
    taken: list[int] = []
    for done, result in enumerate(ordered_map_on_cluster(operator.neg, counted(taken, 30), 2), 1):
        assert result == 1 - done
        assert len(taken) <= done + 3
    assert len(taken) == 30


def refused(number: int) -> int:
    if number == 3:
        raise InputError("the third is refused")
    return number


def test_what_a_worker_raises_is_raised_and_ends_them(cluster: Nodes) -> None:
    results = ordered_map_on_cluster(refused, range(1000), 1)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="the third is refused"):
        next(results)
