"""A learning-rate sweep: the tuned model trained at several rates, judged on rows that none of them learned from.

The rate decides in which language a model replies before it decides how well (Chirkova and Nikoulina 2024, arXiv
2402.14778, on zero-shot transfer), so both are judged. The rows are a share of the selection, not those that the report
holds out: what it says of the tuned model stays measured on what decided nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.errors import InputError
from xinstr_core.evaluation.arm_models import taught_template
from xinstr_core.evaluation.measures import Measure, Measures
from xinstr_core.evaluation.replies import ENGLISH, REPLY_SCHEMA, EvaluationPrompt
from xinstr_core.evaluation.subjects import Examination, Subject
from xinstr_core.identity import content_key
from xinstr_core.locks import held
from xinstr_core.progress import Progress, silent
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET, IS_FOR_TRAINING, SELECTED
from xinstr_core.schemas.metrics import HELD_OUT_LIKELIHOOD, WRONG_LANGUAGE
from xinstr_core.schemas.seed_pairs import SEED_PAIRS, SEEDS
from xinstr_core.stages.tuned_model import seeds_in_language, taught_pairs, tuning_examples
from xinstr_core.training.adapter import train_adapter, training_identity
from xinstr_core.workspace import Workspace

_HELD_OUT_SHARE = 0.2  # of the selection's texts; at most evaluation.maximum_prompts of them


@dataclass(frozen=True)
class Swept:
    """What came of a rate: log-likelihood a token of held-out responses (nats), share of replies in another language."""

    rate: float
    likelihood: Measure
    wrong_language: Measure


@dataclass(frozen=True)
class Sweep:
    """All rates in their order, and where their trainings are kept, so that a further one costs one training."""

    results: list[Swept]
    folder: Path

    @property
    def best(self) -> Swept:
        """Of the rates that reply in the language as often as the best does, as far as its interval tells, the likeliest.

        Of equal ones the lowest rate.
        """
        fewest = min((one.wrong_language for one in self.results), key=lambda measure: measure.value)
        most = fewest.value if fewest.high is None else fewest.high
        in_language = [one for one in self.results if one.wrong_language.value <= most]
        return max(in_language, key=lambda one: (one.likelihood.value, -one.rate))


def sweep(workspace: Workspace, tag: str, rates: Sequence[float], progress: Progress = silent) -> Sweep:
    """Train the tuned model of a language at each rate, or take what an earlier sweep left of it.

    Killed and run again it goes on where it was. InputError where no selection was built yet, or one too small to hold
    any of it out; StageError where another sweep of the language runs.
    """
    language = workspace.language(tag)
    settings, base = workspace.settings(language), workspace.model(language)
    selection, seed_pairs = (workspace.store.get(contract.asset, tag) for contract in (DIVERSIFIED_SET, SEED_PAIRS))
    if selection is None or seed_pairs is None:
        raise InputError(f"{tag} has no selection yet: xinstr build {tag} --to {DIVERSIFIED_SET.asset}")
    rows = selection.scan(SELECTED.name).filter(IS_FOR_TRAINING).collect()
    learned, held_out = _held_out(rows, settings.evaluation.maximum_prompts)
    if not (len(learned) and len(held_out)):
        raise InputError(f"the selection of {tag} has {len(rows)} rows: too few to hold some of them out")
    seeds = seeds_in_language(seed_pairs.scan(SEEDS.name), settings.tuning)
    examples = tuning_examples(taught_pairs(learned, seeds), language.name)
    asked = held_out.select("pair_id", "instruction").iter_rows()
    prompts = [EvaluationPrompt(pair_id, instruction, ENGLISH) for pair_id, instruction in asked]
    examination = Examination(language, settings.evaluation, prompts, held_out, gold=None)
    folder = workspace.home / "data" / ".sweep" / tag
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    gpu = DeviceLock(f"{tag} sweep", lambda said: progress(0, 0, doing=said, unit="", urgent=True))
    with (
        held(folder / ".lock", f"{tag} is being swept", f"process {os.getpid()}"),
        Engines(settings, base, gpu=gpu) as engines,
    ):
        log = RowLog.open(folder / "replies", REPLY_SCHEMA)
        for rate in sorted(rates):
            of_rate = settings.tuning.model_copy(update={"learning_rate": rate})
            trained = train_adapter(
                engines,
                examples,
                of_rate,
                folder / training_identity(base, examples, of_rate, None),
                progress=_naming(progress, f"training at {rate:g}"),
            )
            measures = Measures(tag, settings.evaluation)
            subject = Subject(f"{rate:g}", trained.folder, taught_template(len(seeds)))
            examination.measure(subject, engines, log, measures, progress)
            of_metric = {measure.metric: measure for measure in measures.rows}
            results.append(Swept(rate, of_metric[HELD_OUT_LIKELIHOOD.name], of_metric[WRONG_LANGUAGE.name]))
    return Sweep(results, folder)


def _naming(progress: Progress, doing: str) -> Progress:
    """That tells of a training by its rate: its folder's name is a hash."""

    def tell(done: int, total: int, **told: Any) -> None:
        progress(done, total, **{**told, "doing": doing})

    return tell


def _held_out(rows: pl.DataFrame, maximum: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows to learn from, rows to judge by): all rows of a text are on one side, the same ones whatever else was selected."""
    documents = sorted(set(rows["doc_id"]), key=lambda doc_id: content_key("sweep", doc_id))
    chosen = documents[: min(maximum, round(_HELD_OUT_SHARE * len(documents)))]
    is_chosen = pl.col("doc_id").is_in(chosen)
    return rows.filter(~is_chosen), rows.filter(is_chosen).sort("pair_id")
