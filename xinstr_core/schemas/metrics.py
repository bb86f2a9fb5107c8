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
    better: Better | None = "higher"  # None: neither
    of_embedded_world: bool = False  # judged by the oracle of the generated world: says nothing of other text


IDENTIFIED_CHARACTERS = 40  # of a line; the language of shorter ones is identified badly
WRONG_LANGUAGE = Metric(
    "wrong-language rate", "replies that are empty, in another script or in another language", better="lower"
)
WRONG_LANGUAGE_LINE = Metric(
    "replies with a line in another language",
    f"replies of which a line of {IDENTIFIED_CHARACTERS} characters or more is in another script or language",
    better="lower",
)
REPETITION = Metric(
    "repetition in replies",
    "runs of five words that a reply had before, among all its runs of five words",
    better="lower",
)
UNFINISHED = Metric("unfinished replies", "replies that ran into the limit of tokens", better="lower")
REPLY_LENGTH = Metric("length of reply", "characters of a reply", "characters", better=None)
REPLY_INTENT = Metric(
    "right intent of reply",
    "replies that by most of their sentences do what was asked, by gold",
    of_embedded_world=True,
)
REPLY_SUBJECT = Metric(
    "right intent and subject of reply",
    "replies that do it about the subject that was asked for, by gold",
    of_embedded_world=True,
)
HELD_OUT_LIKELIHOOD = Metric(
    "held-out log-likelihood per token", "held-out responses under their own instructions", NATS_A_TOKEN
)
GOLD_LIKELIHOOD = Metric(
    "gold log-likelihood per token",
    "documents about subjects that no training text names, under a right instruction",
    NATS_A_TOKEN,
    of_embedded_world=True,
)
GOLD_BITS = Metric(
    "bits per byte of gold responses",
    "responses of the language's gold pairs, which no model wrote and none was trained on, each under its instruction",
    "bits a byte",
    better="lower",
)
GOOD_PAIRS = Metric(
    "good pairs", "pairs whose document is good and whose instruction is right, by gold", of_embedded_world=True
)
PRECISION = Metric("good pairs (precision)", "good ones among what was kept, by gold", of_embedded_world=True)
RECALL = Metric("good pairs kept (recall)", "kept ones among the good pairs, by gold", of_embedded_world=True)
INTENTS_COVERED = Metric(
    "intents covered",
    "intents of the rated pairs of which a good pair is among the chosen ones",
    of_embedded_world=True,
)
INSTRUCTION_INTENT = Metric(
    "right intent of instruction (held-out documents)",
    "instructions that ask for what the document does, by gold",
    of_embedded_world=True,
)
INSTRUCTION_SUBJECT = Metric(
    "right intent and subject of instruction (held-out documents)",
    "instructions that ask for it about its subject, by gold",
    of_embedded_world=True,
)

OF_REPLIES = (
    WRONG_LANGUAGE,
    WRONG_LANGUAGE_LINE,
    REPETITION,
    UNFINISHED,
    REPLY_LENGTH,
    REPLY_INTENT,
    REPLY_SUBJECT,
)
METRICS = (
    *OF_REPLIES,
    HELD_OUT_LIKELIHOOD,
    GOLD_LIKELIHOOD,
    GOLD_BITS,
    GOOD_PAIRS,
    PRECISION,
    RECALL,
    INTENTS_COVERED,
    INSTRUCTION_INTENT,
    INSTRUCTION_SUBJECT,
)
METRIC = {metric.name: metric for metric in METRICS}
BASE, TUNED = "base", "tuned"  # the models that are compared; further ones are the arms
