"""`xinstr report` on a full disk: the disk of its target is named, and no empty folder is left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from xinstr_core.errors import InputError
from xinstr_core.workspace import Workspace
from xinstr_dagster.cli.commands import report


def test_a_full_disk_of_the_target_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(workspace: Workspace, pages: object, folder: Path) -> list[Path]:
        folder.mkdir()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(report, "write_pages", full)
    with pytest.raises(InputError, match=f"^no room is left on the disk of {tmp_path}: "):
        report._written(Workspace(tmp_path / "home"), {}, tmp_path / "r")
    assert not (tmp_path / "r").exists()
