"""Homes with the set of a language that nothing had to be built for: partitions as the stages leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.exporting.export import Exported, export_dataset
from xinstr_core.schemas import candidate_pairs, refined_pairs
from xinstr_core.schemas.candidate_pairs import CandidateFigures, CandidateFunnel
from xinstr_core.schemas.declaration import Figures, Table
from xinstr_core.schemas.diversified_set import SELECTED, SelectionFigures, SelectionFunnel
from xinstr_core.schemas.eval_report import GAPS, MEASURES, SCORES, ReportFigures
from xinstr_core.schemas.evaluator import EvaluatorFigures
from xinstr_core.schemas.raw_corpus import DOCUMENTS, CorpusFigures, CorpusFunnel
from xinstr_core.schemas.refined_pairs import PairFunnel, RefinedFigures, RoundFigures
from xinstr_core.schemas.reverse_model import ReverseModelFigures
from xinstr_core.schemas.seed_pairs import SEEDS, SeedFigures, SeedFunnel
from xinstr_core.schemas.tuned_model import PREFERENCES, TRAINING_ROWS, TunedFigures
from xinstr_core.store import Partition, StageOutput
from xinstr_core.workspace import Workspace

REGISTRY = '[sw]\nname = "Swahili"\nscript = "Latn"\n\n[zh-hant]\nname = "Chinese"\nscript = "Hant"\n'
TRAINED = {"rows": 2, "tokens_seen": 20, "losses": [], "rejected_rows": []}
MEASURED = {
    "held_out_rows": 30,
    "accuracy": 0.8,
    "log_loss": 0.5,
    "calibration_error": 0.1,
    "confusion": [[8, 1, 1], [1, 8, 1], [1, 1, 8]],
    "reliability": [],
}


@dataclass(frozen=True)
class Pair:
    """A selected pair: what differs between the rows of a test."""

    licence: str = "CC-BY-4.0"
    split: str = "train"
    source: str = "wiki"
    response: str = ""


@dataclass(frozen=True)
class BuiltHome:
    """Builds the set of one language into a home, stage by stage; what differs from a plain one is given."""

    home: Path
    tag: str = "sw"
    pairs: Sequence[Pair] = (Pair(), Pair(), Pair(split="heldout"))
    triples: Sequence[tuple[str, str, str]] = ()  # kind, key of the pair, key of the other side
    curated: bool = True
    optional: tuple[str, ...] = ()
    base_model: str = "pocket"
    corpus: str = "texts"
    seed_origin: str = "native"
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # settings by asset
    rounds: Sequence[tuple[int, bool]] = ()  # number, whether it counts
    time: str = "2026-01-01T00:00:00+00:00"
    up_to: str = "eval_report"
    made: dict[str, Partition] = field(default_factory=dict)

    def build(self) -> Workspace:
        self.home.mkdir(exist_ok=True)
        (self.home / "languages.toml").write_text(REGISTRY, "utf-8")
        for asset, build in {
            "raw_corpus": self._corpus,
            "seed_pairs": self._seeds,
            "reverse_model": self._reverse,
            "candidate_pairs": self._candidates,
            "evaluator": self._evaluator,
            "refined_pairs": self._refined,
            "diversified_set": self._selected,
            "tuned_model": self._tuned,
            "eval_report": self._report,
        }.items():
            tables, figures = build()
            self.commit(asset, tables, figures)
            if asset == self.up_to:
                break
        return Workspace(self.home)

    def commit(self, asset: str, tables: Mapping[Table, Sequence[Mapping[str, Any]]], figures: Figures) -> None:
        takes = {
            "reverse_model": ("seed_pairs",),
            "candidate_pairs": ("raw_corpus", "seed_pairs", "reverse_model"),
            "evaluator": ("seed_pairs",),
            "refined_pairs": ("candidate_pairs", "evaluator"),
            "diversified_set": ("refined_pairs",),
            "tuned_model": ("diversified_set", "seed_pairs"),
            "eval_report": ("diversified_set", "tuned_model"),
        }.get(asset, ())
        parts = {
            "stage": asset,
            "model": "fingerprint-of-base",
            "settings": {"corpus": {"refuse_personal_data": True}},
            "inputs": {name: self.made[name].version for name in takes},
        }
        frames = {table.name: self.frame(table, rows) for table, rows in tables.items()}
        built = {
            "time": self.time,
            "preset": "pocket",
            "base_model": self.base_model,
            "changed": self.changed.get(asset, {}),
            "corpus": self.corpus,
        }
        output = StageOutput(tables=frames, figures=figures, built=built)
        self.made[asset] = Workspace(self.home).store.commit(asset, self.tag, f"f-{asset}", parts, output)

    def frame(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Rows of a table; what a row does not say is null, or a plain value where there has to be one."""
        plain: dict[Any, Any] = {pl.String: "x", pl.Float64: 0.5, pl.Int64: 1, pl.Int32: 1, pl.Boolean: True}
        columns = [column for column in table.columns if not column.optional or column.name in self.optional]
        filled = [{c.name: row.get(c.name, None if c.nullable else plain[c.dtype]) for c in columns} for row in rows]
        return pl.DataFrame(filled, schema={c.name: c.dtype for c in columns})

    def keys(self, number: int) -> dict[str, Any]:
        pair = self.pairs[number]
        response = pair.response or f"Jibu la {number}."
        return {
            "language": self.tag,
            "pair_id": f"p{number:03}",
            "doc_id": f"d{number:03}",
            "instruction": f"What is thing {number}?",
            "response": response,
        }

    def _corpus(self) -> tuple[Any, Figures]:
        rows = [
            {
                **self.keys(n),
                "text": self.keys(n)["response"],
                "source": pair.source,
                "url": f"https://example.org/{n}",
                "licence": pair.licence,
            }
            for n, pair in enumerate(self.pairs)
        ]
        funnel = CorpusFunnel(taken=len(rows) + 1, lost={"too_short": 1}, kept=len(rows))
        return {DOCUMENTS: rows}, CorpusFigures(records=9, funnel=funnel, passed_over={}, identifiers=2, licences={})

    def _seeds(self) -> tuple[Any, Figures]:
        rows = [
            {
                "language": self.tag,
                "pair_id": "s1",
                "instruction": "Who cooks?",
                "response": "Mama anapika.",
                "source": "aya",
                "licence": "Apache-2.0",
                "origin": self.seed_origin,
            },
            {
                "language": self.tag,
                "pair_id": "s2",
                "instruction": "Who sings?",
                "response": "She sings.",
                "source": "dolly",
                "licence": "CC-BY-SA-3.0",
                "origin": "english",
            },
        ]
        funnel = SeedFunnel(taken=2, lost={}, kept=2)
        figures = SeedFigures(
            seed_pairs=2, native=1, english_only=False, by_origin={"native": 1, "english": 1}, funnel=funnel
        )
        return {SEEDS: rows}, figures

    def _reverse(self) -> tuple[Any, Figures]:
        return {}, ReverseModelFigures(**TRAINED, seed_pairs_by_origin={"native": 1})

    def _candidates(self) -> tuple[Any, Figures]:
        rows = [
            {**self.keys(n), "status": "accepted", "gain": 1.5, "prompt_version": "reverse-1"}
            for n in range(len(self.pairs))
        ]
        funnel = CandidateFunnel(taken=len(rows), lost={}, kept=len(rows))
        figures = CandidateFigures(
            funnel=funnel, documents=len(rows), flawed_texts={}, prompt_tokens=1, completion_tokens=1
        )
        return {candidate_pairs.PAIRS: rows}, figures

    def _evaluator(self) -> tuple[Any, Figures]:
        return {}, EvaluatorFigures(**TRAINED, **MEASURED, seed_pairs=2, minimum_accuracy=0.7, may_gate=True)

    def _refined(self) -> tuple[Any, Figures]:
        verdict = "kept" if self.curated else "not_curated"
        rated = {
            "p_level_1": 0.1,
            "p_level_2": 0.2,
            "p_level_3": 0.7,
            "rating": 2.6,
            "instruction_quality": 0.9,
            "pair_fit": 0.8,
            "right_instruction": 0.5,
        }
        rows = [{**self.keys(n), **rated, "verdict": verdict} for n in range(len(self.pairs))]
        funnel = PairFunnel(taken=len(rows), lost={}, kept=len(rows))
        rounds = [
            RoundFigures(**MEASURED, round=number, used=used, outcome="used", mean_probabilities=[0.1, 0.2, 0.7])
            for number, used in self.rounds
        ]
        return {refined_pairs.PAIRS: rows}, RefinedFigures(funnel=funnel, curated=self.curated, rounds=rounds)

    def _selected(self) -> tuple[Any, Figures]:
        rows = [
            {
                **self.keys(n),
                "rating": 2.6,
                "cluster_id": n % 2,
                "distance_to_centre": 0.25,
                "split": pair.split,
                "source_tag": "web",
            }
            for n, pair in enumerate(self.pairs)
        ]
        funnel = SelectionFunnel(taken=len(rows), lost={}, kept=len(rows))
        figures = SelectionFigures(funnel=funnel, clusters=2, topics={}, embeddings_computed=0, diversity=None)
        return {SELECTED: rows}, figures

    def _tuned(self) -> tuple[Any, Figures]:
        texts = {row["pair_id"]: row for row in (self.keys(n) for n in range(len(self.pairs)))}
        texts["s1"] = {"instruction": "Who cooks?", "response": "Mama anapika."}
        triples = [
            {
                "language": self.tag,
                "triple_id": f"t{number}",
                "kind": kind,
                "pair_id": key,
                "instruction": texts[key]["instruction"],
                "chosen": texts[key]["response"],
                "rejected_id": other,
                "rejected": f"worse {number}",
                "source_tag": "seed" if key.startswith("s") else "web",
                "split": "train",
            }
            for number, (kind, key, other) in enumerate(self.triples)
        ]
        learned = [{"pair_id": key, "source_tag": "web", "origin": "web"} for key in texts if key != "s1"]
        learned.append({"pair_id": "s1", "source_tag": "seed", "origin": "native"})
        figures = TunedFigures(
            **TRAINED,
            curated_rows=len(texts) - 1,
            seed_rows=1,
            seed_rows_by_origin={"native": 1},
            base_model=self.base_model,
            base_model_fingerprint="fingerprint-of-base",
            prompt_format="plain",
            system_text="",
            data_fingerprint="data",
        )
        return {TRAINING_ROWS: learned, PREFERENCES: triples}, figures

    def _report(self) -> tuple[Any, Figures]:
        metric = {"language": self.tag, "metric": "wrong-language rate", "prompts": "en", "n": 96, "better": "lower"}
        measures = [{**metric, "model": "base", "value": 0.75}, {**metric, "model": "tuned", "value": 0.25}]
        gap = {
            **metric,
            "reference": "tuned",
            "arm": "base",
            "difference": -0.5,
            "low": -0.6,
            "high": -0.4,
            "clear": True,
        }
        figures = ReportFigures(
            measures={},
            clearly_better=1,
            compared=1,
            clear_gaps=0,
            gaps=0,
            training_instructions=3,
            foreign_instructions=0,
        )
        return {MEASURES: measures, SCORES: [], GAPS: [gap]}, figures


@pytest.fixture
def home(tmp_path: Path) -> BuiltHome:
    return BuiltHome(tmp_path / "home")


def exported(workspace: Workspace, folder: Path, *licences: str, **options: Any) -> Exported:
    return export_dataset(workspace, ["sw"], folder, accepted_licences=licences or ("CC BY 4.0",), **options)
