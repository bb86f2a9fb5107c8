"""A full disk is said as what it is, and nothing else is."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.disk import full_disk_told
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.files import write_parquet, write_text

Usage = namedtuple("Usage", "total used free")
SAID = r"^no room is left on the disk of .*: make some, and give the same command again$"


def disk_with(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1 << 30, (1 << 30) - free, free))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/x"),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        pl.exceptions.ComputeError("parquet: File out of specification: underlying IO error: No space left on device (os error 28)"),
    ],
)  # fmt: skip
def test_an_error_that_says_it_is_told_whatever_room_there_is_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    disk_with(1 << 29, monkeypatch)
    with pytest.raises(InputError, match=SAID), full_disk_told(tmp_path):
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("unexpected pos 576 vs 534"), sqlite3.OperationalError("disk I/O error")]
)
def test_an_error_that_does_not_say_it_is_told_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    disk_with(1000, monkeypatch)
    with pytest.raises(InputError, match=SAID), full_disk_told(tmp_path):
        raise error
    disk_with(1 << 29, monkeypatch)
    with pytest.raises(type(error), match=str(error)), full_disk_told(tmp_path):
        raise error


def test_the_disk_of_the_file_that_was_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "target"
    target.mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, 0 if folder == target else 1 << 30))
    with pytest.raises(InputError, match=f"^no room is left on the disk of {target}: "), full_disk_told(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target / "x"))


def test_a_full_disk_of_temporary_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, 0 if folder == temporary else 1 << 30))
    with pytest.raises(InputError, match=f"^no room is left on the disk of {temporary}: "), full_disk_told(tmp_path):
        raise sqlite3.OperationalError("database or disk is full")
    with pytest.raises(RuntimeError, match="unexpected"), full_disk_told(tmp_path):
        raise RuntimeError("unexpected pos 576 vs 534")


@pytest.mark.parametrize("error", [SettingsError("unknown setting"), FileNotFoundError(errno.ENOENT, "no file", "x")])
def test_an_error_that_has_another_reason_stays_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    disk_with(0, monkeypatch)
    with pytest.raises(type(error)) as raised, full_disk_told(tmp_path):
        raise error
    assert raised.value is error


def test_a_file_that_could_not_be_written_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    text, table = tmp_path / "text", tmp_path / "table"
    write_text(text, "old")
    write_parquet(table, pl.DataFrame({"n": [1]}))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(text, "new")
    with pytest.raises(OSError, match="No space left"):
        write_parquet(table, pl.DataFrame({"n": [2]}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table", "text"]
    assert (text.read_text("utf-8"), pl.read_parquet(table)["n"].to_list()) == ("old", [1])
