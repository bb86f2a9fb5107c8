"""Signals are what the bare engine says of a pair, computed by hand where numbers are, and read once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.evaluator import seed_neighbours
from xinstr_core.curation.grounding import RareWords
from xinstr_core.curation.neighbours import Neighbours, halves, shared_runs
from xinstr_core.curation.readings import Reading
from xinstr_core.curation.signals import (
    ALONE,
    COHERENCE,
    GAIN,
    GIVEN,
    GROUNDING,
    LEVEL,
    NEIGHBOURS,
    RESPONSE,
    SIGNALS,
    Readers,
    SignalLog,
    read_signals,
)
from xinstr_core.curation.token_scores import alone_signals, gain_signals, given_signals, response_signals
from xinstr_core.engines.base import LabelScores, Request, TokenScores
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.identity import content_key
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.store import Partition, StageOutput, Store
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

PAIRS = [Pair(content_key(str(i)), f"What is {i}?", "neno la " * (1 + i % 5) + "mwisho. Basi.") for i in range(20)]
SEEDS = [Pair(content_key(f"seed {i}"), f"How is {i} made?", f"Neno {i} la kwanza. Mwisho wa {i}.") for i in range(10)]
NEAR = ["Maji ni uhai.", "Basi."]
NOWHERE = Engines(Settings(), ModelReference("gone", Path("gone"), "gone"))
EVERY = ("surprise", "gain", "coherence", "grounding", "neighbours", "level")


@pytest.fixture(scope="module")
def readers(tiny_engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Readers:
    settings = TrainingSettings(epochs=1, learning_rate=5e-3, rank=4, batch_rows=4, maximum_tokens=128)
    folder = tmp_path_factory.mktemp("adapters")
    examples = {
        "instruction": Example("a", prompt("reverse").render(text="Maji."), "What?"),
        "level": Example("a", prompt("rating").render(instruction="What?", text="Maji."), "3"),
    }
    adapters = {
        task: train_adapter(tiny_engines, [example], settings, folder / task).folder
        for task, example in examples.items()
    }
    rare = RareWords.count(pair.instruction for pair in SEEDS)
    return Readers(tiny_engines, "Swahili", EVERY, adapters, rare, seed_neighbours(tiny_engines, SEEDS))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """Every call of an engine that reads: its name and its rows."""
    made: list[tuple[str, int]] = []
    for name in ("score", "score_labels", "embed"):
        bare = getattr(TransformersEngine, name)

        def counted(self: Any, rows: Sequence[Any], *rest: Any, name: str = name, bare: Any = bare) -> Any:
            made.append((name, len(rows)))
            return bare(self, rows, *rest)

        monkeypatch.setattr(TransformersEngine, name, counted)
    yield made


def shards(folder: Path) -> dict[Path, int]:
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}


def test_response_signals_are_those_computed_by_hand() -> None:
    """Ten tokens: the mean is -2; the first eight in a row are the weakest (-19.5); the five lowest are -9 and four of -2."""
    tokens = (-1.0, -1.0, -2.0, -2.0, -2.0, -2.0, -9.0, -0.5, -0.25, -0.25)
    assert response_signals(TokenScores("a", tokens, -3.0)) == pytest.approx((-2.0, -19.5 / 8, -17 / 5, -3.0))


def test_a_response_shorter_than_a_stretch_is_one_stretch() -> None:
    assert response_signals(TokenScores("a", (-1.0, -3.0), -0.5)) == pytest.approx((-2.0, -2.0, -2.0, -0.5))


def test_a_response_without_a_token_is_its_end() -> None:
    assert response_signals(TokenScores("a", (), -4.0)) == (-4.0, -4.0, -4.0, -4.0)


def test_an_instruction_after_its_text_counts_its_end_among_its_tokens_and_by_itself_does_not() -> None:
    assert given_signals(TokenScores("a", (-1.0, -2.0), -6.0)) == (-3.0, -6.0)
    assert alone_signals(TokenScores("a", (-1.0, -2.0), -6.0)) == (-1.5, -2.0, -6.0)
    assert alone_signals(TokenScores("a", (), -6.0)) == (-6.0, -6.0, -6.0)


def test_gain_is_what_a_text_adds_and_its_margin_what_near_texts_do_not() -> None:
    """By hand: given -1, -2; alone -3, -2; near -2 and -4 in the mean."""
    given, alone = TokenScores("a", (-1.0, -2.0), -9.0), TokenScores("a", (-3.0, -2.0), -9.0)
    assert gain_signals(given, alone, [-2.0, -4.0]) == (1.0, 2.0, 0.0, 0.5)
    assert gain_signals(given, alone, []) == (1.0, 2.0, 0.0, 1.0), "without near texts, no text is the only other one"


@pytest.mark.parametrize("undefined", [float("nan"), float("-inf")])
def test_an_infinite_or_undefined_surprise_is_a_flaw_and_not_an_error(undefined: float) -> None:
    """NaN is larger than every number to a comparison of columns: such a pair would be kept."""
    assert given_signals(TokenScores("a", (-1.0, undefined), -1.0)) == (-34.0, -100.0)
    assert alone_signals(TokenScores("a", (-1.0, undefined), undefined)) == (-50.5, -100.0, -100.0)
    assert response_signals(TokenScores("a", (-1.0, undefined), undefined)) == (-50.5, -50.5, -50.5, -100.0)


def test_a_label_without_a_probability_is_a_flaw_too(
    readers: Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undefined(self: Any, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        return [LabelScores(r.key, (float("nan"), -1.0, float("-inf"))) for r in requests]

    monkeypatch.setattr(TransformersEngine, "score_labels", undefined)
    table = read_signals(replace(readers, groups=("level",)), PAIRS[:2], SignalLog(tmp_path)).table
    assert table.select(LEVEL).rows() == [(-100.0, -1.0, -100.0)] * 2


def test_every_signal_is_what_base_adapters_and_seeds_say_of_each_pair_alone(readers: Readers, tmp_path: Path) -> None:
    signals = read_signals(readers, PAIRS, SignalLog(tmp_path), near={pair.key: NEAR for pair in PAIRS[:8]})
    table = signals.table
    assert table.columns == ["pair_id", *GIVEN, *RESPONSE, *ALONE, *GAIN, *COHERENCE, *GROUNDING, *NEIGHBOURS, *LEVEL]
    assert set(table.dtypes[1:]) == {pl.Float64}
    assert table["pair_id"].to_list() == sorted(pair.key for pair in PAIRS)
    assert (signals.failed, table.null_count().sum_horizontal().item()) == ({}, 0)
    base = TransformersEngine(readers.engines.base)
    writer, rater = (
        TransformersEngine(readers.engines.base, readers.adapters[task]) for task in ("instruction", "level")
    )
    reverse, near = prompt("reverse"), readers.neighbours
    reading = Reading("order", readers.engines.base.fingerprint, readers.engines.reader())
    orders = {pair.key: reading.request(pair) for pair in PAIRS}
    for pair in PAIRS[::7]:
        [given] = writer.score([Request("a", reverse.render(text=pair.response), pair.instruction)])
        [alone] = writer.score([Request("a", reverse.render(text=""), pair.instruction)])
        [read] = base.score([Request("a", "", pair.response)])
        rating = prompt("rating").render(instruction=pair.instruction, text=pair.response)
        [labels] = rater.score_labels([Request("a", rating)], ("1", "2", "3"))
        others = (
            [Request(text, reverse.render(text=text), pair.instruction) for text in NEAR] if pair in PAIRS[:8] else []
        )
        answers = [
            Request("a", prompt("response_seed").render(instruction=asked, language="Swahili"), pair.response[:200])
            for asked in (pair.instruction, "")
        ]
        asked, unasked = (numpy.mean(base.score([answer])[0].tokens) for answer in answers)
        parts = halves(pair.response)
        of_parts = [
            writer.score([Request("a", reverse.render(text=half), pair.instruction)])[0].tokens for half in parts
        ]
        [after] = base.score([Request("a", f"{parts[0]} ", parts[1])])
        [ending] = base.score([Request("a", "", parts[1])])
        added = numpy.subtract(after.tokens, ending.tokens)
        other = random.Random(orders[pair.key].key).sample(pair.response.split(), len(pair.response.split()))
        [disordered] = base.score([Request("a", "", " ".join(other))])
        [nearest] = near.nearest(base.embed([pair.response]))
        first, second = (base.embed([half]) for half in halves(pair.response))
        row = table.row(by_predicate=pl.col("pair_id") == pair.key, named=True)
        assert [row[name] for name in table.columns[1:]] == pytest.approx(
            [
                *given_signals(given),
                *response_signals(read),
                *alone_signals(alone),
                *gain_signals(given, alone, [numpy.mean(writer.score([other])[0].tokens) for other in others]),
                asked - unasked,
                numpy.mean(read.tokens) - numpy.mean(disordered.tokens),
                added.mean(),
                (added > 0).mean(),
                shared_runs(*parts),
                *(numpy.mean(tokens) - numpy.mean(alone.tokens) for tokens in of_parts),
                readers.rare_words.missing(pair.instruction, pair.response),
                near.shared_request(pair.instruction, pair.response, nearest, readers.rare_words),
                *near.alike(first, second),
                *labels.labels,
            ],
            abs=1e-3,
        )


@pytest.mark.parametrize(
    ("group", "read"),
    [
        ("surprise", ["given", "alone", "response"]),
        ("gain", ["given", "alone", "answer"]),
        ("coherence", ["given", "alone", "order", "ending"]),
        ("grounding", []),
        ("neighbours", ["neighbours"]),
        ("level", ["level"]),
    ],
)
def test_only_what_a_signal_needs_is_read(readers: Readers, tmp_path: Path, group: str, read: list[str]) -> None:
    log = SignalLog(tmp_path)
    signals = read_signals(replace(readers, groups=(group,)), PAIRS[:3], log)
    assert signals.table.columns == ["pair_id", *SIGNALS[group]]
    assert sorted(log.read) == sorted(path.name for path in tmp_path.iterdir()) == sorted(read)


def test_words_alone_need_no_model(readers: Readers, tmp_path: Path) -> None:
    words = replace(readers, engines=NOWHERE, groups=("grounding",), adapters={})
    [asked] = read_signals(words, [Pair("a", "How is pilau made?", "Pilau.")], SignalLog(tmp_path)).table.rows()
    assert asked == ("a", readers.rare_words.missing("How is pilau made?", "Pilau."))


def test_a_response_that_many_pairs_share_is_read_once(readers: Readers, tmp_path: Path) -> None:
    log = SignalLog(tmp_path)
    read_signals(readers, PAIRS, log)
    distinct = len({pair.response for pair in PAIRS})
    assert {name: rows.height for name, rows in log.tables.items()} == {
        "response_signals": distinct, "neighbours_signals": distinct,
        "order_signals": distinct, "ending_signals": distinct,
        "given_signals": 20 + 2 * 20, "alone_signals": 20, "answer_signals": 20, "level_signals": 20,
    }  # fmt: skip


def test_a_row_is_read_again_only_for_another_text_or_another_reader(
    readers: Readers, tmp_path: Path, passes: list[tuple[str, int]]
) -> None:
    surprise = replace(readers, groups=("surprise",))
    first = read_signals(surprise, PAIRS[:3], SignalLog(tmp_path))
    assert {name for name, _ in passes} == {"score"}
    passes.clear()
    again = read_signals(surprise, PAIRS[:3], SignalLog(tmp_path))
    assert passes == []
    assert again.table.equals(first.table)
    other = Pair(PAIRS[0].key, "Why is 0?", PAIRS[0].response)
    read_signals(surprise, [other, *PAIRS[1:3]], SignalLog(tmp_path))
    assert passes == [("score", 1), ("score", 1)]  # given and alone; the response is the same
    passes.clear()
    retrained = replace(surprise, adapters={"instruction": readers.adapters["level"]})
    read_signals(retrained, PAIRS[:3], SignalLog(tmp_path))
    assert passes == [("score", 3), ("score", 3)]  # the base model has read the responses


def test_more_pairs_cost_only_their_own_reading(
    readers: Readers, tmp_path: Path, passes: list[tuple[str, int]]
) -> None:
    more = [Pair(content_key(f"more {i}"), f"Why is {i}?", f"Jibu namba {i}. Basi.") for i in range(10)]
    read_signals(readers, PAIRS, SignalLog(tmp_path))
    passes.clear()
    table = read_signals(readers, [*PAIRS, *more], SignalLog(tmp_path)).table
    assert table.height == 30
    rows = {name: sum(count for call, count in passes if call == name) for name in ("score", "score_labels", "embed")}
    assert rows == {"score": 110, "score_labels": 10, "embed": 30}
    # openings and endings are read twice, instructions after both halves, too


def test_what_the_replaced_partition_holds_is_not_read_again(
    readers: Readers, tmp_path: Path, passes: list[tuple[str, int]]
) -> None:
    log = SignalLog(tmp_path / "rows")
    first = read_signals(readers, PAIRS, log)
    previous: Partition = Store(tmp_path).commit("refined_pairs", "sw", "f", {}, StageOutput(tables=log.tables))
    passes.clear()
    again = read_signals(readers, PAIRS, SignalLog(tmp_path / "other rows", previous))
    assert passes == []
    assert again.table.equals(first.table)


def test_one_pair_that_an_engine_cannot_read_costs_itself_and_says_why(
    readers: Readers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = TransformersEngine.score

    def faulty(self: TransformersEngine, requests: Sequence[Request]) -> list[TokenScores]:
        if any(request.completion == "What is 3?" for request in requests):
            raise RuntimeError("no\x00 memory \ud800")
        return score(self, requests)

    whole = read_signals(readers, PAIRS, SignalLog(tmp_path / "whole")).table
    monkeypatch.setattr(TransformersEngine, "score", faulty)
    for _ in range(2):  # a row that failed is tried again, and fails alone again
        signals = read_signals(readers, PAIRS, SignalLog(tmp_path / "faulty"))
        assert signals.failed == {PAIRS[3].key: "RuntimeError: no memory "}
        others = whole.filter(pl.col("pair_id") != PAIRS[3].key)
        assert signals.table["pair_id"].to_list() == others["pair_id"].to_list()
        assert signals.table.drop("pair_id").to_numpy() == pytest.approx(others.drop("pair_id").to_numpy(), abs=1e-5)


def test_a_text_that_is_none_costs_itself(readers: Readers, tmp_path: Path) -> None:
    lone = Pair(content_key("lone"), "What is \ud800?", "Maji \udfff. Moto.")
    signals = read_signals(readers, [*PAIRS[:4], lone], SignalLog(tmp_path))
    assert list(signals.failed) == [lone.key]
    assert signals.table.height == 4


def test_no_pairs_give_an_empty_table_and_load_no_model(readers: Readers, tmp_path: Path) -> None:
    signals = read_signals(replace(readers, engines=NOWHERE), [], SignalLog(tmp_path))
    assert (signals.table.height, signals.table.columns, signals.failed) == (0, ["pair_id", *readers.signals], {})


def test_reading_killed_between_two_batches_ends_with_the_same_numbers_to_the_last_bit(
    readers: Readers, tmp_path: Path
) -> None:
    def stop(done: int, total: int, **_: object) -> None:
        if (done, total) == (16, 20):
            raise Killed

    whole = read_signals(readers, PAIRS, SignalLog(tmp_path / "whole"))
    with pytest.raises(Killed):
        read_signals(readers, PAIRS, SignalLog(tmp_path / "killed"), stop)
    left = shards(tmp_path / "killed")
    assert len(left) == 3  # the one batch of responses, and two of three batches of instructions
    restarted = read_signals(readers, PAIRS[::-1], SignalLog(tmp_path / "killed"))
    assert restarted.table.equals(whole.table)
    assert {path: written for path, written in shards(tmp_path / "killed").items() if path in left} == left


def test_nearest_seeds_are_of_the_same_table_that_they_were_read_with(readers: Readers, tmp_path: Path) -> None:
    """Other seeds are another reader: keys of seeds that are gone would name nothing."""
    near = replace(readers, groups=("neighbours",))
    read_signals(near, PAIRS, SignalLog(tmp_path))
    fewer = Neighbours(readers.neighbours.table.head(4))
    log = SignalLog(tmp_path)
    read_signals(replace(near, neighbours=fewer), PAIRS, log)
    readings = log.tables["neighbours_signals"]
    assert {key for keys in readings["nearest"] for key in keys} == set(fewer.table["pair_id"])
    assert numpy.isfinite(readings["halves_alike"].to_numpy()).all()


def test_runs_that_two_texts_share_are_counted_against_those_of_the_one_that_has_fewer() -> None:
    """abcd, bcde of two stand among abcd, bcde, cdef; without runs nothing is shared."""
    assert shared_runs("Abcde", "abcdef") == 1.0
    assert shared_runs("abcdxyz", "abcd ") == 1.0
    assert shared_runs("abcd xyz", "abcd qrs") == 2 / 5
    assert shared_runs("abc", "abcdef") == 0.0
    assert shared_runs("กินข้าว", "ข้าวสาร") > 0


def test_each_half_is_read_like_a_text_of_its_own(readers: Readers, tmp_path: Path) -> None:
    """The first asks for the instruction, the second for nothing of it: that is told apart."""
    lesson = Pair("a", "What?", "Maji. Neno la mwisho.")
    table = read_signals(replace(readers, groups=("coherence",)), [lesson], SignalLog(tmp_path)).table
    assert table["opening_asked"].item() > table["ending_asked"].item()
