"""`xinstr audit`: a file goes out, a person fills it in, the agreement is printed."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.conftest import CommandLine
from xinstr_core.identity import content_key
from xinstr_core.store import StageOutput, Store

KEPT, DROPPED = 8, 24


@pytest.fixture
def rated(xinstr: CommandLine) -> CommandLine:
    """A home where Swahili has rated pairs, all of whose scores are right."""
    count = KEPT + DROPPED
    good = [number < KEPT for number in range(count)]
    score = [0.9 if is_good else 0.1 for is_good in good]
    pairs = pl.DataFrame(
        {
            "language": ["sw"] * count,
            "pair_id": [content_key("pair", str(number)) for number in range(count)],
            "doc_id": [content_key("document", str(number)) for number in range(count)],
            "instruction": ["=1+1", *(f"Ask {number}" for number in range(1, count))],
            "response": [f"Jibu {number}" for number in range(count)],
            "rating": score,
            "kept": good,
            "p_level_1": [1 - one for one in score],
            "p_level_2": [0.0] * count,
            "p_level_3": score,
            "instruction_quality": score,
            "pair_fit": score,
        }
    )
    Store(xinstr.home / "data").commit("refined_pairs", "sw", "made", {}, StageOutput(tables={"pairs": pairs}))
    return xinstr


def fill_in(path: Path, kept: set[str], second: Path | None = None) -> None:
    """A person who finds just the kept pairs good, and saves with semicolons; the first row stays empty."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header, first, *rows = csv.reader(stream)
    filled = [
        [key, instruction, response, *(("Yes", "y", "Y", "3") if key in kept else ("no", "N", "y", "1")), ""]
        for key, instruction, response, *_ in rows
    ]
    with (second or path).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([header, first, *filled])


def kept_keys(home: CommandLine) -> set[str]:
    partition = Store(home.home / "data").get("refined_pairs", "sw")
    assert partition is not None
    return set(partition.scan("pairs").filter("kept").collect()["pair_id"])


def printed(table: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(value with interval, rows) by aspect and measure."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    return {(aspect, measure): (value, n) for aspect, measure, value, n in rows}


def test_a_file_is_written_filled_in_and_read_back(rated: CommandLine) -> None:
    path = rated.home / "audit" / "sw.csv"
    written = rated("audit", "write", "sw", "--rows", "16")
    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout == f"{path}: 16 pairs to label, see {path.parent / 'README.md'}; then xinstr audit read sw\n"
    assert path.read_text("utf-8-sig").count("'=1+1") == 1

    fill_in(path, kept_keys(rated), rated.home / "audit" / "sw.second.csv")
    fill_in(path, kept_keys(rated))
    path.write_text(path.read_text("utf-8").replace(";no;N;", ";perhaps;N;", 1) + "gone;;;;;;2;\n", "utf-8")
    done = rated("audit", "read", "sw", "--set", "curation.minimum_pair_fit=0.5")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{path}: 16 of 17 pairs labelled"
    assert re.fullmatch(r"  not counted: row \d+: instruction_clear 'perhaps' is none of no, yes", lines[1])
    assert lines[2] == "  not counted: 1 pairs are not among the rated ones (rated anew since?): gone"
    assert lines[3] == f"{path.with_name('sw.second.csv')}: 15 of 16 pairs labelled"
    table = printed(done.stdout)
    sure, of_fifteen = "1.000 (no interval)", "1.000 (0.796 to 1.000)"
    assert table["level", "kappa (linear weights)"] == (sure, "15")
    assert table["instruction_clear", "AUC of instruction_quality"] == (sure, "14")
    assert table["answers", "same answer of pair_fit >= 0.5"] == (of_fifteen, "15")
    assert table["kept", "precision (level 3 of what was kept)"] == ("1.000 (0.646 to 1.000)", "7")
    assert table["kept", "recall (kept of level 3)"] == (sure, "15")
    assert table["level", "kappa of two raters"] == (sure, "15")
    assert "No interval where fewer than evaluation.minimum_cases (20) rows are labelled" in " ".join(
        done.stdout.split()
    )


def test_labels_are_not_lost_by_writing_again(rated: CommandLine) -> None:
    path = rated.home / "audit" / "sw.csv"
    rated("audit", "write", "sw")
    assert len(list(csv.reader(path.read_text("utf-8-sig").splitlines()))) == 1 + KEPT + DROPPED
    fill_in(path, set())
    before = path.read_bytes()
    refused = rated("audit", "write", "sw")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert f"{path} has been filled in and is left alone: --overwrite replaces it" in refused.stderr
    assert path.read_bytes() == before
    assert rated("audit", "write", "sw", "--overwrite", "--set", "audit.rows=4").returncode == 0
    assert len(list(csv.reader(path.read_text("utf-8-sig").splitlines()))) == 1 + 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["write", "fi"], "fi has no rated pairs yet: xinstr build fi --to refined_pairs"),
        (["read", "xx"], "unknown language 'xx'"),
        (["read", "sw"], "sw.csv: xinstr audit write makes one"),
    ],
)
def test_what_is_missing_is_told_in_one_line(rated: CommandLine, arguments: list[str], said: str) -> None:
    done = rated("audit", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert said in done.stderr


def test_labels_of_other_pairs_only_are_told(rated: CommandLine) -> None:
    path = rated.home / "audit" / "sw.csv"
    path.parent.mkdir()
    path.write_text("pair_id,instruction_clear,answers,natural,level\ngone,y,y,y,3\n", "utf-8")
    done = rated("audit", "read", "sw")
    assert done.returncode == 1
    assert "none of its labels can be compared" in done.stderr
