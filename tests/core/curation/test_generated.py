"""Instructions of a model for seeds' texts: those a candidate could be, with a level by what a person asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy
import pytest

from tests.core.conftest import Killed
from xinstr_core.curation import generated as module
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.generated import Judged, by_pair, generated_instructions
from xinstr_core.curation.rating_set import Material, build_rating_set
from xinstr_core.engines.base import Completion, Decoding, Request
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.progress import silent
from xinstr_core.schemas.candidate_pairs import RAW
from xinstr_core.settings import GenerationSettings

UGALI = Pair("u", "What is ugali?", "Ugali ni chakula cha unga wa mahindi.")
TANGA = Pair("t", "Where is Tanga?", "Tanga ni mji wa pwani ya kaskazini mashariki.")
WRITTEN = {
    "u": ["What is the dish ugali?", "What is a guitar?", "What is the dish ugali?"],
    "t": ["Where is the port of Tanga?", "Tanga", "What is the largest town?"],
}
ANGLES = {  # from the seed's own instruction, degrees
    "What is the dish ugali?": 20,
    "What is a guitar?": 80,
    "Where is the port of Tanga?": 44,
    "What is the largest town?": 60,
}


class Writer:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.opened: list[str] = []
        self.die_after = -1

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        found = []
        for request in requests:
            if len(self.asked) == self.die_after:
                raise Killed
            pair = "u" if UGALI.response in request.prompt else "t"
            nth = self.asked.count(request.prompt)
            self.asked.append(request.prompt)
            self.opened.append(request.completion)
            found.append(Completion(request.key, WRITTEN[pair][nth], 9, 3, True))
        return found


class StandIn:
    """Engines of which the writer writes what it is told to, and the encoder knows angles."""

    class base:
        fingerprint = "base"

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def identity(self, role: str, model: str) -> str:
        return f"{role} {model}"

    def reverse(self, adapter: Path) -> Any:
        return lambda: self.writer

    def encoder(self) -> Any:
        def encode(texts: Sequence[str]) -> Any:
            angles = numpy.radians([ANGLES.get(text, 0) for text in texts])
            return numpy.stack([numpy.cos(angles), numpy.sin(angles)], axis=1)

        return lambda: encode


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "weights").write_text("adapter", "utf-8")
    return tmp_path / "adapter"


def generate(writer: Writer, adapter: Path, pairs: Sequence[Pair] = (UGALI, TANGA), **generation: Any) -> Any:
    settings = GenerationSettings(**{"batch_rows": 2, **generation})
    log = RowLog.open(adapter.parent / "rows", RAW.schema)
    return generated_instructions(cast(Engines, StandIn(writer)), adapter, pairs, settings, log, silent)[0]


def test_the_level_is_how_near_an_instruction_comes_to_the_seeds_own(adapter: Path) -> None:
    table = generate(Writer(), adapter).sort(["pair_id", "similarity"], descending=[False, True])
    assert table.select("pair_id", "instruction", "own", "level").rows() == [
        ("t", "Where is the port of Tanga?", "Where is Tanga?", "3"),
        ("t", "What is the largest town?", "Where is Tanga?", "2"),
        ("u", "What is the dish ugali?", "What is ugali?", "3"),
        ("u", "What is a guitar?", "What is ugali?", "1"),
    ]
    assert table["similarity"].to_list() == [0.7193, 0.5, 0.9397, 0.1736]


def test_what_several_people_asked_of_a_text_counts_alike_and_the_text_is_asked_once(adapter: Path) -> None:
    """Of a text with two questions each instruction is held to the nearer one, and its rows have the key of the first."""
    other = Pair("v", "What is the largest town?", f" {TANGA.response} ")
    writer = Writer()
    table = generate(writer, adapter, [other, UGALI, TANGA]).filter(pair_id="t")
    assert table.select("instruction", "own", "similarity", "level").sort("instruction").rows() == [
        ("What is the largest town?", "What is the largest town?", 1.0, "3"),
        ("Where is the port of Tanga?", "What is the largest town?", 0.9613, "3"),
    ]
    assert len(writer.asked) == 3 * 2


def test_what_chooses_candidates_does_not_choose_them(adapter: Path) -> None:
    """What is chosen by its gain teaches nothing of gains: three free ones of each text, whatever candidates get."""
    writer = Writer()
    table = generate(writer, adapter, candidates=8, openings=["Tell me about"], chosen_candidates=1, minimum_gain=9)
    assert table.height == 4
    assert writer.opened == [""] * module.SAMPLES * 2


def test_killed_in_the_middle_it_goes_on(adapter: Path) -> None:
    writer = Writer()
    writer.die_after = 3
    with pytest.raises(Killed):
        generate(writer, adapter)
    writer.die_after = -1
    assert generate(writer, adapter).height == 4
    assert len(writer.asked) <= module.SAMPLES * 2 + 1, "only the batch that was not finished is asked again"


def test_they_are_rows_of_the_rating_set_with_their_level_and_what_it_says_of_the_fit() -> None:
    instructions = {"u": [Judged("What is a guitar?", "1"), Judged("What is ugali?", "3"), Judged("How is it?", "2")]}
    rows = [
        row
        for row in build_rating_set([UGALI, TANGA], (), Material(instructions=instructions))
        if row.construction == "generated"
    ]
    assert [(row.instruction, row.level, row.fits, row.instruction_good, row.seed) for row in rows] == [
        ("What is a guitar?", "1", False, None, "u"),
        ("How is it?", "2", None, None, "u"),
    ], "what is the seed's own stands there already"
    assert len({row.key for row in rows}) == 2


def test_a_table_and_its_rows_by_pair_say_the_same(adapter: Path) -> None:
    found = by_pair(generate(Writer(), adapter))
    assert set(found["u"]) == {Judged("What is the dish ugali?", "3"), Judged("What is a guitar?", "1")}
