from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
import unicodedata
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.corpus.conftest import LETTERS, drawn
from xinstr_core.corpus.overlaps import Overlap, OverlapSearch, sketch

RUNS = {"Latn": 20, "Taml": 20, "Thai": 12}  # letters in a run
LEAST_RUNS = 8  # sampled ones that a sketch needs to overlap with another
SENTENCE = (
    "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri, hivyo yapasa watendeane kindugu. "
    "Kila mtu anastahili kuwa na haki zote na uhuru wote."
)
KHMER = (
    "មនុស្ស ទាំងអស់ កើត មក មាន សេរីភាព និង សមភាព ក្នុង សេចក្ដី ថ្លៃថ្នូរ និង សិទ្ធិ ។ មនុស្ស មាន វិចារណញ្ញាណ និង "
    "សតិសម្បជញ្ញៈ ជាប់ ពី កំណើត ហើយ គប្បី ប្រព្រឹត្ត ចំពោះ គ្នា ទៅ វិញ ទៅ មក ក្នុង ស្មារតី ភាតរភាព ជា បង ប្អូន ។"
)
SKETCH = "from xinstr_core.corpus.overlaps import sketch; print(sketch({!r}, {!r}).tolist())"
Find = Callable[..., list[Overlap]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    return lambda texts, *rest, **more: searched(tmp_path / "search", texts, *rest, **more)


def searched(
    folder: Path,
    texts: Sequence[str],
    script: str = "Latn",
    least: float = 0.3,
    batch: int = 100,
    left_out: Collection[int] = (),
) -> list[Overlap]:
    search = OverlapSearch(folder)
    for start in range(0, len(texts), batch):
        search.add(*joined([sketch(text, script) for text in texts[start : start + batch]]))
    return list(search.find(np.isin(np.arange(len(texts)), list(left_out)), least))


def joined(sketches: Sequence[Any]) -> tuple[Any, Any]:
    """Sizes and hashes, as a search takes them."""
    sizes = np.array([len(one) for one in sketches], dtype=np.uint32)
    return sizes, np.concatenate([np.empty(0, dtype=np.uint64), *sketches])


def compared(texts: Sequence[str], document: int, earlier: int, script: str = "Latn") -> Overlap:
    """What two of the texts have in common, by all runs of both."""
    later, first = (set(sketch(texts[number], script).tolist()) for number in (document, earlier))
    shared = len(later & first)
    return Overlap(document, earlier, shared / max(1, min(len(later), len(first))), shared / max(1, len(later)))


def test_a_sketch_ignores_case_punctuation_digits_and_spacing() -> None:
    plain = sketch(SENTENCE, "Latn")
    assert len(plain) >= LEAST_RUNS
    for other in (
        SENTENCE.upper(),
        "".join(SENTENCE.split()),
        SENTENCE.replace(" ", "\n\n 1948: "),
        f"«{SENTENCE.replace('.', ' …!')}» (10/12)",
    ):
        assert sketch(other, "Latn").tolist() == plain.tolist()


@pytest.mark.parametrize("script", LETTERS)
def test_a_sketch_knows_letters_by_what_they_are_and_not_by_their_encoding(script: str) -> None:
    text = drawn(script, 400, "encoding")
    assert sketch(unicodedata.normalize("NFD", text), script).tolist() == sketch(text, script).tolist()


@pytest.mark.parametrize(
    "mark", ["\u200b", "\u200c", "\u200d", "\u2060", "\u200e", "\u200f", "\u00ad", "\ufeff", "\ufe0f"]
)
def test_characters_that_nobody_sees_do_not_count(mark: str) -> None:
    """Joiners, soft hyphens, direction marks, variation selectors: half of the writers leave them out."""
    plain = sketch(SENTENCE, "Latn")
    assert sketch(mark.join(SENTENCE), "Latn").tolist() == plain.tolist()
    assert sketch(mark + SENTENCE + mark, "Latn").tolist() == plain.tolist()
    assert sketch(mark * 400, "Latn").tolist() == []


@pytest.mark.parametrize("border", ["\u200b", " ", "\u200b ", "\u200c", "\n"])
def test_khmer_is_the_same_text_with_and_without_borders_between_its_words(find: Find, border: str) -> None:
    texts = [KHMER.replace(" ", other) for other in ("", border)]
    assert len(sketch(texts[0], "Khmr")) >= LEAST_RUNS
    assert sketch(texts[1], "Khmr").tolist() == sketch(texts[0], "Khmr").tolist()
    assert find(texts, "Khmr") == [Overlap(1, 0, 1.0, 1.0)]


def test_combining_marks_make_another_text() -> None:
    rng = random.Random(4)
    letters = [rng.choice(LETTERS["Thai"][0]) for _ in range(300)]
    low, high = ("".join(letter + mark for letter in letters) for mark in "่้")
    assert compared([low, high], 1, 0, "Thai") == Overlap(1, 0, 0.0, 0.0)


@pytest.mark.parametrize("script", LETTERS)
def test_a_sketch_is_the_same_in_another_process(script: str) -> None:
    text = drawn(script, 300, "process")
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        command = [sys.executable, "-c", SKETCH.format(text, script)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert ended.stdout.strip() == str(sketch(text, script).tolist())


@pytest.mark.parametrize("script", LETTERS)
def test_a_text_shorter_than_a_run_has_an_empty_sketch_and_overlaps_nothing(find: Find, script: str) -> None:
    short = drawn(script, RUNS[script] - 1, "short")
    for text in ("", " \n", "1948, 10/12 " * 40, "!?… " * 40, short, f"{short} 1 2 3 4 5 6 7 8"):
        assert sketch(text, script).tolist() == []
    assert find(["", short, "1948 " * 40, short, drawn(script, 300, "long")], script, least=1e-9) == []


@pytest.mark.parametrize("script", LETTERS)
def test_one_run_in_eight_is_sampled(script: str) -> None:
    runs = [sketch(drawn(script, RUNS[script], n), script) for n in range(800)]
    assert {len(one) for one in runs} == {0, 1}
    assert sum(len(one) for one in runs) == pytest.approx(100, abs=30)
    assert len(sketch(drawn(script, 8000, "long"), script)) == pytest.approx(1000, abs=90)


def test_what_a_text_says_twice_counts_once() -> None:
    text = drawn("Latn", 400, "twice")
    once, often = sketch(text, "Latn").tolist(), sketch(f"{text} " * 5, "Latn").tolist()
    assert len(set(often)) == len(often)
    assert set(once) <= set(often)
    assert len(often) <= len(once) + 8  # and what stands across the borders


def test_no_documents_have_no_overlaps(find: Find, tmp_path: Path) -> None:
    assert find([]) == []
    assert find([SENTENCE]) == []
    search = OverlapSearch(tmp_path / "empty batches")
    for sketches in ([], [sketch(SENTENCE, "Latn")], [], [sketch("", "Latn"), sketch(SENTENCE, "Latn")], []):
        search.add(*joined(sketches))
    assert list(search.find(np.zeros(3, dtype=bool), 0.3)) == [Overlap(2, 0, 1.0, 1.0)]


@pytest.mark.parametrize("script", LETTERS)
def test_a_text_within_a_longer_one_is_shared_whole_whichever_comes_first(find: Find, script: str) -> None:
    inner = drawn(script, 400, "inner")
    outer = f"{drawn(script, 900, 'before')} {inner} {drawn(script, 900, 'after')}"
    (longer,) = find([inner, outer], script)
    assert longer == compared([inner, outer], 1, 0, script)
    assert (longer.similarity, longer.repeated) == (1.0, pytest.approx(400 / 2200, abs=0.06))
    assert find([outer, inner], script) == [Overlap(1, 0, 1.0, 1.0)]


@pytest.mark.parametrize("script", LETTERS)
def test_texts_that_have_half_in_common_share_half_in_either_order(find: Find, script: str) -> None:
    common = drawn(script, 750, "common")
    one = f"{common} {drawn(script, 750, 'one')}"
    other = f"{drawn(script, 375, 'other')} {common} {drawn(script, 375, 'another')}"
    for texts in ([one, other], [other, one]):
        (found,) = find(texts, script)
        assert found == compared(texts, 1, 0, script)
        assert found.repeated == pytest.approx(found.similarity, abs=0.12) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("script", LETTERS)
def test_unrelated_texts_share_nothing(find: Find, script: str) -> None:
    assert find([drawn(script, 600, n) for n in range(80)], script, least=1e-9) == []


def test_an_overlap_of_just_the_least_similarity_is_found(find: Find) -> None:
    common = drawn("Latn", 500, "common")
    texts = [f"{common} {drawn('Latn', letters, letters)}" for letters in (500, 900)]
    expected = compared(texts, 1, 0)
    assert expected.repeated < expected.similarity
    assert find(texts, least=expected.similarity) == [expected]
    assert find(texts, least=np.nextafter(expected.similarity, 1)) == []


@pytest.mark.parametrize("longer", [0, 1, 100])
@pytest.mark.parametrize("shorter", [1, LEAST_RUNS - 1, LEAST_RUNS, LEAST_RUNS + 1])
def test_a_sketch_of_fewer_than_eight_runs_overlaps_nothing(tmp_path: Path, shorter: int, longer: int) -> None:
    """However long the other one is, and whichever comes first: the shorter one, all of which is in both, decides."""
    hashes = np.random.default_rng(8).integers(1 << 61, size=shorter + longer, dtype=np.uint64)
    few, many = np.sort(hashes[:shorter]), np.sort(hashes)
    for name, sketches in (("shorter first", [few, many]), ("longer first", [many, few])):
        search = OverlapSearch(tmp_path / name)
        search.add(*joined(sketches))
        expected = [Overlap(1, 0, 1.0, shorter / len(sketches[1]))] if shorter >= LEAST_RUNS else []
        assert list(search.find(np.zeros(2, dtype=bool), 1e-9)) == expected


def test_a_document_is_compared_with_the_first_that_has_a_run_and_with_the_one_before(find: Find) -> None:
    assert find([SENTENCE] * 5) == [
        Overlap(1, 0, 1.0, 1.0),
        *(Overlap(2, earlier, 1.0, 1.0) for earlier in (0, 1)),
        *(Overlap(3, earlier, 1.0, 1.0) for earlier in (0, 2)),
        *(Overlap(4, earlier, 1.0, 1.0) for earlier in (0, 3)),
    ]


def test_documents_that_are_left_out_count_nowhere(find: Find) -> None:
    texts = [SENTENCE, drawn("Latn", 300, "stranger"), SENTENCE, SENTENCE]
    assert find(texts, left_out={0}) == [Overlap(3, 2, 1.0, 1.0)]
    assert find(texts, left_out={3}) == [Overlap(2, 0, 1.0, 1.0)]
    assert find(texts, left_out={2}) == [Overlap(3, 0, 1.0, 1.0)]
    assert find(texts, left_out={0, 2}) == find(texts, left_out=range(4)) == []


def test_a_search_answers_as_often_as_it_is_asked(tmp_path: Path) -> None:
    """Each time for itself: what was left out before counts again."""
    parts = [drawn("Latn", 200, n) for n in range(6)]
    texts = [f"{parts[n % 6]} {parts[n * 5 % 6]} {drawn('Latn', 100, f'own {n}')}" for n in range(30)]
    search = OverlapSearch(tmp_path)
    search.add(*joined([sketch(text, "Latn") for text in texts]))
    nobody = np.zeros(len(texts), dtype=bool)
    some = np.arange(len(texts)) % 3 == 0
    first, without = list(search.find(nobody, 0.3)), list(search.find(some, 0.3))
    assert len(first) > len(without) > 10
    assert list(search.find(some, 0.3)) == without
    assert list(search.find(nobody, 0.3)) == first
    assert not nobody.any()


@pytest.mark.parametrize("count", [50, 51, 300])
def test_a_run_joins_documents_however_many_hold_it(find: Find, count: int) -> None:
    found = find([SENTENCE] * count)
    assert {one.document for one in found} == set(range(1, count))
    assert len(found) == 2 * count - 3  # the first and the one before: as many pairs as documents, not their square


def test_a_phrase_of_everybody_does_not_hide_what_two_have_beside_it(find: Find) -> None:
    texts = [f"{SENTENCE} {drawn('Latn', 600, n)}" for n in range(70)]
    texts[40] = f"{drawn('Latn', 100, 'own')} {texts[3]}"
    (found,) = find(texts)
    assert (found.document, found.earlier) == (40, 3)
    assert 0.7 < found.repeated < found.similarity < 1


def test_the_same_texts_give_the_same_overlaps_in_whatever_batches_they_come(find: Find) -> None:
    parts = [drawn("Latn", 300, n) for n in range(12)]
    texts = [f"{parts[n % 12]} {parts[n * 5 % 12]} {drawn('Latn', 100, f'own {n}')}" for n in range(60)]
    answers = [find(texts, batch=batch) for batch in (1, 7, 60)]
    assert len(answers[0]) > 60
    assert all(one == other for one, other in pairwise(answers))


def test_overlaps_come_in_the_order_of_their_later_documents(find: Find) -> None:
    rng = random.Random(1)
    parts = [drawn("Latn", 300, n) for n in range(40)]
    texts = [f"{rng.choice(parts)} {rng.choice(parts)} {drawn('Latn', 60, f'own {n}')}" for n in range(300)]
    found = [(one.document, one.earlier) for one in find(texts)]
    assert len(found) > 300
    assert found == sorted(set(found))


PARTS = [drawn(script, 60 + 30 * n, n) for script in ("Latn", "Thai") for n in range(4)]  # some of too few runs
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=30), max_size=4).map(" ".join)


@settings(derandomize=True, deadline=None, database=None, max_examples=60)
@given(st.lists(TEXTS, max_size=9), st.sampled_from(["Latn", "Thai"]), st.integers(1, 9), st.sets(st.integers(0, 8)))
def test_whatever_the_texts_an_overlap_is_one_that_two_of_them_have(
    texts: list[str], script: str, batch: int, left_out: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = searched(Path(folder), texts, script, 1e-9, batch, left_out)
    kept = [number for number in range(len(texts)) if number not in left_out]
    runs = [len(sketch(text, script)) for text in texts]
    for one in found:
        assert one.earlier < one.document
        assert {one.earlier, one.document} <= set(kept)
        whole = compared(texts, one.document, one.earlier, script)
        assert 0 < one.repeated <= one.similarity <= whole.similarity <= 1
        assert one.repeated <= whole.repeated
        assert min(runs[one.document], runs[one.earlier]) >= LEAST_RUNS
    for earlier, document in pairwise(kept):
        whole = compared(texts, document, earlier, script)
        enough = min(runs[document], runs[earlier]) >= LEAST_RUNS
        assert (whole in found) is (enough and whole.similarity > 0)


def test_runs_wait_on_disk(tmp_path: Path) -> None:
    """Ten thousand documents of a hundred runs are 8 MB of hashes."""
    rng = np.random.default_rng(3)
    search = OverlapSearch(tmp_path)
    tracemalloc.start()
    try:
        for _ in range(20):
            search.add(np.full(500, 100, dtype=np.uint32), rng.integers(1 << 61, size=50_000, dtype=np.uint64))
        assert list(search.find(np.zeros(10_000, dtype=bool), 0.3)) == []
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_long_text_needs_memory_by_its_length_and_not_by_that_of_its_runs() -> None:
    text = drawn("Latn", 100_000, "part") * 4
    tracemalloc.start()
    try:
        assert len(sketch(text, "Latn")) > 10_000
        assert tracemalloc.get_traced_memory()[1] < 40 * len(text)
    finally:
        tracemalloc.stop()


def test_a_search_forgets_what_a_killed_one_left_in_its_folder(find: Find) -> None:
    assert find([SENTENCE, SENTENCE]) == [Overlap(1, 0, 1.0, 1.0)]
    assert find([SENTENCE, drawn("Latn", 300, "stranger")], least=1e-9) == []
    assert find([drawn("Latn", 300, "stranger"), SENTENCE]) == []
