"""What was built with another preset or base model is replaced if somebody says so, and not else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine, on_a_terminal
from xinstr_core.store import StageOutput, Store

SAID = (
    "sw: reverse_model would be replaced, built with preset modern, base model org/large (bfloat16), by a build with "
)
BUILT = {"preset": "modern", "base_model": "org/large", "precision": "bfloat16 (as set)", "time": "2026-11-22T03:00:00+00:00"}  # fmt: skip


@pytest.fixture
def before(xinstr: CommandLine) -> Path:
    """The manifest of a reverse model that another base model became."""
    partition = Store(xinstr.home / "data").commit(
        "reverse_model", "sw", "f", {"model": "another"}, StageOutput(built={**BUILT, "changed": {}})
    )
    return partition.path / "manifest.json"


def test_without_a_terminal_nothing_is_built_and_the_option_is_named(xinstr: CommandLine, before: Path) -> None:
    stored = before.read_bytes()
    done = xinstr("build", "fi", "sw", "--to", "reverse_model")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith(f"error: {SAID}preset pocket, base model ")
    assert "Say --replace to let it; what a build takes without options stands in xinstr.toml" in line
    assert before.read_bytes() == stored
    assert xinstr.manifests() == ["reverse_model"]


def test_on_a_terminal_it_asks_and_no_leaves_everything(xinstr: CommandLine, before: Path) -> None:
    stored = before.read_bytes()
    code, printed = on_a_terminal(xinstr, "n", "build", "sw", "--to", "reverse_model")
    assert code == 1
    assert SAID in printed
    assert "Replace it? [y/N]: " in printed
    assert "nothing was built: what a build takes without options stands in xinstr.toml" in printed
    assert before.read_bytes() == stored
    assert xinstr.manifests() == ["reverse_model"]


def test_the_demo_is_the_pocket_world_whatever_is_kept(xinstr: CommandLine, before: Path) -> None:
    settings = xinstr.home / "xinstr.toml"
    settings.write_text('preset = "modern"\n' + settings.read_text("utf-8"), "utf-8")
    done = xinstr("demo", "--languages", "sw")
    assert done.returncode == 1
    assert f"{SAID}preset pocket, base model pocket (float32)" in done.stderr
