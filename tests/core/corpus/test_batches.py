from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.corpus.batches import BATCH_CHARACTERS, BATCH_RECORDS, JUDGED_SCHEMA, BatchJudge, batches
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.duplicates import PERMUTATIONS, signatures
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.files import ShardLog
from xinstr_core.identity import line_hash
from xinstr_core.languages import Language
from xinstr_core.schemas.raw_corpus import DOCUMENTS, REJECTED
from xinstr_core.settings import CorpusSettings

WOLOF = Language(tag="wo", name="Wolof", script="Latn")  # which no voter knows
TEXT = "Doomi aadama yépp danuy juddu, yam ci tawfeex ci sag ak sañ-sañ."
SECOND = "Nekk na it ku xam dëgg te ànd na ak xelam, te war naa jëflante."
THIRD = "Ku nekk am nga sañ-sañ yi ak tawfeex yi ci biir dogal bii."
BATCH = [
    Record("wo.jsonl:1", {"text": TEXT, "source": "a", "licence": "CC0-1.0"}),
    Reject("wo.jsonl:2", "not_json", "{", "Expecting value"),
    Record("wo.jsonl:3", {"text": "Gàtt."}),
    Record("wo.jsonl:4", {"text": f"{SECOND}\nDëgg la.\n {THIRD}\n", "source": "a"}),
    Record("wo.jsonl:5", {"title": TEXT}),
    Record("wo.jsonl:6", {"text": f"{TEXT}\n{THIRD}\n\n{SECOND}\n{THIRD}", "source": "b"}),
]


@pytest.fixture
def judge(tmp_path: Path) -> BatchJudge:
    settings = CorpusSettings(minimum_characters=20, maximum_characters=150)
    logs = (ShardLog(tmp_path / name) for name in ("judged", "refused"))
    return BatchJudge(DocumentFilter(WOLOF, settings), *logs)


def records(count: int, text: str = TEXT) -> list[Record | Reject]:
    return [Record(f"wo.jsonl:{n}", {"text": text}) for n in range(count)]


def files(judge: BatchJudge, key: str) -> tuple[bytes, bytes]:
    return judge.documents.path(key).read_bytes(), judge.rejects.path(key).read_bytes()


@pytest.mark.parametrize("count", [0, 1, BATCH_RECORDS - 1, BATCH_RECORDS, BATCH_RECORDS + 1, 2 * BATCH_RECORDS])
def test_every_record_is_in_one_batch_in_order_and_no_batch_is_too_large_or_empty(count: int) -> None:
    found = records(count)
    cut = list(batches(found))
    assert [one for batch in cut for one in batch] == found
    assert [len(batch) for batch in cut[:-1]] == [BATCH_RECORDS] * ((count - 1) // BATCH_RECORDS)
    assert all(0 < len(batch) <= BATCH_RECORDS for batch in cut)


def test_a_batch_ends_with_the_record_that_fills_it() -> None:
    long = records(5, "x" * (BATCH_CHARACTERS // 2))
    assert [len(batch) for batch in batches(long)] == [2, 2, 1]
    assert [len(batch) for batch in batches(records(3, "x" * BATCH_CHARACTERS))] == [1, 1, 1]


def test_what_a_record_carries_beside_its_text_fills_a_batch_too() -> None:
    page = "x" * (BATCH_CHARACTERS // 2)
    carrying: list[Record | Reject] = [Record(str(n), {"text": None, "html": page, "n": n}) for n in range(4)]
    assert [len(batch) for batch in batches(carrying)] == [2, 2]
    refused: list[Record | Reject] = [Reject(str(n), "not_json", page) for n in range(3)]
    assert [len(batch) for batch in batches(refused)] == [2, 1]


def test_a_batch_is_given_before_the_next_one_is_read() -> None:
    taken: list[int] = []

    def reader() -> Iterator[Record | Reject]:
        for n, one in enumerate(records(3 * BATCH_RECORDS)):
            taken.append(n)
            yield one

    cut = batches(reader())
    assert taken == []
    assert [next(cut)[-1].place, len(taken)] == [f"wo.jsonl:{BATCH_RECORDS - 1}", BATCH_RECORDS]


def test_every_outcome_of_a_batch_is_in_one_of_its_two_files_in_order(judge: BatchJudge) -> None:
    key = judge((7, BATCH))
    documents, rejects = judge.documents.get(key), judge.rejects.get(key)
    assert documents is not None
    assert rejects is not None
    assert documents.select("place", "source", "licence", "span_start").rows() == [
        ("wo.jsonl:1", "a", "CC0-1.0", 0),
        ("wo.jsonl:4", "a", "unknown", 0),
        ("wo.jsonl:6[0:123]", "b", "unknown", 0),
        ("wo.jsonl:6[125:247]", "b", "unknown", 125),
    ]
    assert rejects.drop("learned_filter", "learned_score").rows() == [
        ("wo", "wo.jsonl:2", "not_json", "Expecting value", "", "{"),
        ("wo", "wo.jsonl:3", "too_short", "5", "20", "Gàtt."),
        ("wo", "wo.jsonl:5", "no_text", "NoneType", "text", str({"title": TEXT})),
    ]
    assert documents.drop("signature").schema == JUDGED_SCHEMA
    assert rejects.schema == REJECTED.schema
    assert set(documents["language"]) == {"wo"}


def test_keys_sort_as_the_numbers_of_their_batches(judge: BatchJudge) -> None:
    keys = [judge((number, [])) for number in (0, 2, 10, 12_345_678)]
    assert keys == sorted(set(keys))


def test_a_document_is_left_with_its_signature(judge: BatchJudge) -> None:
    documents = judge.documents.get(judge((0, BATCH)))
    assert documents is not None
    assert documents["signature"].dtype == pl.Array(pl.UInt32, PERMUTATIONS)
    assert documents["signature"].to_list() == signatures(documents["text"].to_list(), "Latn").tolist()


def test_lines_of_some_length_are_left_by_source_where_a_text_has_several(judge: BatchJudge) -> None:
    documents = judge.documents.get(judge((0, BATCH)))
    assert documents is not None
    assert documents["lines"].to_list() == [
        [],
        [line_hash("a", SECOND), line_hash("a", THIRD)],
        [line_hash("b", TEXT), line_hash("b", THIRD)],
        [line_hash("b", SECOND), line_hash("b", THIRD)],
    ]
    assert documents["line_characters"].to_list() == [
        [],
        [len(SECOND), len(THIRD)],
        [len(TEXT), len(THIRD)],
        [len(SECOND), len(THIRD)],
    ]
    assert line_hash("a", SECOND) != line_hash("b", SECOND)


@pytest.mark.parametrize("batch", [[], [BATCH[1]], [BATCH[0]]])
def test_a_batch_without_documents_or_rejects_leaves_files_with_all_columns(
    judge: BatchJudge, batch: list[Record | Reject]
) -> None:
    key = judge((0, batch))
    documents, rejects = judge.documents.get(key), judge.rejects.get(key)
    assert documents is not None
    assert rejects is not None
    assert documents.height + rejects.height == len(batch)
    assert documents.columns == [*JUDGED_SCHEMA.names(), "signature"]
    assert documents.select(DOCUMENTS.schema.names()).schema == DOCUMENTS.schema
    assert rejects.schema == REJECTED.schema


def test_a_finished_batch_is_not_judged_again(judge: BatchJudge) -> None:
    key = judge((3, BATCH))
    before = files(judge, key)
    written = judge.documents.path(key).stat().st_mtime_ns
    assert judge((3, BATCH)) == key
    assert files(judge, key) == before
    assert judge.documents.path(key).stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "other",
    [
        [],
        BATCH[1:],
        [Record("wo.jsonl:1", {"text": TEXT, "source": "b", "licence": "CC0-1.0"}), *BATCH[1:]],
        [replace(BATCH[0], place="wo.txt:1"), *BATCH[1:]],
        [BATCH[0], replace(BATCH[1], reason="broken_file"), *BATCH[2:]],
    ],
)
def test_a_batch_of_other_records_in_its_place_is_judged(judge: BatchJudge, other: list[Record | Reject]) -> None:
    assert judge((3, other)) != judge((3, BATCH)) != judge((4, BATCH))


def test_a_batch_that_was_killed_between_its_files_is_judged_again_with_the_same_bytes(judge: BatchJudge) -> None:
    key = judge((3, BATCH))
    before = files(judge, key)
    judge.rejects.path(key).unlink()
    judge.documents.put(key, pl.DataFrame({"half": [1]}))
    assert judge((3, BATCH)) == key
    assert files(judge, key) == before


def test_a_judge_in_another_process_leaves_the_same_bytes(judge: BatchJudge, tmp_path: Path) -> None:
    key = judge((0, BATCH))
    logs = {"documents": ShardLog(tmp_path / "1"), "rejects": ShardLog(tmp_path / "2")}
    sent: BatchJudge = pickle.loads(pickle.dumps(replace(judge, **logs)))
    assert sent((0, BATCH)) == key
    assert files(sent, key) == files(judge, key)


def test_no_reject_shows_personal_data_whether_a_reader_refused_it_or_the_filter(judge: BatchJudge) -> None:
    found: list[Record | Reject] = [
        Reject("wo.jsonl:1", "not_a_record", '["0712 345 678, juma@example.tz"]', "list", "object"),
        Reject("wo.jsonl:2", "not_json", '{"text": "Tel\\n0712 345 678', "juma@example.tz"),
        Record("wo.jsonl:3", {"text": None, "email": "juma@example.tz"}),
        Reject("wo.jsonl:4", "not_json", "{1948", "Expecting value"),
    ]
    rejects = pl.read_parquet(judge.rejects.path(judge((0, found))))
    assert rejects["place"].to_list() == [f"wo.jsonl:{n}" for n in range(1, 5)]
    assert rejects["excerpt"].to_list() == [
        '["#### ### ###, #',
        '{"text": "Tel #### ### ###',
        "{'text': None, 'email': #",
        "{1948",
    ]
    assert rejects["value"].to_list() == ["list", "#", "NoneType", "Expecting value"]
