"""The stage over a few rows and a tiny model: what it learned from, and preferences as a step that is off unless asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.core.conftest import Killed
from xinstr_core.catalogue import CATALOGUE, build_catalogue
from xinstr_core.engines.models import adapter_hash
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.identity import content_key
from xinstr_core.schemas.diversified_set import SELECTED
from xinstr_core.schemas.evaluator import WRITTEN
from xinstr_core.schemas.seed_pairs import SEEDS
from xinstr_core.schemas.tuned_model import PREFERENCES, TUNED_MODEL
from xinstr_core.stages.stage import run_stage
from xinstr_core.stages.tuned_model import tune
from xinstr_core.store import Partition, StageOutput, Store
from xinstr_core.workspace import Workspace

Tune = Callable[..., Partition]
DISHES = ("ugali", "pilau", "chapati", "mandazi", "githeri", "samaki", "maharage", "irio")
SETTINGS = {"epochs": 1, "batch_rows": 2, "rank": 2, "maximum_tokens": 1024, "preference_learning_rate": 1e-3}
KINDS = ["other_text", "wrong_language", "language_switch", "cut_off", "weaker", "untuned"]


def selected(number: int, dish: str) -> dict[str, Any]:
    return {
        "language": "sw", "pair_id": content_key(dish), "doc_id": f"d{number}", "instruction": f"What is {dish}?",
        "response": f"{dish} ni chakula kizuri. Watu wengi wanakipenda.", "rating": 2.5, "cluster_id": 0,
        "distance_to_centre": 0.0, "rank_in_cluster": number, "topic": None, "split": "train" if number < 6 else "heldout",
        "source_tag": "web",
    }  # fmt: skip


def seed(key: str, response: str, origin: str, original: str | None = None) -> dict[str, Any]:
    return {
        "language": "sw", "pair_id": key, "instruction": f"Tell me about {key}.", "response": response, "source": "",
        "licence": "", "native": origin == "native", "origin": origin, "original": original, "translator": None,
    }  # fmt: skip


TABLES = {
    "diversified_set": {"rows": SELECTED.frame([selected(number, dish) for number, dish in enumerate(DISHES)])},
    "seed_pairs": {
        "seeds": SEEDS.frame(
            [
                seed("chai", "Chai ni kinywaji cha moto.", "native"),
                seed("maji", "Maji ni uhai wa kila mtu.", "parallel", "Water is the life of everybody."),
                seed("tea", "Tea is a hot drink.", "english"),
            ]
        )
    },
    "evaluator": {
        "written": WRITTEN.frame([{"construction": "weaker_response", "pair_id": "chai", "written": "Chai chai."}])
    },
}


@pytest.fixture
def tuned(tiny_model_folder: Path, home: Path) -> Tune:
    """Run the stage with these settings of tuning, over what came before."""

    def run(progress: Any = lambda *_, **__: None, **settings: Any) -> Partition:
        workspace = Workspace(home, overrides={"tuning": SETTINGS | settings}, base_model=str(tiny_model_folder))
        inputs = {
            name: workspace.store.commit(name, "sw", "f", {}, StageOutput(tables=TABLES[name]))
            for name in tune.upstream
        }
        return run_stage(workspace, tune, "sw", inputs, progress).partition

    return run


def test_without_kinds_nothing_is_preferred(tuned: Tune) -> None:
    found = tuned()
    assert found.read_figures(TUNED_MODEL.figures).preference is None
    assert found.read("preferences").is_empty()
    assert sorted(found.folders) == ["adapter", "tokenizer"]
    assert found.read("training_rows").height == 8


def test_triples_are_a_table_of_their_own(tuned: Tune) -> None:
    found = tuned(preferences=KINDS, preference_triples=12)
    use = found.cost["engines"]["writer"]
    assert use["rows"] == len(found.read("untuned")) > 0, "its cost tells what the base model wrote"
    assert min(use["prompt_tokens"], use["completion_tokens"], use["seconds"]) > 0
    rows = found.read("preferences")
    assert Counter(rows["kind"]) == dict.fromkeys(KINDS, 2) | {"other_text": 3, "weaker": 1}
    assert rows.columns == [column.name for column in PREFERENCES.columns]
    taught = {row["pair_id"]: row for table in ("rows", "seeds") for row in TABLES[_asset(table)][table].to_dicts()}
    for row in rows.iter_rows(named=True):
        assert row["instruction"] == taught[row["pair_id"]]["instruction"]
        assert row["chosen"] == taught[row["pair_id"]]["response"] != row["rejected"]
        assert row["source_tag"] == taught[row["pair_id"]].get("source_tag", "seed")
    [weaker] = rows.filter(kind="weaker").iter_rows(named=True)
    assert (weaker["pair_id"], weaker["rejected_id"], weaker["rejected"]) == ("chai", "chai", "Chai chai.")
    foreign = rows.filter(kind="wrong_language").select("rejected_id", "rejected")
    assert set(foreign.iter_rows()) <= {("maji", "Water is the life of everybody."), ("tea", "Tea is a hot drink.")}
    figures = found.read_figures(TUNED_MODEL.figures)
    assert figures.preference is not None
    assert figures.preference.triples == dict(sorted(Counter(rows["kind"]).items()))


def _asset(table: str) -> str:
    return {"rows": "diversified_set", "seeds": "seed_pairs"}[table]


def test_preferences_go_on_from_the_model_that_was_tuned_without(tuned: Tune) -> None:
    """So switching them on and off trains the pairs once, and gives the same bytes."""
    plain = tuned()
    before = adapter_hash(plain.folder("adapter"))
    preferred = tuned(preferences=["cut_off"], preference_triples=8)
    assert adapter_hash(preferred.folder("adapter-before-preferences")) == before
    assert adapter_hash(preferred.folder("adapter")) != before
    steps: list[int] = []
    again = tuned(progress=lambda done, *_, **__: steps.append(done))
    assert adapter_hash(again.folder("adapter")) == before
    assert steps == []


def test_what_the_base_model_wrote_is_kept_for_a_later_run(tuned: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tuned(preferences=["untuned"], preference_triples=4)
    monkeypatch.setattr(TransformersEngine, "generate", None)
    again = tuned(preferences=["untuned"], preference_triples=4, preference_beta=0.5)
    assert again.read("preferences").equals(first.read("preferences"))
    assert again.read("untuned").equals(first.read("untuned"))


def test_a_stage_killed_among_its_preferences_ends_with_the_same_bytes(tuned: Tune, home: Path) -> None:
    wanted = {"preferences": ["cut_off", "other_text"], "preference_triples": 16, "preference_epochs": 4}
    folder = home / "data" / "tuned_model" / "language=sw"

    def kill(*_: Any, **__: Any) -> None:
        if list(folder.glob("unfinished/*/adapter-checkpoints/checkpoint-*/complete")):
            raise Killed

    with pytest.raises(Killed):
        tuned(progress=kill, **wanted)
    steps: list[int] = []
    resumed = tuned(progress=lambda done, *_, **__: steps.append(done), **wanted)
    assert steps[0] >= 20
    hashes = resumed.manifest["folders"]
    resumed_adapter = adapter_hash(resumed.folder("adapter"))
    (folder / "manifest.json").unlink()
    whole = tuned(**wanted)
    assert adapter_hash(whole.folder("adapter")) == resumed_adapter
    assert whole.manifest["folders"] == hashes


def test_a_kind_without_material_is_told_before_anything_is_trained(tuned: Tune, home: Path) -> None:
    with pytest.raises(InputError, match=r'^tuning.preferences names weaker, and no pair .*: add "weaker_response" to'):
        tuned(preferences=["weaker"], include_seeds=False)
    assert not list((home / "data" / "tuned_model").rglob("adapter*"))


def test_all_weights_are_kept_once(tuned: Tune) -> None:
    found = tuned(preferences=["cut_off"], preference_triples=4, method="full")
    assert sorted(found.folders) == ["adapter", "tokenizer"]


def test_the_view_has_the_triples(tuned: Tune, home: Path) -> None:
    tuned(preferences=["cut_off"], preference_triples=4)
    build_catalogue(Store(home / "data"))
    with duckdb.connect(str(home / "data" / CATALOGUE), read_only=True) as connection:
        assert connection.execute("SELECT count(*), min(kind), min(language) FROM preferences").fetchall() == [
            (4, "cut_off", "sw")
        ]
