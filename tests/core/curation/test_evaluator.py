"""What adapters and heads learn from, that nothing stands on two sides of a split, and trainings that repeat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.core.conftest import Killed
from xinstr_core.curation import evaluator as module
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.evaluator import (
    Evaluator,
    adapter_tasks,
    fit_heads,
    seed_neighbours,
    split_material,
    split_pairs,
    train_evaluator,
)
from xinstr_core.curation.generated import Judged
from xinstr_core.curation.grounding import RareWords
from xinstr_core.curation.head import Head
from xinstr_core.curation.neighbours import Neighbours
from xinstr_core.curation.rating_set import Material, RatedPair, build_rating_set
from xinstr_core.curation.signals import ALONE, GIVEN, GROUNDING, LEVEL, NEIGHBOURS, RESPONSE, Readers, SignalLog
from xinstr_core.curation.validation import validate
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import StageError
from xinstr_core.identity import content_key
from xinstr_core.languages import Language
from xinstr_core.schemas.evaluator import HEADS
from xinstr_core.schemas.shared import PROBABILITIES, SCORES
from xinstr_core.settings import EvaluatorSettings, Settings
from xinstr_core.store import StageOutput, Store
from xinstr_core.training.rows import Example

SETTINGS = EvaluatorSettings(
    epochs=1,
    learning_rate=5e-3,
    rank=4,
    batch_rows=8,
    maximum_tokens=256,
    constructions=("cut_off", "other_instruction", "echo", "wrong_language", "broken_instruction"),
)
WORDS = SETTINGS.model_copy(update={"signals": ("grounding",)})
NOWHERE = Engines(Settings(), ModelReference("gone", Path("gone"), "gone"))
SWAHILI = Language(tag="sw", name="Swahili", script="Latn")


def seed_pairs(count: int, name: str = "") -> list[Pair]:
    words = ["ugali", "mto", "kazi", "shule", "ndege", "soko"]
    return [
        Pair(
            content_key(f"{name}{i}"),
            f"Tell me about {words[i % 6]} {i}.",
            f"Hii ni habari ya {words[i % 6]} {i}. Watu wengi hupenda {words[i % 6]} sana. Kila siku huwa na jambo jipya.",
        )
        for i in range(count)
    ]


def english(count: int) -> list[Pair]:
    return [
        Pair(content_key(f"english {i}"), f"What is {i}?", f"This is number {i}. It is a number.") for i in range(count)
    ]


def test_pairs_are_held_out_by_their_key() -> None:
    keys = ("ffffffff00000000", "ffffffff33333332", "0000000033333334", "00000000ffffffff")
    training, held_out = split_pairs([Pair(key, "i", key) for key in keys], 0.2)
    assert [pair.key for pair in held_out] == ["ffffffff00000000", "ffffffff33333332"]
    assert [pair.key for pair in training] == ["0000000033333334", "00000000ffffffff"]


def test_a_pair_stays_on_its_side_whatever_is_added() -> None:
    pairs = [Pair(content_key(str(i)), "i", f"r{i}") for i in range(400)]
    training, held_out = split_pairs(pairs[:100], 0.2)
    more_training, more_held_out = split_pairs(pairs[::-1], 0.2)
    assert {p.key for p in training} <= {p.key for p in more_training}
    assert {p.key for p in held_out} <= {p.key for p in more_held_out}
    assert len(more_training) + len(more_held_out) == 400
    assert 50 < len(more_held_out) < 110


def test_two_questions_about_one_text_are_on_one_side() -> None:
    pairs = [
        Pair(content_key(str(i)), f"i{i}", f"Teksti {i // 2}." if i % 4 else f"TEKSTI  {i // 2}.") for i in range(200)
    ]
    for side in split_pairs(pairs, 0.3):
        texts = [pair.response.casefold().split() for pair in side]
        assert all(texts.count(text) == 2 for text in texts)


def test_two_splits_by_other_digits_do_not_follow_each_other() -> None:
    """A quarter of the held-out fifth, and a quarter of the rest, are taken by the second split."""
    others, held_out = split_pairs([Pair(content_key(str(i)), "i", f"r{i}") for i in range(2000)], 0.2)
    for side in (others, held_out):
        _, taken = split_pairs(side, 0.25, digits=slice(16, 20))
        assert len(taken) / len(side) == pytest.approx(0.25, abs=0.05)


def test_an_english_pair_is_on_one_side_and_written_responses_are_on_both() -> None:
    written = {"base_response": {"a": "maji"}}
    others, taken = split_material(Material(written, english(50)), 0.2)
    assert {p.key for p in others.english}.isdisjoint(p.key for p in taken.english)
    assert sorted([*others.english, *taken.english], key=lambda p: p.key) == sorted(english(50), key=lambda p: p.key)
    assert 3 < len(taken.english) < 20
    assert others.responses == taken.responses == written


@pytest.mark.parametrize(
    ("signals", "tasks"),
    [
        (("surprise", "grounding", "neighbours"), ["instruction"]),
        (("level",), ["level"]),
        (("level", "surprise"), ["instruction", "level"]),
        (("grounding", "neighbours"), []),
    ],
)
def test_an_adapter_is_trained_only_where_a_signal_needs_it(signals: Any, tasks: list[str]) -> None:
    assert adapter_tasks(SETTINGS.model_copy(update={"signals": signals})) == tasks


def table(rows: Sequence[RatedPair], columns: Sequence[str]) -> pl.DataFrame:
    """A different number for each row and column."""
    return pl.DataFrame(
        [
            {"pair_id": row.key, **{name: float(n * i + i) for i, name in enumerate(columns)}}
            for n, row in enumerate(rows)
        ]
    )


def test_each_head_looks_at_its_own_signals_and_learns_from_the_rows_that_say_something_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An instruction is judged without the text; a fit without what hangs together in itself; the level by all."""
    pairs = seed_pairs(4)
    written = {pairs[0].key: [Judged("Which?", "3"), Judged("Whose?", "2")], pairs[1].key: [Judged("Why?", "1")]}
    material = Material(english=english(1), instructions=written)
    every = build_rating_set(pairs, SETTINGS.constructions, material)
    rows = [row for row in every if row.construction != "generated"]
    columns = [*GIVEN, *RESPONSE, *ALONE, *GROUNDING, *NEIGHBOURS, *LEVEL]
    learned: list[tuple[list[str], list[str], tuple[str, ...]]] = []
    fit = Head.fit

    def remembered(signals: pl.DataFrame, truth: list[str], classes: tuple[str, ...], **named: Any) -> Head:
        learned.append((signals.columns, truth, tuple(classes)))
        return fit(signals, truth, classes, **named)

    monkeypatch.setattr(module.Head, "fit", remembered)
    heads = fit_heads(table(every, columns), every, SETTINGS)
    assert tuple(heads) == tuple(HEADS) == ("level", *SCORES, "right_instruction")
    level, quality, fits, right = learned
    assert right == (fits[0], ["yes", "no", "no"], ("no", "yes"))
    assert level == (columns, [row.level for row in rows], ("1", "2", "3"))
    assert quality[0] == list(ALONE)
    assert quality[1] == ["no" if row.construction == "broken_instruction" else "yes" for row in rows]
    assert fits[0] == [*GIVEN, *ALONE, *GROUNDING, *NEIGHBOURS, *LEVEL]
    assert fits[1] == [
        "yes" if row.construction == "own" else "no"
        for row in rows
        if row.construction in ("own", "echo", "other_instruction")
    ]
    assert quality[2] == fits[2] == ("no", "yes")


def test_many_seeds_with_one_response_are_told_as_that(tiny_engines: Engines, tmp_path: Path) -> None:
    """All of them go to one side, or the other would prove itself."""
    pairs = [Pair(f"{number:016x}0000", f"i {number}", "r") for number in range(150)]  # the first goes to the heads
    with pytest.raises(StageError, match="150 seed pairs with 1 different responses are too few"):
        train_evaluator(tiny_engines, pairs, SETTINGS, tmp_path, language=SWAHILI)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_seeds_to_train_on_are_told_as_that(count: int, tiny_engines: Engines, tmp_path: Path) -> None:
    pairs = [Pair("f" * 16 + "0000", "i", "r")] * count  # the one goes to the heads
    said = f"{count} seed pairs with {count} different responses are too few to train an evaluator on: give 100 or more"
    with pytest.raises(StageError, match=said):
        train_evaluator(tiny_engines, pairs, SETTINGS, tmp_path, language=SWAHILI)


def test_no_row_that_the_heads_learn_from_was_learned_by_an_adapter(
    tiny_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even an English one: surprise must mean in the heads' rows what it will mean on candidates."""
    by_adapter: dict[str, set[str]] = {}
    by_heads: set[str] = set()
    train, fit = module.train_adapter, module.fit_heads

    def remembered(engines: Engines, examples: Sequence[Example], *rest: Any, **named: Any) -> Any:
        by_adapter[rest[1].name] = {example.key for example in examples}
        return train(engines, examples, *rest, **named)

    def remembered_heads(signals: pl.DataFrame, rated: Sequence[RatedPair], settings: Any) -> dict[str, Head]:
        by_heads.update(row.key for row in rated)
        assert set(signals["pair_id"]) == by_heads
        return fit(signals, rated, settings)

    monkeypatch.setattr(module, "train_adapter", remembered)
    monkeypatch.setattr(module, "fit_heads", remembered_heads)
    pairs, foreign = seed_pairs(24), english(24)
    added = [Pair(content_key("added"), "Tell me about samaki.", "Samaki huishi majini. Watu huvua samaki.")]
    settings = SETTINGS.model_copy(update={"signals": ("surprise", "level")})
    material = Material(english=foreign)
    made = train_evaluator(tiny_engines, pairs, settings, tmp_path, language=SWAHILI, material=material, added=added)
    evaluator, trained = made.evaluator, made.trainings

    for_adapters, for_heads = split_pairs(pairs, settings.head_share, digits=slice(16, 20))
    assert by_adapter["adapter-instruction"] == {pair.key for pair in (*for_adapters, *added)}
    foreign_rows = {content_key("rated", pair.key, "wrong_language") for pair in foreign}
    assert len(by_adapter["adapter-level"] & foreign_rows) > 10
    assert len(by_heads & foreign_rows) > 2
    assert foreign_rows <= by_heads | by_adapter["adapter-level"]
    assert by_heads.isdisjoint(by_adapter["adapter-level"])
    own = {content_key("rated", pair.key, "own"): pair for pair in pairs}
    assert {own[key].key for key in by_heads & own.keys()} == {pair.key for pair in for_heads}
    assert by_adapter["adapter-level"] >= {pair.key for pair in added}
    assert set(evaluator.readers.adapters) == set(trained) == {"instruction", "level"}
    rare = evaluator.readers.rare_words.table
    assert rare.filter(word="")["instructions"].to_list() == [len(for_adapters)]


def test_a_training_killed_after_its_adapter_ends_with_the_same_heads(
    tiny_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_evaluator(tiny_engines, seed_pairs(24), SETTINGS, tmp_path / "whole", language=SWAHILI).evaluator

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(module, "fit_heads", killed)
        train_evaluator(tiny_engines, seed_pairs(24), SETTINGS, tmp_path / "killed", language=SWAHILI)
    restarted = train_evaluator(tiny_engines, seed_pairs(24), SETTINGS, tmp_path / "killed", language=SWAHILI).evaluator
    assert restarted.fingerprint == whole.fingerprint
    assert [restarted.heads[name].table.rows() for name in HEADS] == [whole.heads[name].table.rows() for name in HEADS]


def test_an_evaluator_read_back_from_its_partition_rates_the_same(tiny_engines: Engines, tmp_path: Path) -> None:
    evaluator = train_evaluator(
        tiny_engines, seed_pairs(24), SETTINGS, tmp_path / "training", language=SWAHILI
    ).evaluator
    pairs = seed_pairs(6, "other")
    first, signals = evaluator.rate(pairs, SignalLog(tmp_path / "first"))
    assert first.columns == ["pair_id", *PROBABILITIES, *SCORES, *evaluator.readers.signals]
    assert first["pair_id"].to_list() == sorted(pair.key for pair in pairs)
    assert first.select(pl.sum_horizontal(PROBABILITIES)).to_series().to_list() == pytest.approx([1.0] * 6)
    assert signals.table.equals(first.select(signals.table.columns))
    told = evaluator.fingerprint
    output = StageOutput(tables=evaluator.tables(), folders=evaluator.folders())
    partition = Store(tmp_path / "data").commit("evaluator", "sw", "f", {}, output)
    again = Evaluator.load(tiny_engines, partition, SETTINGS, SWAHILI)
    assert again.fingerprint == told
    assert again.rate(pairs, SignalLog(tmp_path / "again"))[0].equals(first)


def test_rated_rows_keep_their_order_and_their_truth_beside_their_ratings(tmp_path: Path) -> None:
    made = train_evaluator(NOWHERE, seed_pairs(40), WORDS, tmp_path, language=SWAHILI)
    evaluator, trained = made.evaluator, made.trainings
    assert trained == {}  # words need no model, and so no training
    rated = build_rating_set(seed_pairs(6, "other"), WORDS.constructions)[::-1]
    table = evaluator.rate_rated(rated, [], SignalLog(tmp_path / "held_out"))
    truth = ["pair_id", "seed_id", "level", "construction", "instruction_good", "fits"]
    assert table.columns == [*truth, *PROBABILITIES, *SCORES, *GROUNDING]
    assert table.select(truth).rows() == [
        (row.key, row.seed, row.level, row.construction, row.instruction_good, row.fits) for row in rated
    ]
    assert table.select(PROBABILITIES).null_count().sum_horizontal().item() == 0


def test_without_a_signal_of_the_instruction_alone_its_quality_is_open(tmp_path: Path) -> None:
    """And every pair has it, as its other ratings."""
    evaluator = train_evaluator(NOWHERE, seed_pairs(40), WORDS, tmp_path, language=SWAHILI).evaluator
    ratings, _ = evaluator.rate(seed_pairs(5, "other"), SignalLog(tmp_path / "rows"))
    assert ratings["instruction_quality"].to_list() == [0.5] * 5


def test_grounding_alone_tells_a_response_from_that_to_something_else(tmp_path: Path) -> None:
    settings = WORDS.model_copy(update={"constructions": ("cut_off", "other_instruction", "broken_instruction")})
    evaluator = train_evaluator(NOWHERE, seed_pairs(60), settings, tmp_path, language=SWAHILI).evaluator
    [pair, other] = seed_pairs(2, "other")
    wrong = Pair(content_key("wrong"), pair.instruction, other.response)
    ratings, _ = evaluator.rate([pair, wrong], SignalLog(tmp_path / "rows"))
    fit = dict(ratings.select("pair_id", "pair_fit").iter_rows())
    assert fit[pair.key] > 0.8
    assert fit[wrong.key] < 0.2


def test_no_pairs_give_an_empty_table_and_load_no_model(tmp_path: Path) -> None:
    readers = Readers(NOWHERE, "Swahili", ("grounding", "neighbours"), {}, RareWords.count([]), Neighbours.of([], []))
    heads = {
        name: Head.fit(pl.DataFrame(), [], ("1", "2", "3") if name == "level" else ("no", "yes")) for name in HEADS
    }
    evaluator = Evaluator(readers, heads)
    ratings, signals = evaluator.rate([], SignalLog(tmp_path))
    assert (ratings.height, signals.failed) == (0, {})
    rated = evaluator.rate_rated([], [], SignalLog(tmp_path))
    assert validate(rated, rated).log_loss == math.inf


def test_neighbours_do_not_depend_on_the_order_of_the_seeds(tiny_engines: Engines) -> None:
    pairs = seed_pairs(12)
    one, two = (seed_neighbours(tiny_engines, ordered).table for ordered in (pairs, pairs[::-1]))
    assert one.equals(two)
    assert one["pair_id"].to_list() == sorted(pair.key for pair in pairs)


def test_evaluators_with_other_adapters_are_told_apart(tiny_engines: Engines, tmp_path: Path) -> None:
    evaluator = train_evaluator(tiny_engines, seed_pairs(16), SETTINGS, tmp_path / "one", language=SWAHILI).evaluator
    folder = evaluator.readers.adapters["instruction"]
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes() + b" ")
    readers = replace(evaluator.readers, adapters={"instruction": other})
    assert Evaluator(readers, evaluator.heads).fingerprint != evaluator.fingerprint
