"""The Dagster instance of a home folder: persistent, configured, and cleaned of runs whose process is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import warnings
from glob import has_magic
from pathlib import Path

import dagster as dg
from sqlalchemy.engine import make_url

from xinstr_core.errors import SettingsError
from xinstr_dagster.run_process import end_runs_without_process

GPU_POOL = "gpu"  # of all stages that may load a model; without a limit, as where there is no GPU, it holds nobody up
# What the drivers of NVIDIA and AMD make, and Windows for its Linux.
GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
PROJECT = Path(__file__).resolve().parent.parent


def prepare_home(home: Path) -> Path:
    """Make sure of DAGSTER_HOME in `<home>/data/dagster`, so that neither history nor partitions are ever lost."""
    if not (home / "languages.toml").is_file():
        raise SettingsError(f"no languages.toml in {home}: change to the project's folder or set XINSTR_HOME")
    # It takes the path of its settings for a pattern, and would find none, or those of other folders; the name of its
    # database for a part of a URL, and would make a file of another name.
    if has_magic(str(home)) or make_url(f"sqlite:///{home}").database != str(home):
        raise SettingsError(f"Dagster cannot work in {home}: rename what in this path has *, ?, [ or a percent sign")
    folder = home / "data" / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = next((path for path in (home / "dagster.yaml", PROJECT / "dagster.yaml") if path.is_file()), None)
    if configuration is None:
        raise SettingsError(f"no dagster.yaml in {home}: xinstr runs from a clone of its project")
    shutil.copyfile(configuration, folder / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ["XINSTR_HOME"] = str(home)
    return folder


def _limit_gpu_pool(instance: dg.DagsterInstance) -> None:
    """Where there is a GPU, one run at a time that may need it; unless somebody has set the pool's limit already.

    Whether there is one is asked of the system, not of torch, whose import takes seconds.
    """
    limits = {pool.name for pool in instance.event_log_storage.get_pool_limits()}
    if GPU_POOL not in limits and any(device.exists() for device in GPU_DEVICES):
        instance.event_log_storage.set_concurrency_slots(GPU_POOL, 1)


def open_instance() -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME. Runs whose process is gone are ended: where no UI is open nobody else would."""
    # Data versions are a beta API of the pinned version; its notice says nothing that a user could act on.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    # The first use of a fresh home by several processes at once corrupts its database for good.
    with (Path(os.environ["DAGSTER_HOME"]) / ".first-use.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        instance = dg.DagsterInstance.get()
        _limit_gpu_pool(instance)
    end_runs_without_process(instance)
    return instance
