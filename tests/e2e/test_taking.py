"""A tuned model taken out of a home and asked in it, by processes of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.publishing.conftest import INSTRUCTIONS, random_adapter, with_tuned_model
from tests.e2e.conftest import CommandLine, assert_one_line
from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.publishing.tuned import TunedModel
from xinstr_core.workspace import Workspace


@pytest.fixture(scope="module")
def xinstr(asking_model: Path, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home where Swahili has a tuned model."""
    folder = tmp_path_factory.mktemp("taking")
    base = resolve_model(str(asking_model))
    with_tuned_model(folder / "home", base, random_adapter(base, folder / "adapter"))
    return CommandLine(folder / "home")


@pytest.fixture
def tuned(xinstr: CommandLine) -> TunedModel:
    return TunedModel.find(Workspace(xinstr.home), "sw")


def test_an_adapter_is_written_once(xinstr: CommandLine, tuned: TunedModel, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "sw"
    done = xinstr("model", "sw", "--to", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    written, named, taught = done.stdout.splitlines()
    assert written == f"{folder}: what was trained on {tuned.base.path}, with tokenizer and generation config"
    assert f"by a path of this machine, {tuned.base.path}:" in named
    assert INSTRUCTIONS[0] in taught
    assert (folder / "adapter_model.safetensors").read_bytes() == (
        tuned.trained / "adapter_model.safetensors"
    ).read_bytes()
    again = xinstr("model", "sw", "--to", str(folder))
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"error: {folder} exists and is not empty: give the name of a new folder\n"


def test_an_adapter_whose_base_is_gone_is_written_and_the_command_says_so(asking_model: Path, tmp_path: Path) -> None:
    base = resolve_model(str(shutil.copytree(asking_model, tmp_path / "base")))
    with_tuned_model(tmp_path / "home", base, random_adapter(base, tmp_path / "adapter"))
    shutil.rmtree(base.path)
    done = CommandLine(tmp_path / "home")("model", "sw", "--to", str(tmp_path / "out"))
    assert done.returncode == 0
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    assert done.stderr.startswith("error: the folder was written, but its base is not to be had here: base model")


def test_a_whole_model_is_written(xinstr: CommandLine, tuned: TunedModel, tmp_path: Path) -> None:
    done = xinstr("model", "sw", "--to", str(tmp_path / "sw"), "--merge")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{tmp_path / 'sw'}: the whole model in float32; loaded again, its logits differ")
    request = Request("a", tuned.ask("What is ugali?"), "Ugali ni chakula.")
    [merged] = TransformersEngine(resolve_model(str(tmp_path / "sw"))).score([request])
    [beside] = TransformersEngine(tuned.base, tuned.trained).score([request])
    assert merged.tokens == pytest.approx(beside.tokens, abs=1e-4)


@pytest.mark.parametrize("options", [(), ("--base",)])
def test_a_piped_line_is_answered_by_the_model(
    xinstr: CommandLine, tuned: TunedModel, options: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xinstr_dagster.cli", "chat", "sw", "--tokens", "8", *options],
        env=xinstr.environment(),
        input="What is ugali?\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    engine = TransformersEngine(tuned.base, None if options else tuned.trained)
    [reply] = engine.generate([Request("a", tuned.ask("What is ugali?"))], Decoding(8))
    assert done.stdout.startswith("\n".join(reply.text.strip().splitlines()))


@pytest.mark.parametrize("command", [("model", "--to", "out"), ("chat",)])
def test_without_a_tuned_model_there_is_one_line(
    new_home: Callable[[str], CommandLine], command: tuple[str, ...]
) -> None:
    xinstr = new_home("home")
    name, *options = command
    assert_one_line(xinstr, [name, "sw", *options], "sw has no tuned model yet: xinstr build sw --to tuned_model")
    assert_one_line(xinstr, [name, "xx", *options], "unknown language 'xx'; known: fi, sw")
