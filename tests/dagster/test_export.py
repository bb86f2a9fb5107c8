"""`xinstr export`: what it prints, how it ends, and what it asks of the hub."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

from tests.core.exporting.conftest import BuiltHome, Pair
from xinstr_core.errors import InputError
from xinstr_core.exporting.hub import push
from xinstr_dagster.cli import main

Command = Callable[..., int]
PAIRS = (Pair(), Pair("CC-BY-NC-4.0", source="blog"), Pair(split="heldout"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`xinstr export` over a home where Swahili is built; gives the exit code."""
    replace(BuiltHome(tmp_path / "home"), pairs=PAIRS, triples=[("other_text", "p000", "s1")]).build()
    monkeypatch.setenv("XINSTR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_TOKEN", raising=False)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["xinstr", "export", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@dataclass
class Hub:
    """Stands for HfApi, and remembers what it was asked."""

    private: bool = True
    refuses: Exception | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def api(self, token: str) -> Any:
        self.asked.append(("token", token))
        return SimpleNamespace(create_repo=self.create_repo, repo_info=self.repo_info, upload_folder=self.upload_folder)

    def create_repo(self, repository: str, **options: Any) -> str:
        if self.refuses:
            raise self.refuses
        self.asked.append(("create", (repository, options)))
        return f"https://huggingface.co/datasets/{repository}"

    def repo_info(self, repository: str, **options: Any) -> Any:
        return SimpleNamespace(private=self.private)

    def upload_folder(self, **options: Any) -> None:
        self.asked.append(("upload", options))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", hub.api)
    return hub


def test_what_was_written_and_left_out_is_told(run: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("sw", "--to", str(tmp_path / "out"), "--accept-licence", "CC BY 4.0") == 0
    told, apart = capfd.readouterr()
    assert told.splitlines() == [
        f"{tmp_path}/out/sw/chat/train.parquet: 1 rows, chat, train",
        f"{tmp_path}/out/sw/alpaca/train.parquet: 1 rows, alpaca, train",
        f"{tmp_path}/out/sw/chat/heldout.parquet: 1 rows, chat, heldout",
        f"{tmp_path}/out/sw/alpaca/heldout.parquet: 1 rows, alpaca, heldout",
        f"{tmp_path}/out: read README.md, the dataset card, before you publish; places to FILL IN are yours",
    ]
    assert apart.splitlines()[-2:] == [
        "sw: left out, as their licences were not accepted: 1 of CC-BY-NC-4.0",
        "sw: 1 preference triples left out, of texts of seeds (--with-seeds) or of licences that were not accepted",
    ]


def test_without_an_accepted_licence_they_are_listed(
    run: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("sw", "--to", str(tmp_path / "out")) == 3
    told, apart = capfd.readouterr()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if "│" in line]
    assert cells == [
        ["sw", "CC-BY-4.0", "2", "1", "name the author"],
        ["sw", "CC-BY-NC-4.0", "1", "1", "name the author, no commercial use"],
    ]
    assert apart.startswith("no row to train on has a licence that was accepted, and nothing was written (sw has 2 of ")
    assert apart.count("\n") == 1 and apart.endswith("--accept-licence CC-BY-4.0 --accept-licence CC-BY-NC-4.0\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("also", [[], ["--accept-licence", "cc-by-4.0"]])
def test_a_licence_that_no_row_has_is_told(
    run: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str], also: list[str]
) -> None:
    vain = ["--accept-licence", "MITT", "--accept-licence", "cc-by-nc"]
    assert run("sw", "--to", str(tmp_path / "out"), *vain, *also) == (0 if also else 3)
    apart = capfd.readouterr().err.splitlines()
    told = [line for line in apart if line.startswith("no row has the licence")]
    assert told == ["no row has the licence MITT", "no row has the licence cc-by-nc; did you mean CC-BY-NC-4.0?"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["xx"], "error: unknown language 'xx'; known: sw, zh-hant; add it with: "),
        (["zh-hant"], "error: zh-hant has no raw_corpus yet: xinstr build zh-hant --to diversified_set"),
        (["sw", "--public"], "error: --public is of --push: say where to push to"),
        (["sw", "--push", "me/sw"], "error: HF_TOKEN is not set: "),
        (["sw", "--push", "me/s w"], "error: 'me/s w' is no repository's id: write it as name/dataset"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    run: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(*arguments, "--to", str(tmp_path / "out"), "--accept-licence", "cc-by-4.0") == 1
    told, apart = capfd.readouterr()
    assert (told, apart.count("\n")) == ("", 1) and apart.startswith(said)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named_as_it_was_given(
    run: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / ("x" * 250)
    assert run("sw", "--to", str(folder), "--accept-licence", "cc-by-4.0") == 1
    assert capfd.readouterr().err == f"error: [Errno 36] File name too long: '{folder}'\n"


@pytest.mark.parametrize("public", [False, True])
def test_an_export_is_pushed_private_unless_told(
    run: Command,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    public: bool,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    options = ["--public"] if public else []
    assert run("sw", "--to", str(tmp_path / "out"), "--accept-licence", "cc-by-4.0", "--push", "me/sw", *options) == 0
    assert hub.asked == [
        ("token", "hf_secret"),
        ("create", ("me/sw", {"repo_type": "dataset", "private": not public, "exist_ok": True})),
        (
            "upload",
            {
                "repo_id": "me/sw",
                "repo_type": "dataset",
                "folder_path": tmp_path / "out",
                "delete_patterns": ["*/chat/*", "*/alpaca/*", "*/preferences/*", "*/alpaca_preferences/*", "*/seeds/*"],
                "commit_message": "Export of xinstr",
            },
        ),
    ]
    told, apart = capfd.readouterr()
    assert told.splitlines()[-1] == f"https://huggingface.co/datasets/me/sw: {'public' if public else 'private'}"
    assert "hf_secret" not in told + apart


def test_a_repository_that_is_public_is_not_pushed_to_by_accident(hub: Hub, tmp_path: Path) -> None:
    hub.private = False
    with pytest.raises(
        InputError, match=r"^me/sw is public on the hub: say --public to publish there, or name another$"
    ):
        push(tmp_path, "me/sw", "token")
    assert [what for what, _ in hub.asked] == ["token", "create"]


def test_a_hub_that_refuses_is_told_in_one_line(hub: Hub, tmp_path: Path) -> None:
    hub.refuses = ConnectionError("no route to host\nand more")
    with pytest.raises(
        InputError, match=rf"^{tmp_path} was written, but the hub did not take it \(no route to host\)$"
    ):
        push(tmp_path, "me/sw", "token")
