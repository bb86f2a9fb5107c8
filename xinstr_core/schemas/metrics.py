"""What eval_report measures, each metric declared once, and the names of what is measured."""

from __future__ import annotations

from dataclasses import dataclass

from xinstr_core.schemas.declaration import Better
from xinstr_core.schemas.shared import NATS_A_TOKEN, SHARE


@dataclass(frozen=True)
class Metric:
    """The mean of a value over cases (prompts, documents, pairs)."""

    name: str
    meaning: str
    unit: str = SHARE
    better: Better = "higher"


WRONG_LANGUAGE = Metric(
    "wrong-language rate", "replies that are empty, in another script or in another language", better="lower"
)
REPLY_INTENT = Metric("right intent of reply", "replies that by most of their sentences do what was asked, by gold")
REPLY_SUBJECT = Metric(
    "right intent and subject of reply", "replies that do it about the subject that was asked for, by gold"
)
HELD_OUT_LIKELIHOOD = Metric(
    "held-out log-likelihood per token", "held-out responses under their own instructions", NATS_A_TOKEN
)
GOLD_LIKELIHOOD = Metric(
    "gold log-likelihood per token",
    "documents about subjects that no training text names, under a right instruction",
    NATS_A_TOKEN,
)
GOOD_PAIRS = Metric("good pairs", "pairs whose document is good and whose instruction is right, by gold")
PRECISION = Metric("good pairs (precision)", "good ones among what was kept, by gold")
RECALL = Metric("good pairs kept (recall)", "kept ones among the good pairs, by gold")
INTENTS_COVERED = Metric("intents covered", "intents of the rated pairs of which a good pair is among the chosen ones")
INSTRUCTION_INTENT = Metric(
    "right intent of instruction (held-out documents)", "instructions that ask for what the document does, by gold"
)
INSTRUCTION_SUBJECT = Metric(
    "right intent and subject of instruction (held-out documents)",
    "instructions that ask for it about its subject, by gold",
)

METRICS = (
    WRONG_LANGUAGE,
    REPLY_INTENT,
    REPLY_SUBJECT,
    HELD_OUT_LIKELIHOOD,
    GOLD_LIKELIHOOD,
    GOOD_PAIRS,
    PRECISION,
    RECALL,
    INTENTS_COVERED,
    INSTRUCTION_INTENT,
    INSTRUCTION_SUBJECT,
)
METRIC = {metric.name: metric for metric in METRICS}
BASE, TUNED = "base", "tuned"  # the models that are compared; further ones are the arms
