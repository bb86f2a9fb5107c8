"""Ratings become verdicts, rounds count only when they are better, and nothing that was read is read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from tests.core.stages.conftest import candidates
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.rating_set import Material
from xinstr_core.curation.signals import SignalLog, Signals
from xinstr_core.curation.validation import Validation
from xinstr_core.engines.models import ModelReference
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.shared import PROBABILITIES, SCORES, TrainingFigures
from xinstr_core.schemas.signals import signal_table
from xinstr_core.stages import refined_pairs as module
from xinstr_core.stages.evaluator import RatingSeeds
from xinstr_core.stages.refined_pairs import curate
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import Partition, StageOutput
from xinstr_core.workspace import Workspace

GOOD = (0.05, 0.05, 0.9, 0.9, 0.9)  # three levels, instruction, fit
POOR = (0.8, 0.1, 0.1, 0.9, 0.9)
Rating = tuple[
    float, ...
]  # these, and whether the instruction is right: the probability of level 3 where it is not given
NO_SEEDS = RatingSeeds([], [], Material(), Material())


def proof(sure: float, right: int = 30, wrong: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Held-out rows of levels 1 and 3, each with so much probability on its own level, or on the other one."""
    rows = []
    for level, column in (("1", 0), ("3", 2)):
        for number in range(right + wrong):
            probabilities = [0.0, 1 - sure, 0.0]
            probabilities[column if number < right else 2 - column] = sure
            rows.append(
                (f"{level} {number}", f"{level} {number}", level, "made", None, None, *probabilities, 0.5, 0.5, 0.5)
            )
    schema = {
        "pair_id": pl.String, "seed_id": pl.String, "level": pl.String, "construction": pl.String, "instruction_good": pl.Boolean, "fits": pl.Boolean,
        **dict.fromkeys((*PROBABILITIES, *SCORES, "right_instruction"), pl.Float64),
    }  # fmt: skip
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table, table.clear()


@dataclass
class Rater:
    """An evaluator's stand-in: says of each pair what it was given, and proves itself on given rows."""

    name: str
    ratings: dict[str, Rating]
    held_out: tuple[pl.DataFrame, pl.DataFrame] = field(default_factory=lambda: proof(0.7))
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return self.name

    @property
    def readers(self) -> Any:
        return SimpleNamespace(adapters={"instruction": Path(self.name)}, reads_near_texts=True)

    def rate(
        self, pairs: Sequence[Pair], log: SignalLog, progress: Any = None, *, near: Any = None
    ) -> tuple[pl.DataFrame, Signals]:
        keys = sorted(pair.key for pair in pairs if pair.key not in self.failed)
        schema = {"pair_id": pl.String, **dict.fromkeys((*PROBABILITIES, *SCORES, "right_instruction"), pl.Float64)}
        rated = {key: self.ratings.get(key, GOOD) for key in keys}
        rows = [(key, *rating[:5], rating[5] if len(rating) > 5 else rating[2]) for key, rating in rated.items()]
        given = signal_table("given").schema
        read = pl.DataFrame([(f"{self.name} {key}", [0.0], 0.0) for key in keys], schema=given, orient="row")
        log.read.setdefault("given", []).append(read)
        table = pl.DataFrame(rows, schema=schema, orient="row")
        return table, Signals(table.select("pair_id"), self.failed)


@dataclass
class Rounds:
    """The raters of the rounds, and what each further one was taught."""

    raters: list[Rater]
    taught: list[list[str]] = field(default_factory=list)
    started_from: list[Any] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)

    def train(self, engines: Any, pairs: Any, settings: Any, folder: Path, **named: Any) -> Any:
        self.taught.append([pair.key for pair in named["added"]])
        self.started_from.append(named["start_from"])
        self.epochs.append(settings.epochs)
        return SimpleNamespace(evaluator=self.raters[len(self.taught)], trainings={})


def evaluator_figures(may_gate: bool, advice: str) -> EvaluatorFigures:
    validation = Validation(40, 0.9, 0.1, 0.0, [], [], {}).figures()
    training = TrainingFigures(rows=0, tokens_seen=0, losses=[], rejected_rows=[])
    return EvaluatorFigures(
        **dict(validation),
        **dict(training),
        seed_pairs=0,
        minimum_accuracy=0.7,
        may_gate=may_gate,
        advice=advice,
    )


Refine = Callable[..., Partition]


# What a wanted precision needs: instructions that a model wrote, and what judges them.
JUDGED = {"evaluator": {"constructions": ["cut_off", "echo", "generated"]}, "diversity": {"encoder": "BAAI/bge-m3"}}
FOUR = candidates(("a", "d1", 0), ("b", "d2", 0), ("c", "d3", 0), ("d", "d4", 0))


@pytest.fixture
def refine(home: Path, tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch) -> Refine:
    """The stage's partition, with the given raters in place of trained ones."""

    def made(by: Rounds, pairs: pl.DataFrame = FOUR, *, trusted: bool = True, **curation: Any) -> Partition:
        settings = {"rounds": 3, "minimum_top_probability": 0.5, **curation}
        sections = {"curation": settings, **(JUDGED if "wanted_precision" in curation else {})}
        workspace = Workspace(home, overrides=sections, base_model=str(tiny_model.path))
        monkeypatch.setattr(module.Evaluator, "load", lambda engines, partition, settings, language: by.raters[0])
        monkeypatch.setattr(module, "train_evaluator", by.train)
        monkeypatch.setattr(module, "rating_seeds", lambda run, evaluator: NO_SEEDS)
        monkeypatch.setattr(module, "rate_held_out", lambda run, evaluator, seeds, log: evaluator.held_out)
        held_out, shuffled = by.raters[0].held_out
        advice = "" if trusted else "Not curated: give more seeds."
        outputs = {
            "seed_pairs": StageOutput(),
            "candidate_pairs": StageOutput(tables={"pairs": pairs}),
            "evaluator": StageOutput(
                tables={"held_out": held_out, "shuffled": shuffled}, figures=evaluator_figures(trusted, advice)
            ),
        }
        inputs = {name: workspace.store.commit(name, "sw", "f", {}, output) for name, output in outputs.items()}
        return run_stage(workspace, curate, "sw", inputs).partition

    return made


def verdicts(partition: Partition) -> dict[str, str]:
    return dict(partition.read("pairs").select("pair_id", "verdict").iter_rows())


def one(ratings: dict[str, Rating], **named: Any) -> Rounds:
    return Rounds([Rater("first", ratings, **named)])


def test_each_verdict_names_what_a_pair_fell_short_in(refine: Refine) -> None:
    """The level first, then the instruction, then the fit; at a threshold is enough."""
    ratings = {
        "a": (0.5, 0.0, 0.5, 0.6, 0.7),
        "b": (0.51, 0.0, 0.49, 0.1, 0.1),
        "c": (0.2, 0.2, 0.6, 0.59, 0.1),
        "d": (0.2, 0.2, 0.6, 0.9, 0.69),
    }
    partition = refine(one(ratings), rounds=1, minimum_instruction_quality=0.6, minimum_pair_fit=0.7)
    assert verdicts(partition) == {"a": "kept", "b": "below_level_3", "c": "poor_instruction", "d": "poor_fit"}
    table = partition.read("pairs")
    assert table["kept"].to_list() == [True, False, False, False]
    assert table["rating"].to_list() == pytest.approx([2.0, 1.98, 2.4, 2.4])
    assert partition.figures["funnel"] == {
        "taken": 4,
        "lost": {"below_level_3": 1, "poor_instruction": 1, "poor_fit": 1},
        "kept": 1,
    }


def test_one_instruction_a_text_is_kept_the_best_of_those_that_pass(refine: Refine) -> None:
    """d1: the highest rating fails by its fit; of two alike the earlier sample; d2: none passes."""
    pairs = candidates(
        ("a", "d1", 0), ("b", "d1", 1), ("c", "d1", 2), ("d", "d1", 3), ("e", "d2", 0), ("f", "d2", 1), ("g", "d3", 0)
    )
    ratings = {
        "a": (0.2, 0.2, 0.6, 0.9, 0.9),
        "b": (0.0, 0.0, 1.0, 0.9, 0.1),
        "d": (0.0, 0.2, 0.8, 0.9, 0.9),
        "c": (0.0, 0.2, 0.8, 0.9, 0.9),
        "e": POOR,
        "f": POOR,
    }
    partition = refine(one(ratings), pairs, rounds=1)
    assert verdicts(partition) == {
        "a": "not_best", "b": "poor_fit", "c": "kept", "d": "not_best",
        "e": "below_level_3", "f": "below_level_3", "g": "kept",
    }  # fmt: skip
    funnel = partition.figures["funnel"]
    assert funnel == {"taken": 7, "lost": {"not_best": 2, "below_level_3": 2, "poor_fit": 1}, "kept": 2}
    assert sum(funnel["lost"].values()) + funnel["kept"] == funnel["taken"]


def test_a_pair_that_could_not_be_rated_keeps_its_row(refine: Refine) -> None:
    pairs = candidates(("a", "d1", 0), ("b", "d1", 1), ("c", "d2", 0))
    partition = refine(one({"b": (0.2, 0.2, 0.6, 0.9, 0.9)}, failed={"a": "ValueError: no such row"}), pairs, rounds=1)
    table = partition.read("pairs")
    assert verdicts(partition) == {"a": "rating_failed", "b": "kept", "c": "kept"}
    assert table["failure"].to_list() == ["ValueError: no such row", None, None]
    assert table.select("p_level_3", "pair_fit", "rating").rows()[0] == (None, None, None)
    assert partition.figures["funnel"] == {"taken": 3, "lost": {"rating_failed": 1}, "kept": 2}


def test_pairs_that_were_not_accepted_are_not_rated(refine: Refine) -> None:
    pairs = FOUR.with_columns(status=pl.Series(["accepted", "empty", "repeated", "failed"]))
    assert verdicts(refine(one({}), pairs, rounds=1)) == {"a": "kept"}


def test_no_candidates_are_an_empty_table(refine: Refine) -> None:
    better = Rounds([Rater("first", {}), Rater("second", {}, proof(0.8))])
    partition = refine(better, FOUR.clear())
    assert partition.read("pairs").height == 0
    assert partition.figures["funnel"] == {"taken": 0, "lost": {}, "kept": 0}
    assert partition.figures["rounds"][1]["outcome"] == (
        "used; keeps or drops 1.000 of the pairs as the round before: the last"
    )


def test_a_rater_that_may_not_gate_teaches_no_round_and_lets_everything_go_on_with_advice(refine: Refine) -> None:
    """Only one instruction a text even so."""
    pairs = candidates(("a", "d1", 0), ("b", "d1", 1), ("c", "d2", 0))
    rounds = one({"a": POOR, "c": (1.0, 0.0, 0.0, 0.0, 0.0)})
    partition = refine(rounds, pairs, trusted=False)
    assert verdicts(partition) == {"a": "not_best", "b": "not_curated", "c": "not_curated"}
    assert partition.read("pairs")["kept"].to_list() == [False, True, True]
    assert partition.figures["funnel"] == {"taken": 3, "lost": {"not_best": 1}, "kept": 2}
    assert partition.read("pairs")["rating"].to_list() == pytest.approx([1.3, 2.85, 1.0])
    assert (partition.figures["curated"], partition.figures["advice"]) == (False, "Not curated: give more seeds.")
    assert (rounds.taught, len(partition.figures["rounds"])) == ([], 1)


def test_a_round_that_is_better_is_used_and_the_next_one_goes_on_from_it(refine: Refine) -> None:
    first = dict.fromkeys("cd", POOR)
    rounds = Rounds(
        [
            Rater("first", first, proof(0.7)),
            Rater("second", {"a": POOR, "d": POOR}, proof(0.8)),
            Rater("third", {"a": POOR, "b": POOR}, proof(0.9)),
        ]
    )
    partition = refine(rounds, round_epochs=0.5)
    assert [(r["round"], r["used"], r["outcome"]) for r in partition.figures["rounds"]] == [
        (1, True, "used"),
        (2, True, "used; keeps or drops 0.500 of the pairs as the round before"),
        (3, True, "used; keeps or drops 0.500 of the pairs as the round before"),
    ]
    assert rounds.taught == [["a", "b"], ["b", "c"]]
    assert rounds.started_from == [{"instruction": Path("first")}, {"instruction": Path("second")}]
    assert rounds.epochs == [0.5, 0.5]
    assert verdicts(partition) == {"a": "below_level_3", "b": "below_level_3", "c": "kept", "d": "kept"}
    table = partition.read("pairs")
    assert set(table["round"]) == {3}
    assert set(table["evaluator"]) == {"third"}
    assert sorted(partition.read("ratings")["round"].unique()) == [1, 2, 3]
    assert partition.figures["rounds"][0]["mean_probabilities"] == [0.425, 0.075, 0.5]


@pytest.mark.parametrize("sure", [0.7, 0.6], ids=["as good", "worse"])
def test_a_round_that_is_no_better_on_held_out_rows_is_discarded(refine: Refine, sure: float) -> None:
    rounds = Rounds(
        [Rater("first", {"a": POOR}, proof(0.7)), Rater("second", {"b": POOR}, proof(sure)), Rater("third", {})]
    )
    partition = refine(rounds)
    assert [(r["round"], r["used"], r["outcome"]) for r in partition.figures["rounds"]] == [
        (1, True, "used"),
        (2, False, "discarded: no better than the round before"),
    ]
    assert verdicts(partition) == {"a": "below_level_3", "b": "kept", "c": "kept", "d": "kept"}
    assert set(partition.read("pairs")["evaluator"]) == {"first"}
    assert partition.read("ratings")["round"].unique().to_list() == [1]


def test_a_round_that_is_surer_but_may_no_longer_gate_is_discarded(refine: Refine) -> None:
    """Unsure and always right, then surer and wrong of a third: a smaller log loss, and an accuracy below the gate."""
    unsure, (sure, nothing) = proof(0.51), proof(0.99, right=40)
    missed = sure.head(20).with_columns(p_level_1=pl.lit(0.32), p_level_2=pl.lit(0.36), p_level_3=pl.lit(0.32))
    missed_too = missed.with_columns(level=pl.lit("3"))
    proven = pl.concat([sure, missed, missed_too])
    rounds = Rounds([Rater("first", {"a": POOR}, unsure), Rater("second", {}, (proven, nothing))])
    partition = refine(rounds)
    first, second = partition.figures["rounds"]
    assert second["log_loss"] < first["log_loss"]
    assert second["accuracy"] == 0.6667
    assert second["outcome"] == "discarded: not accurate enough to gate"
    assert set(partition.read("pairs")["evaluator"]) == {"first"}


def test_rounds_stop_once_two_of_them_keep_the_same(refine: Refine) -> None:
    """Three of four alike is 0.75."""
    raters = [Rater("first", {"a": POOR}), Rater("second", {}, proof(0.8)), Rater("third", {}, proof(0.9))]
    stopped = refine(Rounds(raters), stop_agreement=0.75)
    assert [r["outcome"] for r in stopped.figures["rounds"]] == [
        "used",
        "used; keeps or drops 0.750 of the pairs as the round before: the last",
    ]
    assert set(stopped.read("pairs")["evaluator"]) == {"second"}
    went_on = refine(Rounds(raters), stop_agreement=0.76)
    assert [r["round"] for r in went_on.figures["rounds"]] == [1, 2, 3]


def test_a_round_learns_from_one_pair_a_text_the_best_ones_first_and_no_more_than_it_may(refine: Refine) -> None:
    pairs = candidates(("a", "d1", 0), ("b", "d1", 1), ("c", "d2", 0), ("d", "d3", 0), ("e", "d4", 0))
    ratings = {
        "a": (0.0, 0.2, 0.8, 0.9, 0.9),
        "b": (0.0, 0.0, 1.0, 0.9, 0.9),
        "c": (0.0, 0.08, 0.92, 0.9, 0.9),
        "d": (0.0, 0.1, 0.9, 0.9, 0.9),
        "e": (0.0, 0.0, 1.0, 0.9, 0.1),  # does not fit
    }
    rounds = Rounds([Rater("first", ratings), Rater("second", ratings, proof(0.9))])
    refine(rounds, pairs)
    assert rounds.taught == [["b", "c", "d"]]
    fewer = Rounds(rounds.raters)
    refine(fewer, pairs, maximum_added_pairs=2)
    assert fewer.taught == [["b", "c"]]


def test_what_was_read_in_every_round_is_stored_the_discarded_one_too(refine: Refine) -> None:
    rounds = Rounds([Rater("first", {}), Rater("second", {}, proof(0.5))])
    read = refine(rounds).read("given_signals")["row_key"].to_list()
    assert read == sorted(f"{name} {key}" for name in ("first", "second") for key in "abcd")


def written(*rows: tuple[str, float], proved: float = 0.7) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Held-out rows that prove a rater, and instructions of a model: (true level, score of the instruction as right)."""
    held_out, shuffled = proof(proved)
    more = [
        {
            **held_out.row(0, named=True),
            "pair_id": f"generated {number}",
            "seed_id": f"seed {number}",
            **dict(zip((*PROBABILITIES, *SCORES), GOOD, strict=True)),
            "construction": "generated",
            "level": level,
            "fits": {"3": True, "1": False}.get(level),
            "right_instruction": p,
        }
        for number, (level, p) in enumerate(rows)
    ]
    return pl.concat([held_out, pl.DataFrame(more, schema=held_out.schema)]), shuffled


def sure(p: float) -> Rating:
    """A pair without a flaw whose instruction is right with that probability."""
    return (0.1, 0.1, 0.8, 0.9, 0.9, p)


RIGHT = [*[("3", 0.91)] * 20, *[("1", 0.01)] * 20]


def test_the_right_instruction_stands_for_its_text_and_makes_no_flaw_of_the_pair_good(refine: Refine) -> None:
    pairs = candidates(("a", "d1", 0), ("b", "d1", 1), ("c", "d2", 0), ("d", "d3", 0))
    ratings = {
        "a": (0.0, 0.0, 1.0, 0.9, 0.9, 0.9),
        "b": sure(0.99),
        "c": (0.5, 0.1, 0.4, 0.9, 0.9, 0.999),
        "d": sure(0.01),
    }
    partition = refine(one(ratings, held_out=written(*RIGHT)), pairs, rounds=1, wanted_precision=0.9)
    assert verdicts(partition) == {"a": "not_best", "b": "kept", "c": "below_level_3", "d": "below_wanted_precision"}


def test_a_wanted_precision_decides_how_many_are_kept_and_says_what_it_rests_on(refine: Refine) -> None:
    ratings = {"a": sure(0.999), "b": sure(0.9), "c": sure(0.02), "d": sure(0.01)}
    partition = refine(one(ratings, held_out=written(*RIGHT)), rounds=1, wanted_precision=0.9)
    assert verdicts(partition) == {
        "a": "kept",
        "b": "kept",
        "c": "below_wanted_precision",
        "d": "below_wanted_precision",
    }
    figures = partition.read_figures(REFINED_PAIRS.figures)
    assert figures.curated
    assert figures.precision is not None
    assert (figures.precision.checked, figures.precision.checked_kept, figures.precision.precision) == (40, 20, 1.0)
    assert figures.precision.expected is not None
    assert figures.precision.expected >= 0.9
    assert figures.precision.limit == 0.9


def test_a_rater_that_keeps_wrong_instructions_of_a_model_is_not_called_one_that_curates(refine: Refine) -> None:
    wrong = [*[("1", 0.91)] * 20, *[("3", 0.01)] * 20]
    partition = refine(one({}, held_out=written(*wrong)), rounds=1, wanted_precision=0.9)
    figures = partition.read_figures(REFINED_PAIRS.figures)
    assert not figures.curated
    assert "of 20 held-out instructions that were kept 0.00 are right" in figures.advice
    assert set(verdicts(partition).values()) == {"not_curated"}


def test_a_few_held_out_instructions_prove_nothing_however_right_they_are(refine: Refine) -> None:
    few = [*[("3", 0.91)] * 19, *[("1", 0.01)] * 20]
    partition = refine(one({}, held_out=written(*few)), rounds=1, wanted_precision=0.9)
    assert not partition.figures["curated"]
    assert "of 39 held-out instructions of a model 19 could be kept" in partition.figures["advice"]
    assert "fewer than 20 prove nothing (1.00 of them are right, 0.83 to 1.00)" in partition.figures["advice"]


def test_where_no_held_out_instruction_can_be_kept_the_advice_says_so(refine: Refine) -> None:
    partition = refine(one({}, held_out=written(*[("1", 0.3)] * 6)), rounds=1, wanted_precision=0.9)
    assert "of 6 held-out instructions of a model none could be kept" in partition.figures["advice"]


def test_the_best_pair_of_a_text_stands_for_it_before_precision_decides(refine: Refine) -> None:
    pairs = candidates(("a", "d1", 0), ("b", "d1", 1), ("c", "d2", 0))
    ratings = {"a": sure(0.99), "b": sure(0.98), "c": sure(0.01)}
    partition = refine(one(ratings, held_out=written(*RIGHT)), pairs, rounds=1, wanted_precision=0.9)
    assert verdicts(partition) == {"a": "kept", "b": "not_best", "c": "below_wanted_precision"}


def test_rounds_are_compared_by_what_the_precision_keeps(refine: Refine) -> None:
    first = {"a": sure(0.999), "b": sure(0.99), "c": sure(0.02), "d": sure(0.01)}
    second = first | {"b": sure(0.03)}
    raters = [
        Rater("first", first, held_out=written(*RIGHT)),
        Rater("second", second, held_out=written(*RIGHT, proved=0.9)),
    ]
    partition = refine(Rounds(raters), rounds=2, wanted_precision=0.9)
    assert partition.figures["rounds"][1]["outcome"] == "used; keeps or drops 0.750 of the pairs as the round before"
    assert verdicts(partition)["b"] == "below_wanted_precision"


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (0.3, "used; keeps or drops 1.000 of the pairs as the round before: the last"),
        (0.995, "discarded: tells right instructions of a model worse than the round before"),
    ],
)
def test_a_round_may_not_tell_right_instructions_worse(refine: Refine, after: float, outcome: str) -> None:
    """A wrong one passes for surer than the right ones after the second round, or does not."""
    before, later = written(*RIGHT, ("1", 0.3)), written(*RIGHT, ("1", after), proved=0.9)
    raters = [Rater("first", {}, held_out=before), Rater("second", {}, held_out=later)]
    partition = refine(Rounds(raters), rounds=2, wanted_precision=0.9)
    assert partition.figures["rounds"][1]["outcome"] == outcome


MANY = candidates(*((f"p{number:02}", f"d{number:02}", 0) for number in range(24)))


def label(home: Path, levels: dict[str, str]) -> None:
    """The audit file as a person would hand it back."""
    (home / "audit").mkdir(exist_ok=True)
    rows = [f"{key},i,r,yes,yes,yes,{level}," for key, level in levels.items()]
    head = "pair_id,instruction,response,instruction_clear,answers,natural,level,remark"
    (home / "audit" / "sw.csv").write_text("\n".join([head, *rows]), "utf-8")


def labels(right: int, of: int = 20) -> dict[str, str]:
    return {f"p{number:02}": "3" if number < right else "1" for number in range(of)}


def test_people_who_find_what_is_kept_wrong_overrule_held_out_rows(refine: Refine, home: Path) -> None:
    label(home, labels(right=5))
    partition = refine(one({}), MANY, rounds=1)
    figures = partition.read_figures(REFINED_PAIRS.figures)
    assert not figures.curated
    assert "people labelled 20 of the pairs that would be kept, and find 0.25 right (0.11 to 0.47)" in figures.advice
    assert set(verdicts(partition).values()) == {"not_curated"}
    assert figures.audit is not None
    assert figures.audit.said.endswith("which overrules what held-out rows say (curated)")


def test_people_who_find_what_would_be_kept_right_overrule_a_rater_that_may_not_gate(
    refine: Refine, home: Path
) -> None:
    label(home, labels(right=19))
    partition = refine(one({"p23": POOR}), MANY, rounds=1, trusted=False)
    figures = partition.read_figures(REFINED_PAIRS.figures)
    assert figures.curated
    assert figures.advice == ""
    assert (partition.figures["funnel"]["kept"], verdicts(partition)["p23"]) == (23, "below_level_3")
    assert figures.audit is not None
    assert figures.audit.said.endswith("which overrules what held-out rows say (Not curated: give more seeds)")


@pytest.mark.parametrize(("right", "curated", "verdict"), [(19, True, "kept"), (5, False, "not_curated")])
def test_where_a_rating_would_keep_nothing_people_decide_on_what_went_on(
    refine: Refine, home: Path, right: int, curated: bool, verdict: str
) -> None:
    """It is what they were given to label."""
    label(home, labels(right=right))
    partition = refine(one({f"p{number:02}": POOR for number in range(24)}), MANY, rounds=1, trusted=False)
    figures = partition.read_figures(REFINED_PAIRS.figures)
    assert figures.curated == curated
    assert figures.audit is not None
    assert figures.audit.labelled == 20
    assert set(verdicts(partition).values()) == {verdict}
    assert partition.read("pairs")["kept"].all()


def test_few_labels_and_labels_of_what_is_dropped_decide_nothing(refine: Refine, home: Path) -> None:
    label(home, labels(right=0, of=19))
    before = refine(one({}), MANY, rounds=1)
    assert before.figures["curated"]
    (home / "audit" / "sw.csv").unlink()
    assert refine(one({}), MANY, rounds=1).version == before.version  # nothing was stale for so few
    label(home, labels(right=0))
    dropped = refine(one(dict.fromkeys(labels(0, of=10), POOR)), MANY, rounds=1)
    assert dropped.figures["curated"]
    assert dropped.figures["audit"] is None
