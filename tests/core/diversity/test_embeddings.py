"""Texts become vectors once; what fails costs itself alone; a killed run goes on and ends with the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import polars as pl
import pytest

from xinstr_core.diversity import embeddings
from xinstr_core.diversity.embeddings import Embeddings, embed, text_key
from xinstr_core.engines.encoders import Encode
from xinstr_core.errors import InputError, StageError
from xinstr_core.files import ShardLog
from xinstr_core.progress import silent
from xinstr_core.schemas.diversified_set import EMBEDDINGS

NOTHING = EMBEDDINGS.schema.to_frame()


class Killed(BaseException):
    """Stands for the end of the process."""


class Encoder:
    """Counts what it is asked; a text's vector depends on its batch, as the last bits of a real one do."""

    def __init__(self, fault: Callable[[str], None] = lambda text: None) -> None:
        self.asked: list[str] = []
        self.loads = 0
        self._fault = fault

    def load(self) -> Encode:
        self.loads += 1
        return self.encode

    def encode(self, texts: Sequence[str]) -> Any:
        for text in texts:
            self._fault(text)
        self.asked += texts
        return numpy.array([[len(text), ord(text[0]), len(texts)] for text in texts], dtype=numpy.float32)


def embedded(
    texts: Sequence[str], folder: Path, encoder: Encoder, earlier: pl.DataFrame = NOTHING, name: str = "e"
) -> Embeddings:
    return embed(texts, name, encoder.load, ShardLog(folder), earlier, silent)


def by_text(found: Embeddings, texts: Sequence[str], name: str = "e") -> dict[str, list[float]]:
    vectors = dict(zip(found.keys, found.vectors.tolist(), strict=True))
    return {text: vectors[text_key(name, text)] for text in texts if text_key(name, text) in vectors}


@pytest.fixture
def chunks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "TEXTS_A_SHARD", 4)


TEXTS = [f"{'x' * (n % 3)}{chr(97 + n)}" for n in range(10)]


def test_vectors_stand_in_the_order_of_the_keys_and_are_found_by_text(tmp_path: Path) -> None:
    found = embedded(["bb", "a", "ccc"], tmp_path, Encoder())
    assert found.keys == sorted(text_key("e", text) for text in ("bb", "a", "ccc"))
    assert by_text(found, ["a", "bb", "ccc"]) == {"a": [1, 97, 3], "bb": [2, 98, 3], "ccc": [3, 99, 3]}
    assert (found.vectors.dtype, found.computed, found.failed) == (numpy.float32, 3, {})


def test_a_text_that_comes_twice_is_embedded_once(tmp_path: Path) -> None:
    encoder = Encoder()
    assert len(embedded(["a", "b", "a"], tmp_path, encoder).keys) == 2
    assert encoder.asked == ["a", "b"]


def test_no_texts_load_no_encoder(tmp_path: Path) -> None:
    encoder = Encoder()
    found = embedded([], tmp_path, encoder)
    assert (found.keys, found.vectors.shape, encoder.loads) == ([], (0, 0), 0)
    assert found.table().schema == EMBEDDINGS.schema


@pytest.mark.usefixtures("chunks_of_four")
def test_the_order_of_the_texts_does_not_change_a_byte(tmp_path: Path) -> None:
    one = embedded(TEXTS, tmp_path / "one", Encoder())
    two = embedded(TEXTS[::-1], tmp_path / "two", Encoder())
    assert (one.keys, one.vectors.tobytes()) == (two.keys, two.vectors.tobytes())


def test_what_an_earlier_table_holds_is_not_computed_again(tmp_path: Path) -> None:
    first = embedded(TEXTS[:7], tmp_path / "one", Encoder())
    encoder = Encoder()
    second = embedded(TEXTS, tmp_path / "two", encoder, first.table())
    assert sorted(encoder.asked) == sorted(TEXTS[7:])
    assert (second.computed, encoder.loads) == (3, 1)
    held = by_text(second, TEXTS)
    assert {text: held[text] for text in TEXTS[:7]} == by_text(first, TEXTS[:7])
    assert {held[text][2] for text in TEXTS[7:]} == {3}
    again = Encoder()
    assert embedded(TEXTS, tmp_path / "three", again, second.table()).vectors.tobytes() == second.vectors.tobytes()
    assert again.loads == 0


def test_vectors_of_another_encoder_do_not_serve(tmp_path: Path) -> None:
    first = embedded(["a"], tmp_path / "one", Encoder(), name="one")
    encoder = Encoder()
    found = embedded(["a"], tmp_path / "two", encoder, first.table(), name="two")
    assert (encoder.asked, found.computed) == (["a"], 1)


def test_the_table_keeps_every_bit(tmp_path: Path) -> None:
    found = embedded(TEXTS, tmp_path, Encoder())
    table = found.table()
    assert table.schema == EMBEDDINGS.schema
    assert numpy.array(table["vector"].to_list(), dtype=numpy.float32).tobytes() == found.vectors.tobytes()


@pytest.mark.usefixtures("chunks_of_four")
def test_a_killed_run_goes_on_where_it_was_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole = embedded(TEXTS, tmp_path / "whole", Encoder())
    longest = max(TEXTS, key=lambda text: (len(text), text_key("e", text)))

    def die(text: str) -> None:
        if text == longest:  # of the last of three chunks
            raise Killed

    with pytest.raises(Killed):
        embedded(TEXTS, tmp_path / "killed", Encoder(die))
    encoder = Encoder()
    resumed = embedded(TEXTS, tmp_path / "killed", encoder)
    assert len(encoder.asked) == 2
    assert (resumed.keys, resumed.vectors.tobytes()) == (whole.keys, whole.vectors.tobytes())


@pytest.mark.usefixtures("chunks_of_four")
@pytest.mark.parametrize("place", range(len(TEXTS)))
def test_a_text_that_raises_costs_itself_alone(tmp_path: Path, place: int) -> None:
    def fault(text: str) -> None:
        if text == TEXTS[place]:
            raise RuntimeError("out of memory")

    found = embedded(TEXTS, tmp_path, Encoder(fault))
    assert found.failed == {text_key("e", TEXTS[place]): "RuntimeError: out of memory"}
    assert set(by_text(found, TEXTS)) == set(TEXTS) - {TEXTS[place]}
    assert found.vectors.shape == (9, 3)
    again = Encoder()
    assert embedded(TEXTS, tmp_path, again).failed == found.failed
    assert again.loads == 0


@pytest.mark.parametrize("number", [numpy.nan, numpy.inf])
def test_a_vector_that_is_not_finite_costs_its_text_alone(tmp_path: Path, number: float) -> None:
    class Broken(Encoder):
        def encode(self, texts: Sequence[str]) -> Any:
            vectors = super().encode(texts)
            vectors[[text == "bb" for text in texts], 1] = number
            return vectors

    found = embedded(["a", "bb", "ccc"], tmp_path, Broken())
    assert found.failed == {text_key("e", "bb"): "its vector has numbers that are not finite"}
    assert by_text(found, ["a", "bb", "ccc"]) == {"a": [1, 97, 3], "ccc": [3, 99, 3]}


def test_an_encoder_that_fails_on_everything_is_an_error_of_the_stage(tmp_path: Path) -> None:
    def fault(text: str) -> None:
        raise RuntimeError("no device")

    with pytest.raises(StageError, match="fails on every instruction, first with RuntimeError: no device"):
        embedded(["a", "b"], tmp_path, Encoder(fault))


def test_an_error_that_a_user_can_mend_is_not_a_fault_of_a_text(tmp_path: Path) -> None:
    def fault(text: str) -> None:
        raise InputError("no such encoder")

    with pytest.raises(InputError):
        embedded(["a", "b"], tmp_path, Encoder(fault))
