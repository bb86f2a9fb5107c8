from __future__ import annotations

import tracemalloc
from collections import Counter

import polars as pl
import pytest

from tests.core.corpus.conftest import SETTINGS, TEXTS, Assemble, places, records, table, text
from xinstr_core.corpus.assembly import Corpus, assemble
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.identity import document_key
from xinstr_core.schemas.raw_corpus import DOCUMENTS, DUPLICATES, REJECTED

NOTICE = "Danuy jëfandikoo kuki ngir gëna baaxal sa tukki ci dal bi, te nangul nanu ko"
NEAR = " ".join([*TEXTS[3].split()[:-1], "jeex"])
MIXED: list[Record | Reject] = [
    *records(TEXTS[:9]),
    Reject("a:10", "not_json", "{"),
    *records([TEXTS[5].upper(), NEAR, TEXTS[9], "Gàtt.", NEAR], start=11),
    *records([f"{one[:60]}\n{NOTICE}" for one in TEXTS[20:32]], "b"),
    *records([f"{one[:60]}\n{NOTICE}" for one in TEXTS[32:38]], "c"),
]


def assembled_again(corpus: Corpus) -> Corpus:
    folder = corpus.tables["documents"].parent
    files = (sorted((folder / name).glob("*.parquet")) for name in ("judged", "refused"))
    return assemble(*files, folder, SETTINGS)


def test_nothing_makes_three_empty_tables_with_all_columns(build: Assemble) -> None:
    corpus = build([])
    assert (corpus.documents, corpus.reasons, corpus.licences) == (0, Counter(), Counter())
    schemas = {table.name: table.schema for table in (DOCUMENTS, REJECTED, DUPLICATES)}
    assert {name: table(corpus, name).schema for name in corpus.tables} == schemas
    assert [table(corpus, name).height for name in schemas] == [0, 0, 0]


def test_batches_without_any_document_are_taken(build: Assemble) -> None:
    refused: list[Record | Reject] = [Reject(f"a:{n}", "not_json", "{") for n in range(1, 9)]
    corpus = build([*refused, *records(TEXTS[:3], start=9), *refused], batch=4)
    assert (places(corpus), corpus.reasons) == (["a:9", "a:10", "a:11"], Counter(not_json=16))


def test_distinct_documents_are_kept_as_they_are_in_order(build: Assemble) -> None:
    corpus = build(records(TEXTS))
    kept = table(corpus, "documents")
    assert kept["text"].to_list() == TEXTS
    assert kept["doc_id"].to_list() == [document_key("wo", one) for one in TEXTS]
    assert (corpus.documents, corpus.reasons, corpus.licences) == (40, Counter(), Counter({"CC0-1.0": 40}))


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_duplicates_point_at_an_earlier_document_and_at_the_kept_one(build: Assemble, batch: int) -> None:
    corpus = build(MIXED, batch)
    key = [document_key("wo", one) for one in TEXTS]
    refused = table(corpus, "duplicates").filter("refused")
    assert refused.drop("similarity").rows() == [
        ("wo", key[5], "a:11", "exact_duplicate", key[5], key[5], True),
        ("wo", document_key("wo", NEAR), "a:12", "near_duplicate", key[3], key[3], True),
        ("wo", document_key("wo", NEAR), "a:15", "exact_duplicate", document_key("wo", NEAR), key[3], True),
    ]
    exact, near, again = refused["similarity"]
    assert (exact, again) == (1.0, 1.0)
    assert 0.85 < near < 1
    told = table(corpus, "rejected").filter(pl.col("reason").str.ends_with("duplicate"))
    assert told.select("place", "reason", "value", "threshold", "excerpt").rows() == [
        ("a:11", "exact_duplicate", f"{key[5]} 1.000", "1", TEXTS[5].upper()[:200]),
        ("a:12", "near_duplicate", f"{key[3]} {near:.3f}", "0.741", NEAR[:200]),
        ("a:15", "exact_duplicate", f"{document_key('wo', NEAR)} 1.000", "1", NEAR[:200]),
    ]


def test_every_record_is_kept_or_rejected_and_the_counts_add_up(build: Assemble) -> None:
    corpus = build(MIXED)
    rejected = table(corpus, "rejected")
    assert sorted([*places(corpus), *rejected["place"]]) == sorted(one.place for one in MIXED)
    counts = Counter(recurring_lines=12, exact_duplicate=2, near_duplicate=1, too_short=1, not_json=1)
    assert corpus.reasons == Counter(rejected["reason"]) == counts
    assert corpus.documents == corpus.licences.total() == len(places(corpus)) == 16
    repeats = table(corpus, "duplicates")
    assert Counter(repeats.filter("refused")["kind"]) == Counter(exact_duplicate=2, near_duplicate=1)
    assert set(repeats.filter(~pl.col("refused"))["place"]) <= set(places(corpus))


@pytest.mark.parametrize(("count", "condemned"), [(9, 0), (10, 10)])
def test_lines_of_enough_documents_condemn_those_made_of_them(build: Assemble, count: int, condemned: int) -> None:
    corpus = build(records([f"{one[:80]}\n{NOTICE}" for one in TEXTS[:count]]), batch=4)
    assert len(places(corpus, "recurring_lines")) == condemned
    assert corpus.documents == count - condemned


def test_documents_that_only_end_in_a_recurring_line_are_kept(build: Assemble) -> None:
    made_of_it = [f"{one[:60]}\n{NOTICE.upper()}" for one in TEXTS[:8]]
    corpus = build(records([*made_of_it, *(f"{one}\n{NOTICE}" for one in TEXTS[8:12])]))
    assert places(corpus, "recurring_lines") == [f"a:{n}" for n in range(1, 9)]
    assert places(corpus) == [f"a:{n}" for n in range(9, 13)]
    told = table(corpus, "rejected").select("value", "threshold", "excerpt").row(0)
    assert told == (f"{len(NOTICE) / len(made_of_it[0]):.3f}", "0.3", made_of_it[0])


def test_lines_of_one_source_condemn_nothing_of_another(build: Assemble) -> None:
    pages = [f"{one[:60]}\n{NOTICE}" for one in TEXTS]
    corpus = build([*records(pages[:12], "a"), *records(pages[12:21], "b"), *records(pages[21:30], "")])
    assert places(corpus, "recurring_lines") == [f"a:{n}" for n in range(1, 13)]
    assert corpus.documents == 18


def test_a_line_counts_once_in_a_document_however_often_it_stands_there(build: Assemble) -> None:
    settings = SETTINGS.model_copy(update={"recurring_line_documents": 3, "maximum_recurring_share": 0.0})
    verse = "Waaw, waaw, noonu la deme"
    songs = [f"{one}\n{verse}\n{two}\n{verse}" for one, two in zip(TEXTS[:2], TEXTS[2:4], strict=True)]
    assert build(records(songs), settings=settings).documents == 2
    assert build(records([*songs, f"{TEXTS[4]}\n{verse}"]), settings=settings).reasons == Counter(recurring_lines=3)


def test_a_page_that_stands_there_many_times_is_one_page_and_no_boilerplate(build: Assemble) -> None:
    page = f"{TEXTS[0]}\n{NOTICE}\n{TEXTS[1]}"
    corpus = build(records([page] * 12))
    assert corpus.reasons == Counter(exact_duplicate=11)
    assert places(corpus) == ["a:1"]


def test_the_same_input_gives_the_same_bytes_also_over_what_a_killed_run_left(build: Assemble) -> None:
    first, second = build(MIXED), build(MIXED)
    contents = {name: path.read_bytes() for name, path in first.tables.items()}
    assert {name: path.read_bytes() for name, path in second.tables.items()} == contents
    again = assembled_again(second)
    assert {name: path.read_bytes() for name, path in again.tables.items()} == contents
    assert (again.documents, again.reasons, again.licences) == (first.documents, first.reasons, first.licences)


def test_where_batches_end_makes_no_difference_to_the_rows(build: Assemble) -> None:
    corpora = [build(MIXED, batch) for batch in (1, 5, 100)]
    for name in ("documents", "duplicates"):
        assert all(table(corpus, name).equals(table(corpora[0], name)) for corpus in corpora)
    assert all(set(table(corpus, "rejected").rows()) == set(table(corpora[0], "rejected").rows()) for corpus in corpora)


def test_memory_grows_by_less_than_a_signature_with_each_document(build: Assemble) -> None:
    def peak(documents: int) -> int:
        corpus = build(records([text(20) for _ in range(documents)]), batch=250)
        tracemalloc.start()
        try:
            assert assembled_again(corpus).documents == documents
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(500), peak(2500)
    assert large - small < 2000 * 300


def test_a_document_that_is_refused_for_another_one_shows_no_personal_data(build: Assemble) -> None:
    texts = [f"Tel. 0712 345 678, {TEXTS[0]}"] * 2
    settings = SETTINGS.model_copy(update={"refuse_personal_data": False})
    rejected = table(build(records(texts), settings=settings), "rejected")
    assert rejected["reason"].to_list() == ["exact_duplicate"]
    assert rejected["excerpt"][0].startswith("Tel. #### ### ###, ")
