"""Heads: what the table says is what the library learned, and what a table says by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy
import polars as pl
import pytest

from xinstr_core.curation.head import Head

LEVELS = ("1", "2", "3")


def signals(*rows: Sequence[float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["mean", "end"], orient="row")


def random_rows(count: int, classes: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    rng = numpy.random.default_rng(5)
    values = rng.normal(size=(count, 2)) * (3.0, 0.2) + (-4.0, 1.0)
    order = numpy.argsort(values[:, 0] + rng.normal(size=count))
    truth = numpy.empty(count, dtype=object)
    truth[order] = [classes[i * len(classes) // count] for i in range(count)]
    return signals(*values.tolist()), list(truth)


@pytest.mark.parametrize("classes", [LEVELS, ("no", "yes"), ("b", "c", "a")])
def test_probabilities_are_those_of_the_library(classes: tuple[str, ...]) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, truth = random_rows(60, classes)
    bare = make_pipeline(StandardScaler(), LogisticRegression(C=10.0, max_iter=5000, class_weight="balanced"))
    bare.fit(table.to_numpy(), truth)
    expected = bare.predict_proba(table.to_numpy())
    found = Head.fit(table, truth, classes).probabilities(table)
    assert list(found) == list(classes)
    for name in classes:
        assert found[name].to_numpy() == pytest.approx(expected[:, list(bare.classes_).index(name)], abs=1e-5)


def test_the_table_has_a_row_a_signal_and_one_of_intercepts_with_the_librarys_weights() -> None:
    from sklearn.linear_model import LogisticRegression

    table, truth = random_rows(60, LEVELS)
    values = table.to_numpy()
    bare = LogisticRegression(C=10.0, max_iter=5000, class_weight="balanced")
    bare.fit((values - values.mean(axis=0)) / values.std(axis=0), truth)
    head = Head.fit(table, truth, LEVELS).table
    assert head.columns == ["signal", "mean", "scale", "weight_1", "weight_2", "weight_3"]
    assert head["signal"].to_list() == ["mean", "end", "intercept"]
    assert head["mean"].to_list() == pytest.approx([*values.mean(axis=0), 0.0], abs=1e-6)
    assert head["scale"].to_list() == pytest.approx([*values.std(axis=0), 1.0], abs=1e-6)
    weights = head.select("weight_1", "weight_2", "weight_3").to_numpy()
    assert weights[:2] == pytest.approx(bare.coef_.T, abs=1e-6)
    assert weights[2] == pytest.approx(bare.intercept_, abs=1e-6)


def test_probabilities_are_the_softmax_of_weighted_standardised_signals() -> None:
    rows = [
        ("mean", -2.0, 0.5, 1.0, 0.0, -1.0),
        ("end", 0.0, 1.0, 0.0, 0.0, 0.0),
        ("intercept", 0.0, 1.0, 0.1, 0.2, 0.3),
    ]
    columns = ["signal", "mean", "scale", "weight_1", "weight_2", "weight_3"]
    found = Head(pl.DataFrame(rows, schema=columns, orient="row")).probabilities(signals((-1.0, 7.0)))
    exponents = [math.exp(2.0 + 0.1), math.exp(0.2), math.exp(-2.0 + 0.3)]
    assert [found[level][0] for level in LEVELS] == pytest.approx([e / sum(exponents) for e in exponents])


def test_classes_weigh_the_same_however_many_rows_they_have() -> None:
    """Ten times as many rows of one class, and a signal that says nothing: still one half each."""
    head = Head.fit(signals(*[(0.0, 0.0)] * 22), ["no"] * 20 + ["yes"] * 2, ("no", "yes"))
    assert head.probabilities(signals((0.0, 0.0)))["yes"][0] == pytest.approx(0.5, abs=1e-6)


def test_signals_are_found_by_name_and_further_columns_are_ignored() -> None:
    table, truth = random_rows(30, LEVELS)
    head = Head.fit(table, truth, LEVELS)
    other = table.with_columns(more=pl.lit(9.0)).select("more", "end", "mean")
    assert head.probabilities(other)["3"].to_list() == head.probabilities(table)["3"].to_list()


def test_a_head_read_back_from_its_table_says_the_same(tmp_path: Path) -> None:
    table, truth = random_rows(30, LEVELS)
    head = Head.fit(table, truth, LEVELS)
    head.table.write_parquet(tmp_path / "head.parquet")
    again = Head(pl.read_parquet(tmp_path / "head.parquet"))
    assert again.probabilities(table)["1"].to_list() == head.probabilities(table)["1"].to_list()


@pytest.mark.parametrize("truth", ["", "1122", "3333"])
def test_a_head_without_rows_of_every_class_knows_nothing(truth: str) -> None:
    head = Head.fit(signals(*[(float(i), 0.0) for i in range(len(truth))]), list(truth), LEVELS)
    found = head.probabilities(signals((-9.0, 1.0), (9.0, 1.0)))
    assert [found[level].to_list() for level in LEVELS] == [pytest.approx([1 / 3] * 2)] * 3


@pytest.mark.parametrize("classes", [("no", "yes"), LEVELS])
def test_a_head_that_may_look_at_nothing_gives_every_row_the_same(classes: tuple[str, ...]) -> None:
    """So is the instruction judged where no signal of it is read (signals = ["level"], the preset faithful)."""
    head = Head.fit(pl.DataFrame(), list(classes), classes)
    found = head.probabilities(signals((-9.0, 1.0), (9.0, 1.0), (0.0, 0.0)))
    assert [found[name].to_list() for name in classes] == [pytest.approx([1 / len(classes)] * 3)] * len(classes)


def test_no_rows_have_no_probabilities() -> None:
    table, truth = random_rows(30, LEVELS)
    assert [len(found) for found in Head.fit(table, truth, LEVELS).probabilities(table.clear()).values()] == [0, 0, 0]


def test_an_extreme_signal_overflows_nothing() -> None:
    table, truth = random_rows(30, LEVELS)
    found = Head.fit(table, truth, LEVELS).probabilities(signals((-1e6, 0.0), (1e9, -1e9)))
    assert all(0 <= p <= 1 for series in found.values() for p in series)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-7])
def test_a_signal_that_hardly_varies_gives_no_undefined_rating(spread: float) -> None:
    rows = signals(*[(-1.0 + spread * (i % 2), 0.0) for i in range(6)])
    found = Head.fit(rows, list("112233"), LEVELS).probabilities(signals((-1.0, 0.0), (-9.0, 0.0)))
    assert all(0 <= p <= 1 for series in found.values() for p in series)


def test_with_products_it_tells_apart_what_no_line_does() -> None:
    """Whether two signals have the same sign: neither says it by itself."""
    rng = numpy.random.default_rng(3)
    values = rng.normal(size=(200, 2))
    truth = ["yes" if first * second > 0 else "no" for first, second in values]
    table = signals(*values.tolist())
    plain, products = (Head.fit(table, truth, ("no", "yes"), products=wanted) for wanted in (False, True))
    right = [
        numpy.mean((head.probabilities(table)["yes"].to_numpy() > 0.5) == (numpy.array(truth) == "yes"))
        for head in (plain, products)
    ]
    assert right[0] < 0.7
    assert right[1] > 0.95
    assert products.table["signal"].to_list() == ["mean", "end", "mean x mean", "mean x end", "end x end", "intercept"]


def test_products_are_those_of_the_library() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    table, truth = random_rows(60, LEVELS)
    bare = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=5000, class_weight="balanced"),
    )
    expected = bare.fit(table.to_numpy(), truth).predict_proba(table.to_numpy())
    head = Head.fit(table, truth, LEVELS, products=True, inverse_penalty=0.1)
    for place, name in enumerate(LEVELS):
        assert head.probabilities(table)[name].to_numpy() == pytest.approx(expected[:, place], abs=1e-4)


def test_one_that_has_not_seen_every_class_knows_nothing() -> None:
    table, truth = random_rows(60, LEVELS)
    assert Head.fit(table, truth, LEVELS).knows
    assert not Head.fit(table, ["1"] * 60, LEVELS, products=True).knows
