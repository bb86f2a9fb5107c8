"""Parallel documents: what is read, what is refused and why, and that the instruction is of the English side."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from xinstr_core.corpus.readers import Reject
from xinstr_core.curation.parallel_documents import ParallelDocument, check_sides, read_parallel_documents
from xinstr_core.errors import InputError
from xinstr_core.languages import Language

SWAHILI = Language(tag="sw", name="Swahili", script="Latn")
ENGLISH = "The farmer planted maize in the morning, and in the evening the whole village came to eat with her family."
TEXT = "Mkulima alipanda mahindi asubuhi, na jioni kijiji kizima kilikuja kula pamoja na familia yake nyumbani."


def read(path: Path, *records: object) -> list[ParallelDocument | Reject]:
    path.write_text("\n".join(json.dumps(record) for record in records), "utf-8")
    return list(read_parallel_documents(path, SWAHILI))


def test_a_document_keeps_both_sides_as_they_are(tmp_path: Path) -> None:
    record = {"text_en": ENGLISH, "text": TEXT, "source": "a story", "licence": "CC0"}
    [found] = read(tmp_path / "docs.jsonl", record)
    assert found == ParallelDocument(found.place, ENGLISH, TEXT, "a story", "CC0")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": TEXT}, "no_text_en"),
        ({"text_en": ENGLISH}, "no_text"),
        ({"text_en": ENGLISH, "text": 7}, "no_text"),
        ({"text_en": ENGLISH, "text": "  "}, "no_text"),
        ({"text_en": ENGLISH * 4, "text": TEXT}, "unequal_length"),
        ({"text_en": ENGLISH, "text": ENGLISH}, "wrong_language"),
        ({"text_en": TEXT, "text": TEXT}, "wrong_language"),
        ({"text_en": ENGLISH, "text": TEXT + "\x00"}, "not_text"),
    ],
)
def test_what_cannot_be_a_pair_is_refused_with_its_reason(
    tmp_path: Path, record: dict[str, object], reason: str
) -> None:
    [found] = read(tmp_path / "docs.jsonl", record)
    assert isinstance(found, Reject) and found.reason == reason
    assert found.place


def test_the_same_translation_twice_counts_once(tmp_path: Path) -> None:
    record = {"text_en": ENGLISH, "text": TEXT}
    first, second = read(tmp_path / "docs.jsonl", record, {**record, "text": TEXT.replace(" ", "  ")})
    assert isinstance(first, ParallelDocument)
    assert isinstance(second, Reject) and second.reason == "duplicate"


def test_records_that_cannot_be_read_are_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text('{"text_en": "half a rec\n[1, 2]\n', "utf-8")
    assert all(isinstance(one, Reject) for one in read_parallel_documents(path, SWAHILI))


def numbered(count: int, shift: int = 0) -> list[ParallelDocument]:
    """Documents with two numbers each, one of them in Bengali digits, whose translations stand so many lines later."""

    def text(n: int) -> str:
        return f"Mwaka {1900 + n}: {str(200 + n).translate({48 + digit: 0x9E6 + digit for digit in range(10)})}."

    return [
        ParallelDocument(str(n), f"In {1900 + n}, {200 + n} farms.", text((n + shift) % count), "", "unknown")
        for n in range(count)
    ]


def test_sides_that_share_no_numbers_are_told_as_shifted(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    check_sides(path, numbered(12))
    check_sides(path, numbered(9, shift=1))  # too few to tell
    plain = [ParallelDocument(str(n), ENGLISH, TEXT, "", "unknown") for n in range(30)]
    check_sides(path, plain)
    with pytest.raises(
        InputError, match=r"docs.jsonl: of 12 documents with numbers on both sides 0 share one, .*shifted"
    ):
        check_sides(path, numbered(12, shift=1))
    halfway = [*numbered(24)[:12], *numbered(24, shift=1)[12:]]
    with pytest.raises(InputError, match="of 24 documents with numbers on both sides 12 share one"):
        check_sides(path, halfway)


def test_sides_of_real_files_belong_together_and_those_shifted_by_a_line_do_not() -> None:
    """What the limit was set by: twelve languages that people translated from or into English."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "parallel"
    if not folder.is_dir():
        pytest.skip("no real data beside the checkout")
    files = sorted(folder.glob("*.jsonl"))
    assert files
    for path in files:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        aligned = [ParallelDocument(str(n), row["text_en"], row["text"], "", "") for n, row in enumerate(rows)]
        shifted = [replace(one, text=other.text) for one, other in pairwise(aligned)]
        check_sides(path, aligned)
        with pytest.raises(InputError, match="are the sides shifted by a line"):
            check_sides(path, shifted)
