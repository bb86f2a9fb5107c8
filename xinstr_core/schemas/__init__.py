"""What every asset gives, declared once: a module an asset."""

from __future__ import annotations

from typing import Any

from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS
from xinstr_core.schemas.declaration import Contract
from xinstr_core.schemas.diversified_set import DIVERSIFIED_SET
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.reverse_model import REVERSE_MODEL
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.tuned_model import TUNED_MODEL

CONTRACTS: dict[str, Contract[Any]] = {
    contract.asset: contract
    for contract in (
        RAW_CORPUS,
        SEED_PAIRS,
        REVERSE_MODEL,
        CANDIDATE_PAIRS,
        EVALUATOR,
        REFINED_PAIRS,
        DIVERSIFIED_SET,
        TUNED_MODEL,
        EVAL_REPORT,
    )
}
