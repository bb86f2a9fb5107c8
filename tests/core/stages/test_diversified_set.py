"""The stage: what is selected, what it leaves in its partition, and what a second run does again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import polars as pl
import pytest

from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.schemas.diversified_set import MAP, REJECTED, SELECTED
from xinstr_core.stages.diversified_set import select
from xinstr_core.stages.stage import run_stage
from xinstr_core.store import Partition, StageOutput
from xinstr_core.workspace import Workspace

INTENTS = ("cook rice", "reach town", "grow beans", "mend a chair")
DIVERSITY: dict[str, Any] = {
    "method": "clusters",
    "target_rows": 24,
    "rows_per_cluster": 6,
    "held_out_rows": 4,
    "maximum_similarity": 1.0,
    "map_rows": 8,
}
asked: list[str] = []


def encode(texts: Sequence[str]) -> Any:
    """Vectors by a text's intent, with a little noise of its own; "broken" has none, "unknown" raises."""
    asked.extend(texts)
    vectors = []
    for text in texts:
        if "unknown" in text:
            raise ValueError("no vector for this")
        noise = numpy.random.default_rng(sum(map(ord, text))).normal(size=16)
        intent = next((place for place, words in enumerate(INTENTS) if words in text), len(INTENTS))
        vector = 3 * numpy.eye(16)[intent] + noise * 0.5
        vectors.append(vector / numpy.linalg.norm(vector) * (numpy.nan if "broken" in text else 1))
    return numpy.array(vectors, dtype=numpy.float32)


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    asked.clear()
    monkeypatch.setattr(Engines, "encoder", lambda self: lambda: encode)


def pairs(count: int = 100, *instructions: str) -> pl.DataFrame:
    """Four fifths of the rows ask for the first intent."""
    texts = [f"How to {INTENTS[0 if i % 5 else 1 + i // 5 % 3]} number {i}?" for i in range(count)]
    texts += instructions
    return pl.DataFrame(
        {
            "language": "sw",
            "pair_id": [f"{i:03}" for i in range(len(texts))],
            "doc_id": [f"d{i}" for i in range(len(texts))],
            "instruction": texts,
            "response": [f"jibu {i}" for i in range(len(texts))],
            "rating": [1.5 + i % 7 / 5 for i in range(len(texts))],
            "kept": [True] * len(texts),
        },
        schema_overrides={"pair_id": pl.String, "instruction": pl.String, "rating": pl.Float64, "kept": pl.Boolean},
    )


def build(home: Path, model: ModelReference, rows: pl.DataFrame, **changed: Any) -> Partition:
    workspace = Workspace(home, overrides={"diversity": {**DIVERSITY, **changed}}, base_model=str(model.path))
    refined = workspace.store.commit("refined_pairs", "sw", "f", {}, StageOutput(tables={"pairs": rows}))
    return run_stage(workspace, select, "sw", {"refined_pairs": refined}).partition


def test_the_selection_is_even_and_its_tables_tell_all(home: Path, tiny_model: ModelReference) -> None:
    built = build(home, tiny_model, pairs(), map_rows=1000)
    rows = built.read("rows")
    assert rows.schema == SELECTED.schema
    train, held_out = (rows.filter(pl.col("split") == split) for split in ("train", "heldout"))
    assert (train.height, held_out["pair_id"].to_list()) == (24, ["000", "001", "002", "003"])
    intents = Counter(next(i for i in INTENTS if i in text) for text in train["instruction"])
    assert set(intents) == set(INTENTS)
    assert intents[INTENTS[0]] < 0.8 * 24
    assert set(train["cluster_id"].value_counts()["count"]) <= {5, 6, 7}
    assert rows["topic"].null_count() == rows.height
    assert built.read("embeddings").height == 100
    assert built.read("rejected").schema == REJECTED.schema
    points = built.read("map")
    assert points.schema == MAP.schema
    assert points.filter("selected")["pair_id"].to_list() == train["pair_id"].to_list()
    assert points.height == 96
    assert built.figures["funnel"] == {"taken": 100, "lost": {"held out": 4, "not selected": 72}, "kept": 24}
    assert built.figures["clusters"] == 4
    measured = built.figures["diversity"]
    assert measured["selected"]["cluster_entropy"] > measured["random"]["cluster_entropy"]["high"]


def test_the_same_rows_in_another_order_give_the_same_bytes(home: Path, tiny_model: ModelReference) -> None:
    versions = set()
    for seed in range(3):
        other = home / str(seed)
        other.mkdir()
        (other / "languages.toml").write_text((home / "languages.toml").read_text("utf-8"), "utf-8")
        versions.add(build(other, tiny_model, pairs().sample(fraction=1, shuffle=True, seed=seed)).version)
    assert len(versions) == 1


def test_rows_without_a_vector_are_rejected_with_the_reason_and_cost_no_other_row(
    home: Path, tiny_model: ModelReference
) -> None:
    built = build(home, tiny_model, pairs(100, "A broken one", "An unknown one"))
    assert built.read("rejected").select("pair_id", "reason").rows() == [
        ("100", "its vector has numbers that are not finite"),
        ("101", "ValueError: no vector for this"),
    ]
    assert built.figures["funnel"]["lost"]["no embedding"] == 2
    assert built.read("rows").filter(pl.col("split") == "train").height == 24
    assert not set(built.read("rows")["pair_id"]) & {"100", "101"}
    clean = home / "clean"
    clean.mkdir()
    (clean / "languages.toml").write_text((home / "languages.toml").read_text("utf-8"), "utf-8")
    assert (
        build(clean, tiny_model, pairs()).read("rows")["pair_id"].to_list() == built.read("rows")["pair_id"].to_list()
    )


def test_another_setting_embeds_nothing_again_and_new_rows_only_themselves(
    home: Path, tiny_model: ModelReference
) -> None:
    build(home, tiny_model, pairs())
    asked.clear()
    changed = build(home, tiny_model, pairs(), method="mmr")
    assert (asked, changed.figures["embeddings_computed"]) == ([], 0)
    grown = build(home, tiny_model, pairs(100, "How to reach town again?"))
    assert asked == ["How to reach town again?"]
    assert grown.figures["embeddings_computed"] == 1


def test_near_duplicates_are_counted_and_topics_named(home: Path, tiny_model: ModelReference) -> None:
    alike = build(
        home,
        tiny_model,
        pairs(40, *["How to mend a chair, please?"] * 30),
        target_rows=60,
        held_out_rows=0,
        maximum_similarity=0.999,
    )
    assert alike.figures["funnel"]["lost"]["near duplicate"] >= 29
    assert alike.read("rows")["instruction"].to_list().count("How to mend a chair, please?") == 1
    capped = build(home, tiny_model, pairs(), maximum_topic_share=0.5)
    rows = capped.read("rows").filter(pl.col("split") == "train")
    assert rows["topic"].null_count() == 0
    assert max(capped.figures["topics"].values()) <= 0.5
    assert sum(capped.figures["topics"].values()) == pytest.approx(1, abs=0.01)


def test_a_selection_that_topics_made_smaller_says_so(home: Path, tiny_model: ModelReference) -> None:
    starved = build(home, tiny_model, pairs(), maximum_topic_share=0.01)
    topics = len(starved.figures["topics"])
    assert starved.figures["funnel"]["kept"] == topics < 24
    assert starved.figures["advice"].endswith(
        f" At most 0.01 of the selection for a topic, which {topics} topics cannot have, so {topics} pairs were selected "
        "where 24 could be: raise diversity.maximum_topic_share for more."
    )


def test_a_selection_of_few_pairs_is_warned_of(home: Path, tiny_model: ModelReference) -> None:
    few, enough = build(home, tiny_model, pairs(10)), build(home, tiny_model, pairs(80), target_rows=60)
    assert few.figures["advice"].startswith(
        "Only 9 pairs were selected: a model tuned on fewer than 50 shows that the "
    )
    assert (enough.figures["funnel"]["kept"], enough.figures["advice"]) == (60, "")


def test_no_kept_pairs_give_empty_tables(home: Path, tiny_model: ModelReference) -> None:
    built = build(home, tiny_model, pairs(0))
    schemas = {"rows": SELECTED.schema, "rejected": REJECTED.schema, "map": MAP.schema}
    assert {name: built.read(name).schema for name in schemas} == schemas
    assert built.figures["funnel"]["kept"] == 0
    assert asked == []


@pytest.mark.parametrize("count", [1, 2, 3, 11])
def test_a_few_kept_pairs_are_enough(home: Path, tiny_model: ModelReference, count: int) -> None:
    built = build(home, tiny_model, pairs(count))
    assert built.read("rows").height == count


def test_other_files_of_an_encoder_make_the_partition_stale(home: Path, tiny_model: ModelReference) -> None:
    folder = home / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_text("one", "utf-8")
    first = build(home, tiny_model, pairs(), encoder=str(folder))
    (folder / "model.safetensors").write_text("two", "utf-8")
    asked.clear()
    second = build(home, tiny_model, pairs(), encoder=str(folder))
    assert first.fingerprint != second.fingerprint
    assert len(asked) == 100
