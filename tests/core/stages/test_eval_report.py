"""The stage over a line of a few rows and a tiny model: what arms add, that they are comparable, and what the page says."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.small_line import EVIL, FIGURES, LOSSES, MAP, SEEDS, SELECTION, TABLES
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError
from xinstr_core.reporting.render import render_report
from xinstr_core.schemas.metrics import GOLD_BITS, REPETITION, UNFINISHED, WRONG_LANGUAGE, WRONG_LANGUAGE_LINE
from xinstr_core.schemas.tuned_model import PreferenceFigures
from xinstr_core.settings import TrainingSettings
from xinstr_core.stages.eval_report import evaluate as evaluate_stage
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import Partition, StageOutput
from xinstr_core.training.adapter import Earlier, TrainedAdapter, train_adapter
from xinstr_core.training.rows import Example
from xinstr_core.workspace import Workspace

Evaluate = Callable[..., Partition]
OF_REPLIES = (WRONG_LANGUAGE, WRONG_LANGUAGE_LINE, REPETITION, UNFINISHED)
TRAINING = {"epochs": 1, "batch_rows": 2, "rank": 2, "maximum_tokens": 256}
SIX_ROWS = {"rows": 6, "learning_rate": 1.5e-3, "languages": {"Swahili": 6}}  # the preset's rate
ENGLISH_PAIRS = [
    {
        "instruction": "What does the cow give?",
        "response": "The cow gives milk and the farmer sells it in the morning.",
    },
    {
        "instruction": "Where is the market?",
        "response": "The market is in the middle of the town, beside the old bridge.",
    },
]
FINNISH_PAIRS = [
    {
        "instruction": "What does the cow give?",
        "response": "Lehmä antaa maitoa, ja maanviljelijä myy sen torilla aamulla.",
    },
    {"instruction": "Where is the market?", "response": "Tori sijaitsee kaupungin keskustassa vanhan sillan vieressä."},
]


@pytest.fixture(scope="module")
def adapter(tiny_engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned") / "adapter"
    examples = [Example("one", "### Response:\n", "ugali ni chakula."), Example("two", "### Response:\n", "pilau.")]
    return train_adapter(tiny_engines, examples, TrainingSettings(**TRAINING), folder).folder


@pytest.fixture(scope="module")
def evaluate(tiny_model_folder: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    """Run the stage in a home of its own, with these arms and tables; the tuned model may be of other settings than now."""

    def run(
        wanted: Sequence[str] = (),
        seeds: pl.DataFrame = SEEDS,
        audit: str = "",
        home: Path | None = None,
        gold: str = "",
        evaluation: dict[str, Any] | None = None,
        tuned_by: dict[str, Any] | None = None,
    ) -> Partition:
        home = home or tmp_path_factory.mktemp("home")
        (home / "languages.toml").write_text(
            '[fi]\nname = "Finnish"\nscript = "Latn"\nseeds = "fi.jsonl"\n'
            '[sw]\nname = "Swahili"\nscript = "Latn"\ncorpus = "sw.jsonl"\nseeds = "own.jsonl"\nprompts = "prompts.jsonl"\n',
            "utf-8",
        )
        for name, rows in (("english", ENGLISH_PAIRS), ("fi", FINNISH_PAIRS)):
            (home / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        (home / "sw.jsonl").write_text('{"text": "x"}\n', "utf-8")
        (home / "prompts.jsonl").write_text(
            '{"id": "a", "instruction": "What is ugali?", "prompt_language": "en"}\n'
            '{"id": "b", "instruction": "Ugali ni nini?", "prompt_language": "sw"}\n',
            "utf-8",
        )
        if gold:
            with (home / "languages.toml").open("a", encoding="utf-8") as stream:
                stream.write('gold = "gold.jsonl"\n')
            (home / "gold.jsonl").write_text(gold, "utf-8")
        if audit:
            (home / "audit").mkdir()
            (home / "audit" / "sw.csv").write_text(audit, "utf-8")
        settings = {
            "tuning": TRAINING,
            "evaluation": {
                "arms": list(wanted),
                "maximum_new_tokens": 4,
                "bootstrap_samples": 100,
                **(evaluation or {}),
            },
        }
        workspace = Workspace(home, overrides=settings, base_model=str(tiny_model_folder))
        now = workspace.settings(workspace.language("sw")).tuning
        tuning = now.model_copy(update=tuned_by or {}).model_dump(exclude={"processes"})
        inputs = {
            name: workspace.store.commit(
                name,
                "sw",
                "f",
                {"settings": {"tuning": tuning}},
                StageOutput(
                    tables={**TABLES.get(name, {}), **({"seeds": seeds} if name == "seed_pairs" else {})},
                    folders={"adapter": _copied(adapter, home / "adapter")} if name == "tuned_model" else {},
                    figures=FIGURES[name],
                ),
            )
            for name in evaluate_stage.upstream
        }
        return run_stage(workspace, evaluate_stage, "sw", inputs).partition

    return run


def _page(partition: Partition) -> str:
    """The report of its home, without what draws charts; text as it is read."""
    page = render_report(Workspace(partition.path.parents[2]), "sw")
    return html.unescape(page[: page.rindex("<script>")])


def _copied(folder: Path, to: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, to, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def with_arms(evaluate: Evaluate) -> Partition:
    return evaluate(["bottom_half", "selected", "seed_only"])


@pytest.fixture(scope="module")
def without_arms(evaluate: Evaluate) -> Partition:
    return evaluate()


def test_every_arm_is_tuned_on_as_many_rows_with_the_same_seeds(with_arms: Partition) -> None:
    """Four pairs were selected and seven are free, so a half has three: three pairs and three seeds in every arm."""
    assert with_arms.figures["arms"] == {
        "selected": {"pairs": 3, "seeds": 3, **SIX_ROWS},
        "bottom_half": {"pairs": 3, "seeds": 3, **SIX_ROWS},
        "seed_only": {"pairs": 0, "seeds": 3, **SIX_ROWS},
    }


def test_gaps_compare_tuned_with_base_and_the_selected_arm_with_every_other_on_the_same_cases(
    with_arms: Partition,
) -> None:
    gaps, scores = with_arms.read("gaps"), with_arms.read("scores")
    assert set(gaps.select("arm", "metric", "prompts", "n").rows()) == {
        (arm, metric, prompts, n)
        for arm in ("base", "bottom_half", "seed_only")
        for metric, prompts, n in (
            *((metric.name, prompts, 1) for metric in OF_REPLIES for prompts in ("en", "sw")),
            ("held-out log-likelihood per token", "en", 2),
        )
    }
    likelihood = scores.filter(pl.col("metric").str.contains("likelihood"))
    means = dict(likelihood.group_by("model").agg(pl.col("value").mean()).iter_rows())
    assert set(means) == {"base", "tuned", "selected", "bottom_half", "seed_only"}
    assert set(likelihood["case"]) == {"p0", "p1"}
    for reference, arm in (("tuned", "base"), ("selected", "seed_only")):
        found = gaps.filter((pl.col("arm") == arm) & pl.col("metric").str.contains("likelihood"))
        assert found["difference"].item() == pytest.approx(means[reference] - means[arm], abs=1e-12)


def test_the_better_half_is_compared_with_the_worse_and_a_further_arm_costs_one_training(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = evaluate(["top_half", "bottom_half"], home=tmp_path).read("gaps")
    assert set(found.select("reference", "arm").rows()) == {
        ("tuned", "base"), ("selected", "top_half"), ("selected", "bottom_half"), ("top_half", "bottom_half"),
    }  # fmt: skip
    trained = {}

    def recorded(*given: Any, earlier: Earlier | None, **named: Any) -> TrainedAdapter:
        adapter = train_adapter(*given, earlier=earlier, **named)
        trained[adapter.folder.name] = earlier is None or earlier.identity != adapter.identity
        return adapter

    monkeypatch.setattr("xinstr_core.evaluation.arm_models.train_adapter", recorded)
    evaluate(["top_half", "bottom_half", "random"], home=tmp_path)
    assert trained == {"arm-selected": False, "arm-top_half": False, "arm-bottom_half": False, "arm-random": True}


def test_without_arms_nothing_is_tuned_and_base_and_tuned_are_measured_the_same(
    without_arms: Partition, with_arms: Partition
) -> None:
    assert without_arms.figures["arms"] == {}
    assert set(without_arms.read("gaps").select("reference", "arm").rows()) == {("tuned", "base")}
    of_both = with_arms.read("measures").filter(pl.col("model").is_in(["base", "tuned"]))
    assert without_arms.read("measures").equals(of_both)
    assert len(of_both) == 2 * (2 * (len(OF_REPLIES) + 1) + 1), (
        "the length of replies too, of which neither way is better"
    )


def test_the_page_holds_everything(with_arms: Partition) -> None:
    page = _page(with_arms)
    for part in (
        EVIL,
        "What the selection is worth",
        "none: the seeds repeated",
        "no verdict: fewer than 20 cases",
        "no verdict: too few cases, or none that differ",
        "(no interval)",
        "is the selection more varied than as many pairs drawn at random",
        "Prompts in Swahili",
        "all 7 were English",
        "Confidence, and how often it is right",
        "AUC of pair fit",
        "verb-object pairs",
        "3.25 [2, 4]",
        "Map of 2 instructions",
    ):
        assert part in page, part


def test_the_page_says_nothing_about_what_was_not_done(without_arms: Partition) -> None:
    page = _page(without_arms)
    assert "What the selection is worth" not in page
    assert "Labelled by a person" not in page


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[list[Example]]:
    """The examples of every arm's training, in its order; nothing stops the training itself."""
    seen: list[list[Example]] = []

    def recorded(engines: Any, examples: list[Example], *rest: Any, **more: Any) -> Any:
        seen.append(examples)
        return train_adapter(engines, examples, *rest, **more)

    monkeypatch.setattr("xinstr_core.evaluation.arm_models.train_adapter", recorded)
    return seen


def test_no_arm_learns_a_held_out_row_and_each_row_has_the_prompt_of_its_source(
    evaluate: Evaluate, trainings: list[list[Example]]
) -> None:
    evaluate(["uncurated", "random", "top_half", "seed_only"])
    selected, uncurated, random, top_half, seed_only = ([e.key for e in examples] for examples in trainings)
    assert selected == ["p2", "p3", "p4", "s0", "s1", "s2"]
    # A third of the kept pairs is held out, so of the dropped ones p6 goes too.
    assert uncurated == ["p2", "p3", "p4", "s0", "s1", "s2"]
    assert random == ["p2", "p3", "p4", "s0", "s1", "s2"]
    assert top_half == ["p2", "p3", "p4", "s0", "s1", "s2"]
    assert seed_only == ["s0", "s1", "s2", "s0", "s1", "s2"]
    for examples in trainings:
        assert all(("in the style of an assistant" in e.prompt) is e.key.startswith("s") for e in examples)


def test_rows_too_long_for_the_model_make_room_for_repetitions(
    evaluate: Evaluate, trainings: list[list[Example]]
) -> None:
    long = SEEDS.with_columns(
        response=pl.when(pl.col("pair_id") == "s1").then(pl.lit("maji " * 200)).otherwise("response")
    )
    partition = evaluate(["seed_only"], seeds=long)
    assert [[e.key for e in examples] for examples in trainings] == [
        ["p2", "p3", "p4", "s0", "s2", "p2"],
        ["s0", "s2", "s0", "s2", "s0", "s2"],
    ]
    assert partition.figures["arms"]["seed_only"] == {"pairs": 0, "seeds": 2, **SIX_ROWS}


@pytest.mark.parametrize(
    ("tuned_by", "trained"), [({}, ["arm-seed_only"]), ({"epochs": 2.5}, ["arm-selected", "arm-seed_only"])]
)
def test_the_tuned_model_is_the_selected_arm_where_it_was_made_by_the_same_settings(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tuned_by: dict[str, Any], trained: list[str]
) -> None:
    """All that is selected for training is as much as an arm has; a report can be asked for alone, with other settings."""
    monkeypatch.setitem(TABLES, "diversified_set", {"rows": SELECTION.filter(pl.col("pair_id") != "p5"), "map": MAP})
    arms: list[str] = []

    def recorded(*given: Any, **named: Any) -> TrainedAdapter:
        adapter = train_adapter(*given, **named)
        arms.append(adapter.folder.name)
        return adapter

    monkeypatch.setattr("xinstr_core.evaluation.arm_models.train_adapter", recorded)
    evaluate(["seed_only"], tuned_by=tuned_by)
    assert arms == trained


@pytest.mark.parametrize(("gained", "warned"), [(0.25, True), (0.75, False)], ids=["worse than chance", "better"])
def test_the_page_says_how_the_model_was_made_and_is_asked(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, gained: float, warned: bool
) -> None:
    preference = PreferenceFigures(
        held_out_triples=4, chosen_likelier_before=1.0, chosen_likelier=1.0, margin_accuracy=gained, losses=LOSSES,
        tokens_seen=9, rejected_sides=[], triples={"cut_off": 7, "untuned": 5},
    )  # fmt: skip
    told = {"prompt_format": "chat", "system_text": "Be <b>kind</b>.", "preference": preference}
    monkeypatch.setitem(FIGURES, "tuned_model", FIGURES["tuned_model"].model_copy(update=told))
    partition = evaluate(tuned_by={"averaged_checkpoints": 5, "schedule": "linear"})
    page = _page(partition)
    for part in (
        "it learned from preferences: cut_off 7 (58 %), untuned 5 (42 %)",
        "in the turns of its chat template; with the system text “Be <b>kind</b>.”",
        "lora training, linear schedule, 1 epoch; the mean of its weights at 5 points was kept",
    ):
        assert part in page, part
    line = next(line for line in page.splitlines() if "Of 4 preferences that were held out" in line)
    assert f"in {gained:.0%} (half by chance)".replace("%", " %") in line
    assert ('class="warning"' in line) is warned
    assert "(None is better)" not in page


TRANSFER = {"english_pairs": "english.jsonl", "pinch_rows": 3}


def test_arms_of_transfer_have_as_many_rows_and_steps_and_each_row_asks_for_its_language(
    evaluate: Evaluate, trainings: list[list[Example]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []

    def rated(engines: Any, examples: list[Example], settings: TrainingSettings, *rest: Any, **more: Any) -> Any:
        rates.append(settings.learning_rate)
        trainings.append(examples)
        return train_adapter(engines, examples, settings, *rest, **more)

    monkeypatch.setattr("xinstr_core.evaluation.arm_models.train_adapter", rated)
    partition = evaluate(["english_only", "pinch", "top_half"], evaluation=TRANSFER)
    _, english_only, pinch, _ = trainings
    assert [len(examples) for examples in trainings] == [6, 6, 6, 6]
    assert rates == [1.5e-3, pytest.approx(1.5e-4), 1.5e-3, 1.5e-3]
    first, second = (example.key for example in english_only[:2])
    assert [example.key for example in english_only] == [first, second] * 3
    assert {example.completion for example in english_only} == {pair["response"] for pair in ENGLISH_PAIRS}
    assert [example.key for example in pinch[3:]] == [first, second, first]
    assert [example.completion for example in (pinch[0], pinch[2])] == ["ugali hupikwa.", "pilau hupikwa."]
    assert pinch[1].completion in {pair["response"] for pair in FINNISH_PAIRS}
    asked = [example.prompt.split("Answer in ")[1].split(" and in the style")[0] for example in pinch]
    assert asked == ["Swahili", "Finnish", "Swahili", "English", "English", "English"]
    arms = partition.figures["arms"]
    assert arms["english_only"] == {
        "pairs": 0, "seeds": 2, "rows": 6, "learning_rate": pytest.approx(1.5e-4), "languages": {"English": 6},
    }  # fmt: skip
    assert arms["pinch"] == {
        "pairs": 0, "seeds": 5, **SIX_ROWS, "languages": {"English": 3, "Swahili": 2, "Finnish": 1},
    }  # fmt: skip
    page = _page(partition)
    for part in ("English pairs repeated, at a lower learning rate", "English 3, Swahili 2, Finnish 1"):
        assert part in page, part
    assert {"english_only", "pinch"} < set(partition.read("gaps").filter(reference="selected")["arm"])


def test_an_arm_counts_what_it_was_trained_on_and_no_row_beyond(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [
        {"instruction": f"What is it, {n}?", "response": f"It is house number {n} of the old town."} for n in range(9)
    ]
    monkeypatch.setitem(globals(), "ENGLISH_PAIRS", more)
    arms = evaluate(["english_only", "pinch"], evaluation=TRANSFER).figures["arms"]
    assert (arms["english_only"]["seeds"], arms["english_only"]["rows"]) == (6, 6)
    assert (arms["pinch"]["seeds"], arms["pinch"]["languages"]) == (6, {"English": 3, "Swahili": 2, "Finnish": 1})


def test_the_report_runs_again_when_what_a_pinch_takes_changes_and_only_the_pinch_is_trained_again(
    evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = {}

    def recorded(*given: Any, earlier: Earlier | None, **named: Any) -> TrainedAdapter:
        adapter = train_adapter(*given, earlier=earlier, **named)
        trained[adapter.folder.name] = earlier is None or earlier.identity != adapter.identity
        return adapter

    arms = ["english_only", "pinch", "seed_only"]
    before = evaluate(arms, home=tmp_path, evaluation=TRANSFER)
    monkeypatch.setattr("xinstr_core.evaluation.arm_models.train_adapter", recorded)
    changed = [{"instruction": "What is it?", "response": "Se on vanha talo, jossa asuu monta kissaa ja koiraa."}]
    monkeypatch.setitem(globals(), "FINNISH_PAIRS", changed)
    after = evaluate(arms, home=tmp_path, evaluation=TRANSFER)
    assert before.fingerprint != after.fingerprint
    assert trained == {
        "arm-selected": False, "arm-english_only": False, "arm-pinch": True, "arm-seed_only": False,
    }  # fmt: skip


def test_english_seeds_of_the_language_serve_where_no_file_is_named(
    evaluate: Evaluate, trainings: list[list[Example]]
) -> None:
    english = SEEDS.with_columns(pl.lit("english").alias("origin"), pl.col("pair_id").str.replace("s", "e"))
    evaluate(["english_only"], seeds=pl.concat([SEEDS, english]))
    assert [example.key for example in trainings[-1]] == ["e0", "e1", "e2", "e0", "e1", "e2"]


@pytest.mark.parametrize(
    ("arms", "evaluation", "said"),
    [
        (["english_only"], {}, "arm english_only needs English pairs"),
        (["pinch"], {"english_pairs": "english.jsonl"}, "arm pinch has 6 rows, so 40 of other languages are no pinch"),
        (["english_only"], {"english_pairs": "none.jsonl"}, r"none\.jsonl"),
    ],
)
def test_what_an_arm_of_transfer_lacks_is_told_before_anything_is_trained(
    evaluate: Evaluate, trainings: list[list[Example]], arms: list[str], evaluation: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        evaluate(arms, evaluation=evaluation)
    assert trainings == []


def test_the_arm_of_seeds_alone_needs_seeds_in_the_language(evaluate: Evaluate) -> None:
    with pytest.raises(InputError, match="seed_only needs seed pairs with responses in Swahili"):
        evaluate(["seed_only"], seeds=SEEDS.with_columns(origin=pl.lit("english")))


LABELS = "pair_id,instruction_clear,answers,natural,level,remark\np0,yes,yes,yes,3,\np9,no,no,maybe,,<b>x</b>\n"
HALF_FILLED = LABELS.replace("p0,yes,yes,yes,3,", "p0,,,,,").replace("no,no,maybe", ",,")


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (LABELS, ("2 of 2 pairs labelled; 1 cells could not be read", "precision (level 3 of what was kept)")),
        (HALF_FILLED, ("sw.csv: nothing is labelled",)),
        ("no table at all", ("sw.csv has no column pair_id",)),
    ],
)
def test_labels_of_a_person_stand_in_the_report_however_far_they_are(
    evaluate: Evaluate, labels: str, shown: tuple[str, ...]
) -> None:
    page = _page(evaluate(audit=labels))
    assert "Labelled by a person" in page
    for part in shown:
        assert part in page, part


def test_labelling_makes_the_report_stale(tmp_path: Path) -> None:
    (tmp_path / "languages.toml").write_text('[sw]\nname = "Swahili"\nscript = "Latn"\n', "utf-8")
    workspace = Workspace(tmp_path)
    before = evaluate_stage.files(workspace, workspace.language("sw"))
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "sw.csv").write_text(LABELS, "utf-8")
    after = evaluate_stage.files(workspace, workspace.language("sw"))
    assert (before["audit"], after["audit"]) == (None, tmp_path / "audit" / "sw.csv")


def test_gold_pairs_are_measured_but_for_those_that_are_seeds(evaluate: Evaluate) -> None:
    own = SEEDS.row(0, named=True)
    gold = "".join(
        f'{{"instruction": "What is it?", "response": "{text}"}}\n'
        for text in (own["response"], "Wali wa nazi.", "Chai.")
    )
    found = evaluate(gold=gold).read("measures").filter(metric=GOLD_BITS.name)
    assert found.select("model", "prompts", "n", "better").rows() == [
        ("base", "en", 2, "lower"),
        ("tuned", "en", 2, "lower"),
    ]
    assert found["value"].min() > 0
