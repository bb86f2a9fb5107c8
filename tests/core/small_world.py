"""A home in which something is built of everything that the catalogue has a view of: few rows, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.catalogue import build_catalogue
from xinstr_core.schemas import candidate_pairs, diversified_set, eval_report, raw_corpus, refined_pairs
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.metrics import HELD_OUT_LIKELIHOOD, WRONG_LANGUAGE
from xinstr_core.store import StageOutput, Store

Rows = Sequence[Mapping[str, Any]]
NOON, ONE = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (12, 13))


def write_small_world(root: Path) -> Store:
    """Swahili in a store: three texts of which one is a near-duplicate of a refused fourth, two kept pairs, two builds."""
    store = Store(root)
    texts = {"d1": "Chakula cha kwanza.", "d2": "Safari ya pili.", "d3": "Kazi ya tatu."}
    asked = {"p1": "How is ugali cooked?", "p2": "How do I reach Moshi?", "p3": "How is ugali cooked?"}
    documents = [
        {
            "doc_id": key,
            "text": text,
            "url": f"https://a.example/{key}",
            "licence": "CC BY 4.0",
            "place": f"sw.jsonl:{key[1]}",
        }
        for key, text in texts.items()
    ]
    rejected = {"place": "sw.jsonl:128", "reason": "near_duplicate", "value": "d1 0.865", "threshold": "0.741"}
    _commit(store, {raw_corpus.DOCUMENTS: documents, raw_corpus.REJECTED: [rejected]})
    pairs = [
        {"pair_id": pair, "doc_id": f"d{pair[1]}", "instruction": text, "response": texts[f"d{pair[1]}"]}
        for pair, text in asked.items()
    ]
    _commit(store, {candidate_pairs.PAIRS: [{**pair, "status": "accepted"} for pair in pairs]})
    rated = [
        {**pair, "p_level_3": p, "verdict": verdict, "kept": verdict == "kept"}
        for pair, p, verdict in zip(pairs, (0.99, 0.95, 0.89), ("kept", "kept", "below_level_3"), strict=True)
    ]
    _commit(store, {refined_pairs.PAIRS: rated})
    selected = [{**pair, "cluster_id": 7, "split": "train"} for pair in pairs[:2]]
    _commit(store, {diversified_set.SELECTED: selected})
    _commit(store, _measured())
    _remember(store)
    build_catalogue(store)
    return store


def _measured() -> dict[Table, Rows]:
    reply = {"model": "tuned", "prompt_id": "q1", "prompt_language": "en", "instruction": "Hi?", "reply": "No Swahili."}
    score = {"model": "tuned", "prompts": "en", "case": "q1", "value": 1.0, "better": "lower"}
    audit = {"aspect": "level", "measure": "same level", "value": 0.75, "low": 0.5, "high": 0.9, "n": 20}
    return {
        eval_report.REPLIES: [reply, {**reply, "model": "base"}],
        # The second is of the same case, and no score of its reply.
        eval_report.SCORES: [
            {**score, "metric": WRONG_LANGUAGE.name},
            {**score, "metric": HELD_OUT_LIKELIHOOD.name},
            {**score, "metric": WRONG_LANGUAGE.name, "model": "base", "value": 0.0},
        ],
        eval_report.AUDIT: [audit],
    }


def _commit(store: Store, tables: Mapping[Table, Rows]) -> None:
    asset = next(iter(tables)).asset
    found = {table.name: table.frame([{**_anything(table), **row} for row in rows]) for table, rows in tables.items()}
    store.commit(asset, "sw", "f", {}, StageOutput(tables=found))


def _anything(table: Table) -> dict[str, Any]:
    """A row of a table without a meaning: what a test says nothing of."""
    values: dict[Any, Any] = {pl.String: "x", pl.Boolean: False}
    found = {c.name: None if c.nullable else values.get(c.dtype, 1) for c in table.columns if not c.optional}
    return {**found, "language": "sw"}


def _remember(store: Store) -> None:
    """Two builds of the selection, the second with another setting; the first had a figure that the second has not."""
    before = {"clusters": 3, "funnel.kept": 4, "funnel.lost.unread": 1, "seconds": 9}
    now = {"clusters": 3, "funnel.kept": 2, "seconds": 8, "peak_memory": 100}
    now |= {"engines.encoder.rows": 3, "engines.encoder.prompt_tokens": 40, "engines.encoder.completion_tokens": 0}
    now |= {"engines.encoder.seconds": 1.5, "engines.encoder.money": 0.25}
    rows = [
        {
            "time": time,
            "changed_settings": changed,
            "figure": figure,
            "value": float(value),
            "fingerprint": f"f{time.hour}",
        }
        for time, changed, figures in ((NOON, "", before), (ONE, "diversity.target_rows=2", now))
        for figure, value in figures.items()
    ]
    whole = [{"language": "sw", "asset": diversified_set.ASSET, "preset": "pocket", **row} for row in rows]
    HISTORY.frame(whole).write_parquet(store.path(diversified_set.ASSET, "sw") / "history.parquet")
