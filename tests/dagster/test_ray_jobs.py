"""Stages as jobs, where they cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg
import pytest

from xinstr_core.errors import SettingsError
from xinstr_dagster.build import BuildRequest, build
from xinstr_dagster.ray_jobs import JOB_GPUS, JOBS, job_gpus


def test_where_dagster_ray_is_not_installed_a_line_says_how_to(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(JOBS, "http://127.0.0.1:8265")
    monkeypatch.setitem(sys.modules, "dagster_ray", None)
    outcome = build(instance, home, BuildRequest(last="raw_corpus"), "sw")
    assert outcome.error == f"raw_corpus: {JOBS} is set, and jobs need dagster-ray: pip install 'xinstr[ray]'"


def test_what_is_no_number_of_gpus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JOB_GPUS, "one")
    with pytest.raises(SettingsError, match=f"{JOB_GPUS}=one: a number of GPUs is wanted"):
        job_gpus()
