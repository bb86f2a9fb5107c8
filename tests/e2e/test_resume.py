"""A build that was killed goes on where it was, repeats no finished batch, and ends with the same bytes."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine
from xinstr_core.store import HISTORY

pytestmark = pytest.mark.slow

PATIENCE = 300.0  # seconds until a stage must have begun
COMPARED = ("candidate_pairs", "evaluator", "refined_pairs", "diversified_set", "tuned_model")
# Small batches, and many steps of training: so that there is something between the start and the end of a stage.
SETTINGS = [
    "--set", "generation.maximum_documents=96", "--set", "generation.batch_rows=4", "--set", "evaluator.epochs=3",
    "--set", "evaluator.batch_rows=4", "--set", "tuning.epochs=3", "--set", "tuning.batch_rows=4", "--set", "evaluator.maximum_seed_pairs=60",
]  # fmt: skip
BUILD = ["build", "sw", *SETTINGS]


@dataclass(frozen=True)
class Moment:
    """When to kill: as soon as `count` finished things match `pattern` in what the stage has not finished."""

    stage: str
    pattern: str
    count: int

    def finished(self, home: Path) -> list[Path]:
        """The finished things: a file that is still written has a leading dot."""
        folder = home / "data" / self.stage / "language=sw" / "unfinished"
        return sorted(path for path in folder.glob(self.pattern) if not path.name.startswith("."))


GENERATING = Moment("candidate_pairs", "rows/raw/*.parquet", 5)
MOMENTS = [  # in the order in which a run builds them: the evaluator needs the seeds alone, and comes first
    Moment("evaluator", "*/adapter-instruction-checkpoints/checkpoint-*/complete", 1),
    GENERATING,
    Moment("refined_pairs", "rows/signals/given/*.parquet", 1),
    Moment("tuned_model", "*/adapter-checkpoints/checkpoint-*/complete", 1),
]


def _contents(home: Path) -> dict[str, str]:
    """Hash of every table and folder of the compared stages, and the files on disk that the manifests name."""
    found = {}
    for asset in COMPARED:
        folder = home / "data" / asset / "language=sw"
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        for kind in ("tables", "folders"):
            for name, entry in manifest[kind].items():
                assert (folder / entry["file" if kind == "tables" else "folder"]).exists()
                found[f"{asset}/{name}"] = entry["hash"]
    return found


def _bytes(home: Path, asset: str) -> dict[str, bytes]:
    """Of every table; the history of builds tells when they were."""
    tables = (home / "data" / asset / "language=sw").glob("*.parquet")
    return {path.name: path.read_bytes() for path in tables if path.name != HISTORY}


def _kill_at(xinstr: CommandLine, moment: Moment) -> dict[Path, int]:
    """Start a build, kill it at the moment, and return what was finished with its modification times."""
    process = xinstr.start(BUILD)
    try:
        end = time.monotonic() + PATIENCE
        while len(moment.finished(xinstr.home)) < moment.count:
            assert process.poll() is None, f"the build ended before {moment}"
            assert time.monotonic() < end, f"no {moment} within {PATIENCE:.0f} s"
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return {path: path.stat().st_mtime_ns for path in moment.finished(xinstr.home)}


def test_a_build_killed_at_four_stages_ends_with_the_bytes_of_an_uninterrupted_one(
    new_home: Callable[[str], CommandLine],
) -> None:
    whole, killed = new_home("whole"), new_home("killed")
    done = whole(*BUILD)
    assert done.returncode == 0, done.stdout + done.stderr

    before: dict[Path, int] = {}
    for moment in MOMENTS:
        finished = _kill_at(killed, moment)
        assert len(finished) >= moment.count
        assert not (killed.home / "data" / moment.stage / "language=sw" / "manifest.json").exists()
        for path, stamp in before.items():  # partitions that were finished before are not touched again
            assert path.stat().st_mtime_ns == stamp
        before |= {path: path.stat().st_mtime_ns for path in killed.home.glob("data/*/language=sw/manifest.json")}
    assert {path.parent.parent.name for path in before} >= {"candidate_pairs", "evaluator", "refined_pairs"}

    done = killed(*BUILD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _contents(killed.home) == _contents(whole.home)
    for asset in ("candidate_pairs", "diversified_set"):
        assert _bytes(killed.home, asset) == _bytes(whole.home, asset)


def test_a_finished_shard_is_not_generated_again(new_home: Callable[[str], CommandLine]) -> None:
    xinstr = new_home("home")
    moment = GENERATING
    first = _kill_at(xinstr, moment)
    second = _kill_at(xinstr, Moment(moment.stage, moment.pattern, len(first) + 4))
    assert len(second) >= len(first) + 4
    assert {path: second[path] for path in first} == first


def test_a_half_written_shard_is_not_taken_for_a_finished_one(new_home: Callable[[str], CommandLine]) -> None:
    xinstr = new_home("home")
    shards = _kill_at(xinstr, GENERATING)
    shard = next(iter(shards))
    half = shard.with_name(f".{shard.name}.1.tmp")
    half.write_bytes(shard.read_bytes()[:10])
    shard.unlink()
    done = xinstr(*BUILD, "--to", "candidate_pairs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not half.exists()


def test_the_history_says_that_a_killed_run_failed(new_home: Callable[[str], CommandLine]) -> None:
    import dagster as dg

    xinstr = new_home("home")
    _kill_at(xinstr, GENERATING)
    assert xinstr("build", "fi", "--to", "raw_corpus").returncode == 0
    with dg.DagsterInstance.from_config(str(xinstr.home / "data" / "dagster")) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
