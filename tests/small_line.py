"""A line of a few rows, as its stages would have stored it: what reports are made of, without a model or a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.evaluation.gaps import gaps
from xinstr_core.evaluation.measures import Measures
from xinstr_core.schemas.candidate_pairs import CandidateFigures, CandidateFunnel
from xinstr_core.schemas.declaration import Figures
from xinstr_core.schemas.diversified_set import (
    DiversityFigures,
    DiversityMeasures,
    RandomMeasure,
    SelectionFigures,
    SelectionFunnel,
)
from xinstr_core.schemas.eval_report import AUDIT, EVAL_REPORT, GAPS, MEASURES, REPLIES, ReportFigures
from xinstr_core.schemas.evaluator import ConstructionFigures, EvaluatorFigures
from xinstr_core.schemas.metrics import BASE, REPLY_INTENT, TUNED, UNFINISHED, WRONG_LANGUAGE
from xinstr_core.schemas.raw_corpus import CorpusFigures, CorpusFunnel
from xinstr_core.schemas.refined_pairs import PairFunnel, RefinedFigures, RoundFigures
from xinstr_core.schemas.reverse_model import ReverseModelFigures
from xinstr_core.schemas.seed_pairs import SeedFigures, SeedFunnel
from xinstr_core.schemas.shared import Cost, EngineUse
from xinstr_core.schemas.tuned_model import TunedFigures
from xinstr_core.settings import EvaluationSettings
from xinstr_core.store import Partition, StageOutput, Store

DISHES = ("ugali", "pilau", "chapati", "mandazi", "githeri", "samaki", "maharage", "kachumbari", "mukimo", "irio")
LOSSES = [[1, 2.0], [2, 1.0]]
EVIL = "<script>alert(1)</script>"
# What is too long for its place on a page unless that is made for it.
LONG_REASON = "written_by_a_machine_from_the_titles_of_other_pages_of_the_same_site"
LONG_WORD = "texts_of_newspapers_and_of_what_people_wrote_below_them_in_twenty_years.jsonl"


def pair(number: int, dish: str) -> dict[str, Any]:
    """Pair p3 of document d3; the first are kept and rated best."""
    return {
        "language": "sw",
        "pair_id": f"p{number}",
        "doc_id": f"d{number}",
        "instruction": f"What is {dish}? {EVIL}",
        "response": f"{dish} ni chakula. {EVIL}",
        "rating": 3 - number / 10,
        **{f"p_level_{level}": 1 / 3 for level in (1, 2, 3)},
        "kept": number < 6,
    }


PAIRS = pl.DataFrame([pair(number, dish) for number, dish in enumerate(DISHES)])
SEEDS = pl.DataFrame(
    [
        {"pair_id": f"s{n}", "instruction": f"How is {dish} made?", "response": f"{dish} hupikwa.", "origin": "native"}
        for n, dish in enumerate(DISHES[:3])
    ]
)
# p0 and p1 are held out; all other kept pairs were selected.
SELECTION = (
    PAIRS.filter("kept")
    .with_columns(
        cluster_id=pl.lit(0),
        distance_to_centre=pl.lit(0.0),
        rank_in_cluster=pl.int_range(pl.len()),
        split=pl.when(pl.col("pair_id") < "p2").then(pl.lit("heldout")).otherwise(pl.lit("train")),
        source_tag=pl.lit("web"),
    )
    .select("language", "pair_id", "doc_id", "instruction", "response", "rating", "rank_in_cluster", "split")
)
TRAINED_FIGURES: dict[str, Any] = {"rows": 7, "tokens_seen": 99, "losses": LOSSES, "rejected_rows": []}
VALIDATION: dict[str, Any] = {
    "held_out_rows": 40,
    "accuracy": 0.9,
    "log_loss": 0.1,
    "calibration_error": 0.04,
    "auc_level_3": 0.99,
    "auc_pair_fit": 0.875,
    "confusion": [[3, 0, 0], [0, 3, 0], [0, 0, 3]],
    "reliability": [[0.6, 0.5, 10], [0.9, 0.95, 30]],
}
DIVERSITY = {"verb_object_pairs": 4, "top_verb_share": 0.5, "cluster_entropy": 1.0, "neighbour_distance": 0.25}
FIGURES: dict[str, Figures] = {
    "raw_corpus": CorpusFigures(
        records=12,
        funnel=CorpusFunnel(taken=12, lost={"too_short": 1, LONG_REASON: 1}, kept=10),
        passed_over={},
        identifiers=2,
        licences={},
    ),
    "seed_pairs": SeedFigures(
        seed_pairs=3, native=3, english_only=False, by_origin={}, funnel=SeedFunnel(taken=3, lost={}, kept=3)
    ),
    "reverse_model": ReverseModelFigures(**TRAINED_FIGURES, seed_pairs_by_origin={}),
    "candidate_pairs": CandidateFigures(
        funnel=CandidateFunnel(taken=10, lost={}, kept=10),
        documents=10,
        flawed_texts={},
        prompt_tokens=0,
        completion_tokens=0,
    ),
    "evaluator": EvaluatorFigures(
        **TRAINED_FIGURES,
        **VALIDATION,
        constructions={"cut_off": ConstructionFigures(rows=9, held_out=3, seconds=0.0, accuracy=1.0)},
        seed_pairs=40,
        minimum_accuracy=0.7,
        may_gate=True,
    ),
    "refined_pairs": RefinedFigures(
        funnel=PairFunnel(taken=10, lost={"poor_fit": 4}, kept=6),
        curated=True,
        rounds=[RoundFigures(**VALIDATION, round=1, used=True, outcome="used", mean_probabilities=[])],
    ),
    "diversified_set": SelectionFigures(
        funnel=SelectionFunnel(taken=6, lost={"held out": 2}, kept=4),
        clusters=1,
        topics={},
        embeddings_computed=6,
        diversity=DiversityFigures(
            selected=DiversityMeasures(**DIVERSITY),
            random={name: RandomMeasure(mean=3.25, low=2, high=4) for name in DIVERSITY},
        ),
    ),
    "tuned_model": TunedFigures(
        **TRAINED_FIGURES,
        curated_rows=4,
        seed_rows=3,
        seed_rows_by_origin={},
        base_model="tiny",
        base_model_fingerprint="f",
        prompt_format="plain",
        system_text="",
        data_fingerprint="f",
    ),
}
TRAINED = pl.DataFrame({"pair_id": [*SELECTION.filter(pl.col("split") == "train")["pair_id"], *SEEDS["pair_id"]]})
MAP = PAIRS.head(2).select(
    "pair_id", "instruction", x=pl.lit(0.5), y=pl.lit(0.25), cluster_id=pl.lit(0), selected=pl.lit(True)
)
TABLES = {
    "seed_pairs": {"seeds": SEEDS},
    "refined_pairs": {"pairs": PAIRS},
    "diversified_set": {"rows": SELECTION, "map": MAP},
    "tuned_model": {"training_rows": TRAINED},
}


# What a page has to show and must not run, whatever way it is put there.
HOSTILE = "</script><img src=x onerror=alert(1)> \u2028 </title> {{ 7 * 7 }} &lt;b&gt;"
NAMES = {"sw": "Swahili", "ur": "Urdu", "fi": "Finnish"}
WORDS = {
    "sw": "Ugali hupikwa kwa unga wa mahindi.",
    "ur": "یہ کھانا گھر میں پکایا جاتا ہے۔\nاس میں نمک ڈالا جاتا ہے۔",
    "fi": "Puuro keitetään hitaasti.",
}
DOCUMENTS = pl.DataFrame(
    {
        "doc_id": PAIRS["doc_id"],
        "source": ["a news site", *["an encyclopedia"] * 9],
        "url": ["https://example.org"] * 10,
        "licence": ["CC-BY-SA-4.0"] * 8 + ["CC-BY-NC-4.0", "unknown"],
    }
)
CASES = 40
_COST = Cost(
    seconds=120.0,
    peak_memory=900,
    engines={
        "reverse": EngineUse(
            engine="transformers /somewhere/on/this/machine/tiny", rows=10, prompt_tokens=1000, cached_tokens=0, completion_tokens=200, retries=0,
            seconds=60.0, gpu_seconds=0.0, money=1.5,
        )
    },
)  # fmt: skip


def commit_line(
    store: Store, tag: str, figures: Mapping[str, Figures] | None = None, tables: Mapping[str, Any] | None = None
) -> dict[str, Partition]:
    """All nine partitions of a language, some figures or tables replaced by others."""
    told, stored = {**FIGURES, **(figures or {})}, {**_tables(tag), **(tables or {})}
    found: dict[str, Partition] = {}
    for asset in (*FIGURES, EVAL_REPORT.asset):
        of_asset = stored.get(asset, {})
        figures_of_asset = told.get(asset) or _report_figures(of_asset)
        output = StageOutput(of_asset, {}, figures_of_asset, _COST, _BUILT)
        found[asset] = store.commit(asset, tag, "f", _made_of(tag, found), output)
    return found


_BUILT = {
    "time": "2026-03-01T12:34:56.789012+00:00",
    "preset": "pocket",
    "base_model": "/somewhere/on/this/machine/tiny",
    "corpus": f"/somewhere/on/this/machine/{LONG_WORD}",
    "changed": {"tuning.epochs": 3.0, "diversity.encoder": "/somewhere/on/this/machine/encoder"},
    "places": {"tuning.epochs": "this run"},
}


def _made_of(tag: str, built: Mapping[str, Partition]) -> dict[str, Any]:
    return {
        "version": "1",
        "language": {"name": NAMES[tag]},
        "settings": {
            "corpus": {"refuse_personal_data": True},
            "curation": {"minimum_precision": 0.6},
            "evaluation": {},
            "tuning": {"method": "lora", "epochs": 4.0},
        },
        "prompts": {"reverse": "reverse-1"},
        "files": {"gold": None},
        "inputs": {asset: partition.version for asset, partition in built.items()},
    }


def _tables(tag: str) -> dict[str, Any]:
    pairs = PAIRS.with_columns(
        instruction=pl.concat_str(pl.lit("What is "), "pair_id", pl.lit(f"? {HOSTILE}")),
        response=pl.lit(f"{WORDS[tag]} {HOSTILE}"),
        verdict=pl.when("kept").then(pl.lit("kept")).otherwise(pl.lit("poor_fit")),
        instruction_quality=pl.lit(0.5),
        pair_fit=pl.lit(0.75),
    )
    candidates = pairs.select("pair_id", "doc_id", status=pl.lit("accepted"))
    return {
        **TABLES,
        "raw_corpus": {"documents": DOCUMENTS},
        "candidate_pairs": {"pairs": candidates},
        "refined_pairs": {"pairs": pairs},
        "diversified_set": {"rows": SELECTION, "map": MAP.with_columns(instruction=pl.lit(HOSTILE))},
        EVAL_REPORT.asset: _report_tables(tag),
    }


def _report_tables(tag: str) -> dict[str, pl.DataFrame]:
    settings = EvaluationSettings(bootstrap_samples=100)
    measures = Measures(tag, settings)
    for prompts in ("en", tag):
        for model, wrong in ((BASE, 36), (TUNED, 2)):
            cases = [f"{prompts}{number}" for number in range(CASES)]
            measures.add(
                WRONG_LANGUAGE, model, {case: float(n < wrong) for n, case in enumerate(cases)}, prompts=prompts
            )
            measures.add(UNFINISHED, model, {case: float(n < 20) for n, case in enumerate(cases)}, prompts=prompts)
            measures.add(
                REPLY_INTENT, model, {case: float(n >= wrong) for n, case in enumerate(cases)}, prompts=prompts
            )
    found = gaps(measures.scores, settings)
    replies = [
        {
            "prompt_id": f"{prompts}{number}", "row_key": f"{model}{prompts}{number}", "reply": f"{model}: {WORDS[tag]} {HOSTILE}",
            "tokens": 9, "finished": True, "language": tag, "model": model, "instruction": f"Prompt {number} {HOSTILE}",
            "prompt_language": prompts,
        }
        for prompts in ("en", tag)
        for number in range(6)
        for model in (BASE, TUNED)
    ]  # fmt: skip
    return {
        MEASURES.name: MEASURES.frame([vars(row) for row in measures.rows]),
        GAPS.name: GAPS.frame([{**vars(gap), "clear": gap.clear} for gap in found]),
        REPLIES.name: REPLIES.frame(replies),
        AUDIT.name: AUDIT.schema.to_frame(),
    }


def _report_figures(tables: Mapping[str, pl.DataFrame]) -> ReportFigures:
    compared = tables[GAPS.name] if GAPS.name in tables else GAPS.schema.to_frame()
    return ReportFigures(
        measures={},
        clearly_better=int(compared["clear"].sum()),
        compared=len(compared),
        clear_gaps=0,
        gaps=0,
        training_instructions=7,
        foreign_instructions=0,
    )


def write_home(home: Path, *tags: str) -> Store:
    """A home in which these languages are built."""
    store = Store(home / "data")
    for tag in tags:
        commit_line(store, tag)
    entries = (f'[{tag}]\nname = "{name}"\nscript = "Latn"\n' for tag, name in NAMES.items())
    (home / "languages.toml").write_text("".join(entries), "utf-8")
    return store
