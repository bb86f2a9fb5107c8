"""Learned filters: what a score is made of, how they are kept, and what is learned from examples and from a crawl."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from tests.core.corpus.conftest import FINNISH, SECOND, SETTINGS, TEXT, WOLOF, judge, reasons, text
from xinstr_core.corpus.documents import DocumentFilter
from xinstr_core.corpus.filter_fitting import Fit, fit_filter, fit_filters, sample
from xinstr_core.corpus.filter_sides import Sample
from xinstr_core.corpus.learned_filter import (
    BUCKET_BITS,
    FittedFilter,
    LearnedFilter,
    buckets,
    read_filter,
    verdict,
    weights_file,
    write_filter,
)
from xinstr_core.corpus.packs import LanguagePack
from xinstr_core.corpus.readers import Record
from xinstr_core.corpus.rows import Document, ScoredReject
from xinstr_core.errors import InputError, SettingsError

FITTED = FittedFilter(
    threshold=0.5,
    intercept=-1,
    scale=0.25,
    weights="",
    may_lose=0.02,
    trusted=1,
    unwanted=1,
    lost=0,
    precision=1,
    recall=1,
)


def filter_against(unwanted: str, name: str = "gambling", weight: int = 12) -> LearnedFilter:
    """A filter that has the same weight for every n-gram of a text."""
    weights = np.zeros(1 << BUCKET_BITS, dtype=np.int16)
    weights[buckets(unwanted)] = weight
    return LearnedFilter(name, FITTED, weights)


def test_a_score_is_the_mean_weight_of_the_n_grams() -> None:
    one = verdict(TEXT, [filter_against(TEXT)])
    assert one is not None
    assert (one.score, one.is_refused, one.reason) == (-1 + 0.25 * 12, True, "learned_gambling")
    other = verdict(FINNISH, [filter_against(TEXT)])
    assert other is not None and other.score < 0 and not other.is_refused
    assert verdict(TEXT, []) is None


def test_a_worker_process_judges_alike() -> None:
    """It is sent the whole DocumentFilter."""
    judge_one = DocumentFilter(WOLOF, SETTINGS, filters=(filter_against(TEXT),))
    record = Record("1", {"text": SECOND})
    assert [*pickle.loads(pickle.dumps(judge_one)).judge(record)] == [*judge_one.judge(record)]


@pytest.mark.parametrize(
    "changed", [TEXT.upper(), TEXT.replace(", ", ";\n\n"), TEXT.replace(".", "!"), TEXT.replace("sawa", "sawa")]
)
def test_case_lines_and_kinds_of_marks_cannot_be_learned(changed: str) -> None:
    assert sorted(buckets(changed)) == sorted(buckets(TEXT))


def test_digits_are_one_in_every_script() -> None:
    assert buckets("bonus 100 au ٢٥٠").tolist() == buckets("bonus 987 au 111").tolist()


def test_length_cannot_be_learned() -> None:
    once, often = (verdict(found, [filter_against(SECOND)]) for found in (TEXT, f"{TEXT} " * 20))
    assert once is not None and often is not None
    assert abs(once.score - often.score) < 0.1


def test_the_filter_that_speaks_most_against_a_text_gives_its_reason() -> None:
    found = verdict(
        TEXT, [filter_against(TEXT, "adult", 6), filter_against(TEXT, "gambling"), filter_against(SECOND, "x")]
    )
    assert found is not None and found.name == "gambling"


def test_a_short_text_has_a_score_too() -> None:
    assert verdict("a", [filter_against(TEXT)]) is not None


def test_refused_spans_say_why_and_others_keep_their_score() -> None:
    found = judge({"text": TEXT}, {"text": SECOND}, filters=(filter_against(TEXT),))
    assert reasons(found) == ["learned_gambling", "kept"]
    refused, kept = found
    assert isinstance(refused, ScoredReject) and isinstance(kept, Document)
    assert (refused.value, refused.threshold, refused.learned_filter, refused.learned_score) == (
        "2.000",
        "0.5",
        "gambling",
        2,
    )
    assert kept.learned_filter == "gambling" and kept.learned_score is not None and kept.learned_score < 0.5
    without = judge({"text": SECOND})[0]
    assert isinstance(without, Document) and without.learned_filter is without.learned_score is None


def test_a_filter_is_kept_beside_its_pack_in_the_same_bytes(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "wo.toml"
    learned = filter_against(TEXT)
    fitted = write_filter(pack, learned)
    content = weights_file(pack, "gambling").read_bytes()
    LanguagePack(filters={"gambling": fitted}).write(pack)
    assert LanguagePack.read(pack).filters == {"gambling": fitted} == {"gambling": write_filter(pack, learned)}
    assert weights_file(pack, "gambling").read_bytes() == content
    assert verdict(TEXT, [read_filter(pack, "gambling", fitted)]) == verdict(TEXT, [learned])


def test_weights_that_are_gone_or_others_are_an_error(tmp_path: Path) -> None:
    pack = tmp_path / "wo.toml"
    with pytest.raises(SettingsError, match=r"weights of its filter gambling are missing"):
        read_filter(pack, "gambling", FITTED)
    fitted = write_filter(pack, filter_against(TEXT))
    write_filter(pack, filter_against(SECOND))
    with pytest.raises(SettingsError, match=r"holds other weights than .* was fitted with"):
        read_filter(pack, "gambling", fitted)


@pytest.mark.parametrize("name", ["../../x", "A", "", "a b"])
def test_a_pack_names_no_filter_outside_its_folder(tmp_path: Path, name: str) -> None:
    pack = tmp_path / "wo.toml"
    pack.write_text(f'[filters."{name}"]\nthreshold = 1.0\n', "utf-8")
    with pytest.raises(SettingsError, match="filters"):
        LanguagePack.read(pack)


# Texts of made-up words: of every source some of its own, and some that all share.
DRAW = random.Random(1)
COMMON = text(40, DRAW).split()
WORDS = {name: text(40, DRAW).split() for name in ("news", "tales", "guides", "spam", "adverts")}


def samples(topic: str, count: int, domain: str = "", seed: int = 0) -> list[Sample]:
    rng = random.Random(f"{topic} {seed}")
    words = [*COMMON, *WORDS[topic]]
    return [Sample(" ".join(rng.choices(words, k=50)), domain or f"{topic}.example") for _ in range(count)]


def articles(count: int, seed: int = 0) -> list[Sample]:
    """Good pages of a source that the trusted text does not have, each about something of its own."""
    rng = random.Random(f"articles {seed}")
    about = [[*COMMON, *text(40, rng).split()] for _ in range(count)]
    return [Sample(" ".join(rng.choices(words, k=50)), "articles.example") for words in about]


TRUSTED = [*samples("news", 40), *samples("tales", 30), *samples("guides", 30)]
UNSEEN = samples("spam", 30, seed=1)


def shares_refused(fit: Fit, *sides: list[Sample]) -> list[float]:
    verdicts = [[verdict(one.text, [fit.filter]) for one in side] for side in sides]
    return [sum(one is not None and one.is_refused for one in side) / len(side) for side in verdicts]


def test_examples_are_told_from_trusted_text_of_sources_that_were_held_out() -> None:
    fit = fit_filter("gambling", TRUSTED, samples("spam", 50), [], 0.02)
    assert fit is not None
    fitted = fit.filter.fitted
    assert (fitted.trusted, fitted.unwanted, fitted.recall, fit.crawl_refused) == (100, 50, 1.0, None)
    assert fitted.lost <= 0.02 and fitted.precision >= 0.96
    assert [*fit.lost_by_domain] == ["news.example", "guides.example", "tales.example"] or len(fit.lost_by_domain) == 3
    assert shares_refused(fit, UNSEEN, articles(30)) == [1.0, 0.0]
    again = fit_filter("gambling", TRUSTED, samples("spam", 50), [], 0.02)
    assert again is not None and again.filter.weights.tobytes() == fit.filter.weights.tobytes()
    assert again.filter.fitted == fitted


def test_of_a_crawl_what_stands_apart_is_learned_and_not_its_topic() -> None:
    good = [*articles(60), *samples("news", 10, seed=2), *samples("tales", 10, seed=2)]
    fit = fit_filter("quality", TRUSTED, [], [*good, *samples("spam", 12)], 0.02)
    assert fit is not None
    assert fit.filter.fitted.unwanted == 12
    assert fit.crawl_refused is not None and 12 / 92 <= fit.crawl_refused <= 12 / 92 + 0.1
    refused, lost = shares_refused(fit, UNSEEN, articles(60, seed=3))
    assert refused == 1.0 and lost < 0.1
    assert all(any(word in WORDS["spam"] for word in shown.split()) for shown in fit.refused[:12])


def test_several_kinds_of_unwanted_pages_are_found_in_a_crawl() -> None:
    crawl = [*articles(60), *samples("spam", 20), *samples("adverts", 14)]
    fit = fit_filter("quality", TRUSTED, [], crawl, 0.02)
    assert fit is not None and fit.filter.fitted.unwanted == 34
    assert shares_refused(fit, UNSEEN, samples("adverts", 30, seed=1)) == [1.0, 1.0]


def test_of_a_crawl_of_good_pages_nothing_is_learned() -> None:
    good = [*articles(60), *samples("news", 10, seed=2), *samples("tales", 10, seed=2)]
    assert fit_filter("quality", TRUSTED, [], good, 0.02) is None


def test_beside_a_crawl_examples_do_not_teach_what_they_are_about() -> None:
    about = articles(60, seed=4)
    spun = [Sample(f"{one.text} {' '.join(WORDS['spam'][:20])}", f"{n % 5}.example") for n, one in enumerate(about)]
    fit = fit_filter("spun", TRUSTED, spun, [*articles(80, seed=5), *samples("spam", 5)], 0.02)
    assert fit is not None
    assert shares_refused(fit, articles(30, seed=6)) == [0.0]
    assert (fit.filter.fitted.unwanted, fit.filter.fitted.recall) == (60, 1.0)
    assert fit.crawl_refused is not None and len(fit.refused) == round(85 * fit.crawl_refused)


@pytest.mark.parametrize(
    ("trusted", "spam", "said"), [(40, 60, "40 documents of trusted text"), (60, 9, "9 documents of examples")]
)
def test_too_few_documents_are_an_error(trusted: int, spam: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit_filter("adult", samples("news", trusted), samples("spam", spam), [], 0.02)


def test_too_few_examples_are_an_error_before_anything_is_fitted() -> None:
    judge_all = DocumentFilter(WOLOF, SETTINGS)
    good, bad = (
        [Record(str(n), {"text": one.text}) for n, one in enumerate(samples(kind, 60))] for kind in ("news", "spam")
    )
    fits = fit_filters(judge_all, good, [*good, *bad], {"gambling": bad, "adult": bad[:9]}, 0.02)
    with pytest.raises(InputError, match=r"9 documents of examples .* the filter adult"):
        next(fits)


def test_what_the_other_checks_refuse_and_copies_are_not_learned_from() -> None:
    judge_all = DocumentFilter(WOLOF, SETTINGS)
    good = [{"text": one.text, "url": "https://www.a.example/1"} for one in samples("news", 60)]
    bad = [{"text": one.text, "source": "b.example 17"} for one in samples("spam", 55)]
    records = [Record(str(n), row) for n, row in enumerate([*good, good[0], {"text": "short"}, {"text": None}])]
    assert [one.domain for one in sample(records, judge_all)] == ["a.example"] * 60
    assert {one.domain for one in sample([Record("1", bad[0])], judge_all)} == {"b.example"}
    crawl = [Record(str(n), row) for n, row in enumerate([*bad, *good])]
    [(name, fit)] = fit_filters(judge_all, records, None, {"gambling": crawl}, 0.02)
    assert name == "gambling" and fit is not None
    assert (fit.filter.fitted.trusted, fit.filter.fitted.unwanted, [*fit.lost_by_domain]) == (60, 55, ["a.example"])
