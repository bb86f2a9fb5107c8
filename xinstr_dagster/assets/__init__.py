"""The assets of the line, one module each."""

from __future__ import annotations

from xinstr_dagster.assets.candidate_pairs import candidate_pairs
from xinstr_dagster.assets.catalogue import catalogue
from xinstr_dagster.assets.diversified_set import diversified_set
from xinstr_dagster.assets.eval_report import eval_report
from xinstr_dagster.assets.evaluator import evaluator
from xinstr_dagster.assets.raw_corpus import raw_corpus
from xinstr_dagster.assets.refined_pairs import refined_pairs
from xinstr_dagster.assets.reverse_model import reverse_model
from xinstr_dagster.assets.seed_pairs import seed_pairs
from xinstr_dagster.assets.tuned_model import tuned_model

LANGUAGE_ASSETS = [
    raw_corpus,
    seed_pairs,
    reverse_model,
    candidate_pairs,
    evaluator,
    refined_pairs,
    diversified_set,
    tuned_model,
    eval_report,
]
ASSETS = [*LANGUAGE_ASSETS, catalogue]
