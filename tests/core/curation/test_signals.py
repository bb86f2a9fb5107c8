"""Signals are what the bare engine says of a pair, computed by hand where numbers are, and read once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.curation.rating_set import Pair
from xinstr_core.curation.signals import (
    SIGNAL_SCHEMA,
    SIGNALS,
    instruction_signals,
    read_signals,
    response_signals,
)
from xinstr_core.engines.base import Request, TokenScores
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.identity import content_key
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import TrainingSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

PAIRS = [Pair(content_key(str(i)), f"What is {i}?", "neno la " * (1 + i % 5) + "mwisho.") for i in range(20)]


@pytest.fixture(scope="module")
def adapter(tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = TrainingSettings(epochs=1, learning_rate=5e-3, rank=4, batch_rows=4, maximum_tokens=128)
    folder = tmp_path_factory.mktemp("adapters") / "adapter"
    return train_adapter(tiny_model, [Example("a", "### Text:\n", "What?")], settings, folder).folder


def test_response_signals_are_those_computed_by_hand() -> None:
    """Ten tokens: the mean is -2; the first eight in a row are the weakest (-19.5); the five lowest are -9 and four of -2."""
    tokens = (-1.0, -1.0, -2.0, -2.0, -2.0, -2.0, -9.0, -0.5, -0.25, -0.25)
    assert response_signals(TokenScores("a", tokens, -3.0)) == pytest.approx((-2.0, -19.5 / 8, -17 / 5, -3.0))


def test_a_response_shorter_than_a_stretch_is_one_stretch() -> None:
    assert response_signals(TokenScores("a", (-1.0, -3.0), -0.5)) == pytest.approx((-2.0, -2.0, -2.0, -0.5))


def test_a_response_without_a_token_is_its_end() -> None:
    assert response_signals(TokenScores("a", (), -4.0)) == (-4.0, -4.0, -4.0, -4.0)


def test_an_instructions_end_counts_among_its_tokens() -> None:
    assert instruction_signals(TokenScores("a", (-1.0, -2.0), -6.0)) == (-3.0, -6.0)


@pytest.mark.parametrize("undefined", [float("nan"), float("-inf")])
def test_an_infinite_or_undefined_surprise_is_a_flaw_and_not_an_error(undefined: float) -> None:
    """NaN is larger than every number to a comparison of columns: such a pair would be kept."""
    assert instruction_signals(TokenScores("a", (-1.0, undefined), -1.0)) == (-34.0, -100.0)
    assert response_signals(TokenScores("a", (-1.0, undefined), undefined)) == (-50.5, -50.5, -50.5, -100.0)


def test_signals_are_what_base_and_adapter_say_of_each_pair_alone(
    tiny_model: ModelReference, adapter: Path, tmp_path: Path
) -> None:
    table = read_signals(tiny_model, adapter, PAIRS, tmp_path)
    assert table.schema == SIGNAL_SCHEMA
    assert table["pair_id"].to_list() == sorted(pair.key for pair in PAIRS)
    base, adapted = TransformersEngine(tiny_model), TransformersEngine(tiny_model, adapter)
    for pair in PAIRS[::7]:
        fit = adapted.score([Request("a", prompt("reverse").render(text=pair.response), pair.instruction)])[0]
        read = base.score([Request("a", "", pair.response)])[0]
        row = table.row(by_predicate=pl.col("pair_id") == pair.key, named=True)
        assert [row[name] for name in SIGNALS] == pytest.approx(
            [*instruction_signals(fit), *response_signals(read)], abs=1e-3
        )


def test_a_response_that_many_pairs_share_is_read_once(
    tiny_model: ModelReference, adapter: Path, tmp_path: Path
) -> None:
    read_signals(tiny_model, adapter, PAIRS, tmp_path)
    read = pl.concat([pl.read_parquet(path) for path in (tmp_path / "responses").glob("*.parquet")])
    assert read.height == len({pair.response for pair in PAIRS}) == 5


def test_reading_killed_between_two_batches_ends_with_the_same_numbers_to_the_last_bit(
    tiny_model: ModelReference, adapter: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int, **figures: float) -> None:
        if (done, total) == (2, 3):
            raise Killed

    whole = read_signals(tiny_model, adapter, PAIRS, tmp_path / "whole")
    with pytest.raises(Killed):
        read_signals(tiny_model, adapter, PAIRS, tmp_path / "killed", stop)
    left = sorted(path.relative_to(tmp_path / "killed") for path in (tmp_path / "killed").rglob("*.parquet"))
    assert len(left) == 3  # the one batch of responses, and two of three batches of instructions
    times = {path: (tmp_path / "killed" / path).stat().st_mtime_ns for path in left}
    restarted = read_signals(tiny_model, adapter, PAIRS[::-1], tmp_path / "killed")
    assert restarted.rows() == whole.rows()
    assert {path: (tmp_path / "killed" / path).stat().st_mtime_ns for path in left} == times
