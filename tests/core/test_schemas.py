"""Contracts hold what a stage gives to what is declared, and say it again wherever it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import create_model

from xinstr_core.errors import InputError, StageError
from xinstr_core.reference import reference
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.candidate_pairs import CandidateFunnel
from xinstr_core.schemas.declaration import (
    Column,
    Contract,
    Declared,
    Figures,
    Folder,
    Table,
    declarations,
    figure,
    frame,
)
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import LINEAGE, TUNED_MODELS

SCHEMA = pl.Schema({"key": pl.String, "count": pl.Int64, "share": pl.Float64})


def test_no_rows_still_give_every_column_with_its_type() -> None:
    empty = frame([], SCHEMA)
    assert empty.height == 0
    assert empty.schema == SCHEMA


def test_rows_come_out_in_the_order_and_with_the_types_of_the_schema() -> None:
    made = frame([{"share": 1, "key": "ป่า", "count": 2}, {"key": "b", "count": None, "share": 0.5}], SCHEMA)
    assert made.schema == SCHEMA
    assert made.rows() == [("ป่า", 2, 1.0), ("b", None, 0.5)]


@pytest.mark.parametrize(
    "row", [{"key": "b", "count": 1}, {"key": "b", "count": 1, "share": 0.1, "extra": 1}], ids=["missing", "extra"]
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_missing_or_extra_column_is_an_error_in_every_row(row: dict[str, object], position: int) -> None:
    rows: list[dict[str, object]] = [{"key": "a", "count": 1, "share": 0.1}]
    rows.insert(position, row)
    with pytest.raises(ValueError, match="share" if len(row) == 2 else "extra"):
        frame(rows, SCHEMA)


def test_a_value_of_the_wrong_type_is_an_error() -> None:
    with pytest.raises((TypeError, pl.exceptions.PolarsError)):
        frame([{"key": "a", "count": "many", "share": 0.1}], SCHEMA)


LENGTHS = Table(
    "asset",
    "lengths",
    "Made up.",
    (
        Column("key", pl.String, "key", values=("a", "b")),
        Column("share", pl.Float64, "share", nullable=True, minimum=0, maximum=1),
        Column("signal", pl.Float64, "signal", optional=True),
    ),
)


class Inner(Declared):
    right: int = figure("right", "how many were right", unit="rows", better="higher")


class Told(Figures):
    inner: Inner = figure("inner", "what is inside")
    of_rounds: list[Inner] = figure("of rounds", "one a round", default=[])


CONTRACT = Contract("asset", "Made up.", Told, tables=(LENGTHS,), folders=(Folder("arm-*", "an arm"),))
GOOD = pl.DataFrame({"key": ["a", "b"], "share": [0.0, None]})
TOLD = Told(inner=Inner(right=1))


def check(
    rows: pl.DataFrame = GOOD, table: str = "lengths", folders: tuple[str, ...] = (), told: Figures = TOLD
) -> None:
    CONTRACT.check({table: rows.lazy()}, folders, told)


def test_rows_as_declared_pass_with_and_without_an_optional_column_in_any_order() -> None:
    check()
    check(GOOD.with_columns(signal=pl.lit(1.0)))
    check(GOOD.select("share", "key"))
    check(GOOD.clear(), folders=("arm-one",))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (GOOD.drop("share"), "lengths has columns"),
        (GOOD.with_columns(more=pl.lit(1)), "lengths has columns"),
        (GOOD.with_columns(share=pl.lit(1)), "lengths has columns"),
        (GOOD.with_columns(signal=pl.lit("x")), "lengths has columns"),
        (GOOD.with_columns(key=pl.lit("c")), "in table lengths 2 values of key are none of a, b"),
        (GOOD.with_columns(key=pl.lit(None, pl.String)), "in table lengths 2 values of key are null"),
        (GOOD.with_columns(share=pl.lit(1.001)), "in table lengths 2 values of share are above 1"),
        (GOOD.with_columns(share=pl.lit(-0.001)), "in table lengths 2 values of share are below 0"),
    ],
)
def test_rows_that_are_not_what_is_declared_are_an_error_with_their_number(rows: pl.DataFrame, said: str) -> None:
    with pytest.raises(StageError, match=said):
        check(rows)


def test_a_probability_may_miss_its_bound_by_its_last_bits() -> None:
    check(GOOD.with_columns(share=pl.lit(1 + 1e-12)))


def test_what_is_not_declared_is_not_given() -> None:
    for given in ({"table": "others"}, {"folders": ("report",)}, {"told": Figures()}):
        with pytest.raises(StageError, match=r"which it does not declare in schemas/asset\.py"):
            check(**given)  # type: ignore[arg-type]


def test_the_shape_of_a_contract_knows_names_and_types_and_not_what_describes() -> None:
    class Otherwise(Figures):
        inner: Inner = figure("another label", "another meaning")
        of_rounds: list[Inner] = figure("of rounds", "one a round", default=[])

    class More(Inner):
        wrong: int = figure("wrong", "how many were wrong")

    class Deeper(Figures):
        inner: Inner = figure("inner", "what is inside")
        of_rounds: list[More] = figure("of rounds", "one a round", default=[])

    assert replace(CONTRACT, figures=Otherwise).shape == CONTRACT.shape
    assert replace(CONTRACT, figures=Deeper).shape != CONTRACT.shape
    described = replace(LENGTHS, columns=tuple(replace(c, meaning="else", maximum=2) for c in LENGTHS.columns))
    assert replace(CONTRACT, tables=(described,)).shape == CONTRACT.shape
    longer = replace(LENGTHS, columns=(*LENGTHS.columns, Column("more", pl.Int64, "more")))
    assert replace(CONTRACT, tables=(longer,)).shape != CONTRACT.shape


def test_figures_come_back_from_what_is_stored_and_another_shape_is_refused() -> None:
    assert Told.read(TOLD.model_dump(mode="json")) == TOLD
    with pytest.raises(InputError, match=r"^inner: Field required$"):
        Told.read({"seed pairs": 3})


def test_a_part_of_figures_is_read_whatever_the_others_are() -> None:
    assert Inner.read_part({"right": 3, "seed pairs": 3}) == Inner(right=3)
    with pytest.raises(InputError, match=r"^right: Field required$"):
        Inner.read_part({"seed pairs": 3})


@pytest.mark.parametrize("annotation", [list[Inner], dict[str, Inner], Inner | None, dict[str, list[Inner]], dict])
def test_the_shape_of_a_contract_knows_the_containers_of_figures(annotation: Any) -> None:
    other = create_model("Other", __base__=Figures, inner=(annotation, figure("inner", "what is inside")))
    plain = create_model("Plain", __base__=Figures, inner=(Inner, figure("inner", "what is inside")))
    same = create_model("Same", __base__=Figures, inner=(annotation, figure("inner", "what is inside")))
    assert replace(CONTRACT, figures=other).shape != replace(CONTRACT, figures=plain).shape
    assert replace(CONTRACT, figures=other).shape == replace(CONTRACT, figures=same).shape


def test_the_shape_of_a_contract_knows_its_folders() -> None:
    assert replace(CONTRACT, folders=()).shape != CONTRACT.shape


@pytest.mark.parametrize("table", [HISTORY, LINEAGE, TUNED_MODELS], ids=lambda table: table.name)
def test_what_the_catalogue_adds_says_what_it_means(table: Table) -> None:
    assert table.meaning.endswith(".")
    assert all(column.meaning for column in table.columns)
    assert len({column.name for column in table.columns}) == len(table.columns)


def test_a_figure_is_told_beside_its_declaration() -> None:
    [(one, value), _] = TOLD.told()
    assert (one.name, one.label, value) == ("inner", "inner", Inner(right=1))
    [(inside, right)] = value.told()
    assert (inside.unit, inside.better, right) == ("rows", "higher", 1)


def test_a_funnel_tells_its_steps_from_top_to_bottom() -> None:
    funnel = CandidateFunnel(taken=9, lost={"repeated": 3}, kept=6)
    assert list(funnel.steps.items()) == [("instructions", 9), ("repeated", 3), ("accepted", 6)]


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())
def test_every_table_and_figure_says_what_it_means(contract: Contract[Any]) -> None:
    assert contract.meaning.endswith(".")
    for table in contract.tables:
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names), table.name
        assert {*table.sample} <= {*names}, table.name
        assert table.asset == contract.asset, table.name
        assert table.meaning.endswith("."), table.name
        assert all(column.meaning for column in table.columns), table.name
    for one in declarations(contract.figures).values():
        assert one.label, one.name
        assert one.meaning, one.name


def test_the_reference_page_is_made_from_the_declarations_of_now() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference.md"
    assert page.read_text("utf-8") == reference(), "run make reference"
