from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count, permutations
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.corpus.assembly import DUPLICATE_SCHEMA, Corpus, assemble
from xinstr_core.corpus.batches import BatchJudge
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.overlaps import sketch
from xinstr_core.corpus.readers import Record, Reject
from xinstr_core.corpus.rows import DOCUMENT_SCHEMA, REJECT_SCHEMA
from xinstr_core.identity import document_key
from xinstr_core.languages import Language
from xinstr_core.settings import CorpusSettings
from xinstr_core.store import ShardLog

SETTINGS = CorpusSettings(minimum_characters=60)
WOLOF = Language(tag="wo", name="Wolof", script="Latn", licence="CC0-1.0")  # which no voter knows
NOTICE = "Danuy jëfandikoo kuki ngir gëna baaxal sa tukki ci dal bi, te nangul nanu ko"
DRAW = random.Random(0)
Assemble = Callable[..., Corpus]


@pytest.fixture
def build(tmp_path: Path) -> Assemble:
    """Judge records in batches of some size, and assemble them in a folder of their own."""
    numbers = count()

    def built(found: Sequence[Record | Reject], batch: int = 7, settings: CorpusSettings = SETTINGS) -> Corpus:
        folder = tmp_path / str(next(numbers))
        judge = BatchJudge(DocumentFilter(WOLOF, settings), ShardLog(folder / "judged"), ShardLog(folder / "refused"))
        starts = range(0, len(found), batch)
        keys = [judge((number, list(found[start : start + batch]))) for number, start in enumerate(starts)]
        logs = ([log.path(key) for key in keys] for log in (judge.documents, judge.rejects))
        return assemble(*logs, folder, settings)

    return built


def text(words: int = 40, draw: random.Random = DRAW) -> str:
    letters = ("bdfgjklmnprstwy", "aeiouëó")
    return " ".join("".join(draw.choice(letters[n % 2]) for n in range(draw.randint(3, 7))) for _ in range(words))


def records(texts: Sequence[str], source: str = "a", start: int = 1) -> list[Record | Reject]:
    return [Record(f"{source}:{n}", {"text": one, "source": source}) for n, one in enumerate(texts, start)]


def table(corpus: Corpus, name: str) -> pl.DataFrame:
    return pl.read_parquet(corpus.tables[name])


def places(corpus: Corpus, reason: str = "") -> list[str]:
    """Of the kept documents, or of what was rejected for a reason."""
    found = table(corpus, "rejected").filter(reason=reason) if reason else table(corpus, "documents")
    return found["place"].to_list()


def assembled_again(corpus: Corpus) -> Corpus:
    folder = corpus.tables["documents"].parent
    files = (sorted((folder / name).glob("*.parquet")) for name in ("judged", "refused"))
    return assemble(*files, folder, SETTINGS)


TEXTS = [text() for _ in range(40)]
NEAR = " ".join([*TEXTS[3].split()[:-1], "jeex"])
MIXED: list[Record | Reject] = [
    *records(TEXTS[:9]),
    Reject("a:10", "not_json", "{"),
    *records([TEXTS[5].upper(), NEAR, TEXTS[9], "Gàtt.", NEAR], start=11),
    *records([f"{one[:60]}\n{NOTICE}" for one in TEXTS[20:32]], "b"),
    *records([f"{one[:60]}\n{NOTICE}" for one in TEXTS[32:38]], "c"),
]


def test_nothing_makes_three_empty_tables_with_all_columns(build: Assemble) -> None:
    corpus = build([])
    assert (corpus.documents, corpus.reasons, corpus.licences) == (0, Counter(), Counter())
    schemas = {"documents": DOCUMENT_SCHEMA, "rejected": REJECT_SCHEMA, "duplicates": DUPLICATE_SCHEMA}
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


def joined(*numbers: int) -> str:
    return " ".join(TEXTS[number] for number in numbers)


def similarity(earlier: str, later: str) -> float:
    """The share of the shorter one's sketch that both have, as it is told."""
    return round(max(repeated(earlier, later), repeated(later, earlier)), 4)


def repeated(earlier: str, later: str) -> float:
    """The share of the later one's sketch that both have."""
    first, second = (set(sketch(each, "Latn").tolist()) for each in (earlier, later))
    return len(first & second) / len(second)


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(("later", "part"), [((1, 2), 1.0), ((0, 1, 2, 5), 0.75)])
def test_a_document_that_mostly_repeats_an_earlier_one_is_refused(
    build: Assemble, later: tuple[int, ...], part: float, batch: int
) -> None:
    first, second = joined(3, 0, 1, 2, 4), joined(*later)
    corpus = build(records([TEXTS[9], first, TEXTS[10], second]), batch)
    keys = [document_key("wo", one) for one in (first, second)]
    assert repeated(first, second) == pytest.approx(part, abs=0.1)
    assert table(corpus, "duplicates").rows() == [
        ("wo", keys[1], "a:4", "overlap", keys[0], keys[0], similarity(first, second), True)
    ]
    assert table(corpus, "rejected").rows() == [
        ("wo", "a:4", "overlap", f"{keys[0]} {repeated(first, second):.3f}", "0.6", second[:200])
    ]
    assert (places(corpus), corpus.reasons) == (["a:1", "a:2", "a:3"], Counter(overlap=1))


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(
    ("earlier", "later"),
    [((0, 1, 2, 3), (4, 2, 3, 5)), ((0, 1), (3, 0, 1, 2, 4)), ((0, 1, 5), (3, 0, 1, 2, 4))],
    ids=["half of each", "contains a shorter one", "has most of a shorter one"],
)
def test_a_document_with_enough_of_its_own_is_kept_and_told(
    build: Assemble, earlier: tuple[int, ...], later: tuple[int, ...], batch: int
) -> None:
    first, second = joined(*earlier), joined(*later)
    keys = [document_key("wo", one) for one in (first, second)]
    assert 0.3 < repeated(first, second) < 0.6
    corpus = build(records([first, second]), batch)
    assert table(corpus, "duplicates").rows() == [
        ("wo", keys[1], "a:2", "overlap", keys[0], keys[0], similarity(first, second), False)
    ]
    assert (places(corpus), corpus.reasons) == (["a:1", "a:2"], Counter())


def test_what_is_told_and_what_is_refused_are_different_shares(build: Assemble) -> None:
    """A refused document's row has the share of the shorter one, its reason the share of the document itself."""
    first, second = joined(0, 1, 2), f"{joined(0, 1, 2, 3)} {TEXTS[4][:60]}"
    corpus = build(records([first, second]))
    assert 0.6 < repeated(first, second) < 0.9
    assert table(corpus, "duplicates").select("similarity", "refused").rows() == [(1.0, True)]
    key = document_key("wo", first)
    assert table(corpus, "rejected")["value"].to_list() == [f"{key} {repeated(first, second):.3f}"]


def test_a_document_that_shares_little_is_not_listed(build: Assemble) -> None:
    first, second = joined(0, 1, 2, 3, 4, 5), joined(5, 6, 7, 8, 9, 10)
    assert 0 < similarity(first, second) < 0.3
    corpus = build(records([first, second]))
    assert (corpus.documents, table(corpus, "duplicates").height) == (2, 0)


def test_of_several_overlaps_the_strongest_is_told(build: Assemble) -> None:
    texts = [joined(0, 1), joined(2, 3, 4, 21), joined(0, 2, 3, 4, 22)]
    assert 0.3 < similarity(texts[0], texts[2]) < similarity(texts[1], texts[2])
    corpus = build(records(texts))
    (told,) = table(corpus, "duplicates").select("place", "duplicate_of", "similarity", "refused").rows()
    assert told == ("a:3", document_key("wo", texts[1]), similarity(texts[1], texts[2]), True)


def test_an_overlap_with_a_document_that_was_refused_for_overlap_refuses_nothing(build: Assemble) -> None:
    first, second, third = joined(0, 1, 2, 3, 4), joined(0, 1, 2, 3, 10, 11), f"{joined(10, 11)} {TEXTS[12][:60]}"
    assert places(build(records([second, third])), "overlap") == ["a:2"]
    corpus = build(records([first, second, third]))
    assert (places(corpus), places(corpus, "overlap")) == (["a:1", "a:3"], ["a:2"])
    assert table(corpus, "duplicates").select("place", "kind", "refused").rows() == [("a:2", "overlap", True)]


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("seed", range(3))
def test_a_refused_document_between_two_kept_ones_hides_nothing(build: Assemble, seed: int, batch: int) -> None:
    """The last three have a passage from the second, which is refused: of the three, the first stays."""
    draw = random.Random(seed)
    quoted, passage, *own = (text(words, draw) for words in (400, 180, 90, 75, 75, 75))  # so many that chance is small
    texts = [f"{quoted} {own[0]}", f"{quoted} {passage}", *(f"{passage} {end}" for end in own[1:])]
    assert min(repeated(*pair) for pair in [texts[:2], *permutations(texts[2:], 2)]) > 0.6
    corpus = build(records(texts), batch, SETTINGS.model_copy(update={"maximum_characters": 5000}))
    assert (places(corpus), places(corpus, "overlap")) == (["a:1", "a:3"], ["a:2", "a:4", "a:5"])
    keys = [document_key("wo", one) for one in texts]
    assert table(corpus, "duplicates").select("doc_id", "kept").rows() == [
        (keys[1], keys[0]),
        (keys[3], keys[2]),
        (keys[4], keys[2]),
    ]


@pytest.mark.parametrize("batch", [9, 100])
def test_of_any_number_of_documents_with_one_common_paragraph_one_stays(build: Assemble, batch: int) -> None:
    """Without a line end the paragraph is no recurring line."""
    common, draw = joined(0, 1, 2), random.Random(1)
    corpus = build(records([f"{common} {text(draw=draw)}" for _ in range(70)]), batch)
    assert (places(corpus), corpus.reasons) == (["a:1"], Counter(overlap=69))
    assert table(corpus, "duplicates")["kept"].unique().to_list() == table(corpus, "documents")["doc_id"].to_list()


def test_what_is_kept_in_place_of_a_copy_is_what_refused_its_original(build: Assemble) -> None:
    kept, original = joined(0, 1, 2, 3), joined(0, 1, 2, 4)
    keys = [document_key("wo", one) for one in (kept, original)]
    corpus = build(records([kept, original, original.upper()]))
    assert table(corpus, "duplicates").select("place", "kind", "duplicate_of", "kept", "refused").rows() == [
        ("a:2", "overlap", keys[0], keys[0], True),
        ("a:3", "exact_duplicate", keys[1], keys[0], True),
    ]
    assert places(corpus) == ["a:1"]


def test_an_overlap_with_a_copy_is_one_with_what_it_copies(build: Assemble) -> None:
    corpus = build(records([joined(0, 1, 2), joined(0, 1, 2).upper(), joined(0, 1, 2, 3)]))
    key = document_key("wo", joined(0, 1, 2))
    assert table(corpus, "duplicates").select("place", "kind", "duplicate_of", "kept").rows() == [
        ("a:2", "exact_duplicate", key, key),
        ("a:3", "overlap", key, key),
    ]


def test_boilerplate_refuses_no_document_that_overlaps_with_it(build: Assemble) -> None:
    pages = records([f"{joined(n, n + 10)}\n{TEXTS[0]}" for n in range(1, 11)])
    quoting = records([joined(1, 11, 30)], "b")
    corpus = build([*pages, *quoting])
    assert corpus.reasons == Counter(recurring_lines=10)
    assert places(corpus) == ["b:1"]
    assert table(corpus, "duplicates").height == 0
    settings = SETTINGS.model_copy(update={"recurring_line_documents": 11})
    assert places(build([*pages, *quoting], settings=settings), "overlap") == ["b:1"]


@pytest.mark.parametrize(("maximum", "kept"), [(0.05, 1), (0.2, 1), (0.5, 1), (0.6, 1), (0.9, 2), (1.0, 2)])
def test_how_much_may_be_repeated_is_a_setting(build: Assemble, maximum: float, kept: int) -> None:
    first, second = joined(0, 1, 2, 3), joined(0, 1, 2, 4)
    assert 0.6 < repeated(first, second) < 0.9
    corpus = build(records([first, second]), settings=allowing(maximum))
    assert corpus.documents == kept
    assert table(corpus, "duplicates").select("kind", "similarity", "refused").rows() == [
        ("overlap", similarity(first, second), kept == 1)
    ]
    assert table(corpus, "rejected")["threshold"].to_list() == [f"{maximum:.3g}"] * (2 - kept)


def allowing(maximum: float) -> CorpusSettings:
    return SETTINGS.model_copy(update={"maximum_overlap": maximum})


def test_a_small_overlap_is_refused_and_told_where_less_is_allowed(build: Assemble) -> None:
    first, second = joined(0, 1, 2, 3, 4, 5), joined(5, 6, 7, 8, 9, 10)
    found = repeated(first, second)
    assert 0.1 < found < 0.25
    for maximum, told in ((found, True), (found * 0.5, True), (found * 1.5, False)):
        corpus = build(records([first, second]), settings=allowing(maximum))
        assert places(corpus, "overlap") == ["a:2"] * told
        assert table(corpus, "duplicates")["refused"].to_list() == [True] * told


def test_a_document_that_repeats_exactly_the_maximum_is_refused(build: Assemble) -> None:
    first, second = joined(0, 1, 2, 3), joined(0, 1, 2, 4)
    found = repeated(first, second)
    assert build(records([first, second]), settings=allowing(found)).reasons == Counter(overlap=1)
    assert build(records([first, second]), settings=allowing(found + 1e-9)).reasons == Counter()


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
