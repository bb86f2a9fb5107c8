"""Which seeds the evaluator learns from and which only validate it, what stands in its partition, and what it may do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.rating_set import build_rating_set
from xinstr_core.curation.splits import split_pairs
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key
from xinstr_core.progress import silent
from xinstr_core.schemas.evaluator import GENERATED, EvaluatorFigures
from xinstr_core.stages import evaluator as module
from xinstr_core.stages.evaluator import ENOUGH, RatingSeeds, files, rating_seeds, train_and_validate
from xinstr_core.stages.stage import StageRun, run_stage
from xinstr_core.store import Partition, StageOutput
from xinstr_core.workspace import Workspace

MakeRun = Callable[..., StageRun]
WORDS = ["ugali", "mto", "kazi", "shule", "ndege", "soko"]


def seeds(count: int, origin: str = "native") -> pl.DataFrame:
    english = origin == "english"
    return pl.DataFrame(
        {
            "pair_id": [content_key(f"{origin} {i}") for i in range(count)],
            "instruction": [f"{'What is' if english else 'Tell me about'} {WORDS[i % 6]} {i}?" for i in range(count)],
            "response": [
                f"This is {i}. It is a thing." if english else f"Hii ni {WORDS[i % 6]} {i}. Watu huipenda sana. Basi."
                for i in range(count)
            ],
            "native": [not english] * count,
            "origin": [origin] * count,
        },
        schema_overrides={"pair_id": pl.String, "instruction": pl.String, "response": pl.String},
    )


@pytest.fixture
def workspace(tiny_model: ModelReference, tmp_path: Path) -> Callable[..., Workspace]:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")

    def made(**evaluator: Any) -> Workspace:
        return Workspace(tmp_path, overrides={"evaluator": evaluator}, base_model=str(tiny_model.path))

    return made


@pytest.fixture
def make_run(workspace: Callable[..., Workspace], tmp_path: Path) -> MakeRun:
    """A run of the stage over the given seeds with the given settings."""

    def made(*tables: pl.DataFrame, **evaluator: Any) -> StageRun:
        here = workspace(**evaluator)
        rows = pl.concat(tables)
        partition = here.store.commit("seed_pairs", "sw", "f", {}, StageOutput(tables={"seeds": rows}))
        sw = here.language("sw")
        unfinished, kept, engines = (
            tmp_path / "unfinished",
            tmp_path / "rows",
            Engines(here.settings(sw), here.model(sw)),
        )
        return StageRun(here, sw, {"seed_pairs": partition}, unfinished, kept, None, silent, engines)

    return made


def rows_of(found: RatingSeeds, run: StageRun) -> list[tuple[str, str]]:
    """(construction, response) of both sides."""
    constructions = run.settings.evaluator.constructions
    both = build_rating_set(found.training, constructions, found.material)
    both += build_rating_set(found.held_out, constructions, found.held_out_material)
    return [(row.construction, row.response) for row in both]


def test_seeds_are_split_by_key(make_run: MakeRun) -> None:
    found = rating_seeds(make_run(seeds(60), held_out_share=0.25))
    pairs = [Pair(*row) for row in seeds(60).select("pair_id", "instruction", "response").iter_rows()]
    training, held_out = split_pairs(pairs, 0.25)
    assert {pair.key for pair in found.training} == {pair.key for pair in training}
    assert {pair.key for pair in found.held_out} == {pair.key for pair in held_out}
    assert len(held_out) > 5


def test_english_seeds_are_the_wrong_language_once_enough_are_in_the_language(make_run: MakeRun) -> None:
    run = make_run(seeds(ENOUGH), seeds(30, "english"))
    found = rating_seeds(run)
    assert len(found.training) + len(found.held_out) == ENOUGH
    assert all("Hii ni" in pair.response for pair in (*found.training, *found.held_out))
    wrong = [response for construction, response in rows_of(found, run) if construction == "wrong_language"]
    assert sorted(wrong) == sorted(seeds(30, "english")["response"])


def test_one_seed_fewer_and_english_ones_are_seeds_like_the_others(make_run: MakeRun) -> None:
    run = make_run(seeds(ENOUGH - 1), seeds(30, "english"))
    found = rating_seeds(run)
    assert len(found.training) + len(found.held_out) == ENOUGH + 29
    assert "wrong_language" not in {construction for construction, _ in rows_of(found, run)}
    assert found.material.english == found.held_out_material.english == []


def test_translated_seeds_are_in_the_language(make_run: MakeRun) -> None:
    tables = [seeds(ENOUGH - 40), seeds(40, "native_instruction_translated"), seeds(5, "english")]
    run = make_run(*tables)
    assert sum(construction == "wrong_language" for construction, _ in rows_of(rating_seeds(run), run)) == 5


def test_no_english_seed_is_both_learned_from_and_validated_with(make_run: MakeRun) -> None:
    found = rating_seeds(make_run(seeds(ENOUGH), seeds(90, "english")))
    training, held_out = ({pair.key for pair in m.english} for m in (found.material, found.held_out_material))
    assert training.isdisjoint(held_out)
    assert len(training | held_out) == 90
    assert 8 <= len(held_out) <= 30  # a fifth


def test_english_seeds_are_no_more_than_the_others_and_taken_by_key(make_run: MakeRun) -> None:
    found = rating_seeds(make_run(seeds(ENOUGH), seeds(2 * ENOUGH, "english")))
    taken = {pair.key for material in (found.material, found.held_out_material) for pair in material.english}
    assert taken == set(seeds(2 * ENOUGH, "english")["pair_id"].sort().head(ENOUGH))


def test_a_seed_with_more_tokens_than_the_evaluator_reads_is_left_out_in_either_language(make_run: MakeRun) -> None:
    long = {"response": pl.when(pl.col("pair_id") == pl.col("pair_id").max()).then(pl.lit("x " * 500))}
    tables = [
        table.with_columns(long["response"].otherwise("response").alias("response"))
        for table in (seeds(ENOUGH), seeds(10, "english"))
    ]
    found = rating_seeds(make_run(*tables, maximum_tokens=128))
    pairs = [*found.training, *found.held_out, *found.material.english, *found.held_out_material.english]
    assert len(pairs) == ENOUGH - 1 + 9
    assert all("x x" not in pair.response for pair in pairs)


def test_at_most_so_many_seeds_are_taken_native_ones_first(make_run: MakeRun) -> None:
    found = rating_seeds(make_run(seeds(20), seeds(20, "english"), maximum_seed_pairs=25))
    keys = {pair.key for pair in (*found.training, *found.held_out)}
    assert keys >= set(seeds(20)["pair_id"])
    assert len(keys) == 25


def test_what_models_write_is_taken_from_the_evaluator_that_is_built(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(seeds(12), constructions=["cut_off", "base_response"])
    written = {"base_response": {key: f"uh {key}" for key in seeds(12)["pair_id"]}}
    calls: list[int] = []

    def write(base: ModelReference, pairs: Sequence[Pair], *_: Any) -> Any:
        calls.append(len(pairs))
        return written, {}

    monkeypatch.setattr(module, "written_responses", write)
    first = rating_seeds(run)
    assert first.material.responses == first.held_out_material.responses == written
    generated = GENERATED.schema.to_frame()
    output = StageOutput(tables={"written": module.as_table(written), "generated": generated})
    built = run.workspace.store.commit("evaluator", "sw", "f", {}, output)
    assert rating_seeds(run, built) == first
    assert calls == [12]


def built(workspace: Workspace, *tables: pl.DataFrame) -> Partition:
    """The stage's partition."""
    found = StageOutput(tables={"seeds": pl.concat(tables)})
    inputs = {"seed_pairs": workspace.store.commit("seed_pairs", "sw", "f", {}, found)}
    return run_stage(workspace, train_and_validate, "sw", inputs).partition


def test_whatever_is_read_tells_how_far_it_is(workspace: Callable[..., Workspace]) -> None:
    """With a real model the held-out rows take a quarter of the stage."""
    here, totals = workspace(signals=["coherence"], constructions=["cut_off", "other_instruction"]), list[int]()

    def progress(done: int, total: int, *, doing: str = "", **_: Any) -> None:
        if doing == "reading signals (order)" and done == total:
            totals.append(total)

    found = StageOutput(tables={"seeds": seeds(20)})
    inputs = {"seed_pairs": here.store.commit("seed_pairs", "sw", "f", {}, found)}
    run_stage(here, train_and_validate, "sw", inputs, progress)
    assert totals == [8, 4], "of the heads, and held out: shuffled pairs have responses that were read"


def test_the_partition_holds_what_rates_and_what_proves_it(workspace: Callable[..., Workspace]) -> None:
    """With signals of words alone, so that nothing is trained."""
    partition = built(workspace(signals=["grounding"]), seeds(120), seeds(20, "english"))
    heads = ("head_level", "head_instruction_quality", "head_pair_fit", "head_right_instruction")
    assert set(partition.tables) == {
        "held_out",
        "shuffled",
        "written",
        "generated",
        "generated_raw",
        "rare_words",
        "neighbours",
        *heads,
    }
    figures = partition.figures
    held_out, shuffled = partition.read("held_out"), partition.read("shuffled")
    assert figures["held_out_rows"] == held_out.height
    assert figures["seed_pairs"] == 120
    assert set(shuffled["construction"]) == {"shuffled"}
    assert figures["rows"] == 0
    assert figures["losses"] == []
    worth = EvaluatorFigures.read(figures).constructions
    assert set(worth) == set(held_out["construction"]) >= {"own", "wrong_language"}
    assert sum(one.held_out for one in worth.values()) == held_out.height
    own, cut = worth["own"], worth["cut_off"]
    assert (own.accuracy_without, own.log_loss_without) == (None, None)
    assert cut.rows > 0
    assert cut.accuracy is not None
    assert cut.accuracy_without is not None
    assert cut.accuracy_without <= cut.accuracy
    assert figures["auc_shuffled"] > 0.9
    assert figures["minimum_accuracy"] == 0.7
    assert figures["may_gate"] == (figures["accuracy"] >= 0.7)
    assert (figures["advice"] == "") == figures["may_gate"]


def test_too_few_held_out_rows_may_not_gate_however_good(workspace: Callable[..., Workspace]) -> None:
    figures = built(workspace(signals=["grounding"], minimum_held_out_rows=5000), seeds(120)).figures
    assert not figures["may_gate"]
    assert figures["advice"].startswith("Not curated: 5000 held-out rows are needed and there are ")


def test_the_level_alone_is_a_signal_that_rates_whole_pairs(workspace: Callable[..., Workspace]) -> None:
    """As in the preset faithful: no signal of the instruction by itself, and every row rated all the same."""
    settings = {"signals": ["level"], "epochs": 0.2, "rank": 2, "constructions": ["other_instruction", "cut_off"]}
    partition = built(workspace(**settings), seeds(40))
    held_out = partition.read("held_out")
    assert held_out.height > 10
    assert held_out["instruction_quality"].to_list() == [0.5] * held_out.height
    assert held_out["p_level_3"].null_count() == 0
    assert list(partition.manifest["folders"]) == ["adapter-level"]


def test_an_evaluator_is_taken_as_it_is_while_nothing_changes(workspace: Callable[..., Workspace]) -> None:
    here = workspace(signals=["grounding"])
    inputs = {"seed_pairs": here.store.commit("seed_pairs", "sw", "f", {}, StageOutput(tables={"seeds": seeds(40)}))}
    first = run_stage(here, train_and_validate, "sw", inputs)
    assert run_stage(here, train_and_validate, "sw", inputs).reused
    again = run_stage(workspace(signals=["grounding"], held_out_share=0.3), train_and_validate, "sw", inputs)
    assert not again.reused
    assert again.partition.version != first.partition.version


def test_what_chooses_candidates_trains_no_rater_anew(tmp_path: Path, tiny_model: ModelReference) -> None:
    """Only how one instruction is written decides what the rating set gets of a model."""
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")

    def identity(**generation: Any) -> dict[str, str | None]:
        sections = {"generation": generation, "evaluator": {"constructions": ["cut_off", "generated"]}}
        sections["diversity"] = {"encoder": "BAAI/bge-m3"}
        workspace = Workspace(tmp_path, overrides=sections, base_model=str(tiny_model.path))
        return files(workspace, workspace.language("sw"))

    assert identity(candidates=9, openings=["Tell me about"], chosen_candidates=1, minimum_gain=2.0) == identity()
    assert identity(guidance=1.0) != identity() != identity(maximum_instruction_characters=50)
