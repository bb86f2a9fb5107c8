"""eval_report: base against tuned on what both were never shown, and how people's labels agree with the ratings."""

from __future__ import annotations

from typing import get_args

import polars as pl

from xinstr_core.schemas.declaration import Better, Column, Contract, Declared, Figures, Folder, Table, figure
from xinstr_core.schemas.shared import LANGUAGE, ROW_KEY, ROWS, TOKENS, TrainedOn

ASSET = "eval_report"
METRIC_NAME = Column("metric", pl.String, "what is measured")
MODEL = Column("model", pl.String, "what was measured: base, tuned, an arm, the reverse model, or a set of pairs")
PROMPTS = Column("prompts", pl.String, "language of the prompts; - where there are none")
BETTER = Column(
    "better", pl.String, "which way is better; null where neither is", values=get_args(Better), nullable=True
)
LOW = Column("low", pl.Float64, "lower end of the 95 % interval; null where the cases tell none", nullable=True)
HIGH = Column("high", pl.Float64, "upper end of the 95 % interval; null where the cases tell none", nullable=True)
CASES = Column("n", pl.Int64, "cases that it is a mean of", minimum=1)

MEASURES = Table(
    ASSET,
    "measures",
    "Every measured mean with its interval.",
    (LANGUAGE, METRIC_NAME, MODEL, PROMPTS, Column("value", pl.Float64, "the mean"), LOW, HIGH, CASES, BETTER),
    view=ASSET,
    sample=("metric", "model", "prompts", "value", "low", "high", "n"),
)
SCORES = Table(
    ASSET,
    "scores",
    "The value of every single case that a measure is a mean of.",
    (
        LANGUAGE,
        METRIC_NAME,
        MODEL,
        PROMPTS,
        BETTER,
        Column("case", pl.String, "key of the prompt, document or pair"),
        Column("value", pl.Float64, "its value"),
    ),
    view="scores",
)
GAPS = Table(
    ASSET,
    "gaps",
    "Tuned minus base, and one arm minus another, on the same cases of one measure.",
    (
        LANGUAGE,
        Column("reference", pl.String, "the first model"),
        Column("arm", pl.String, "the other"),
        METRIC_NAME,
        PROMPTS,
        Column("difference", pl.Float64, "mean of first minus other, case by case"),
        LOW,
        HIGH,
        CASES,
        Column("clear", pl.Boolean, "whether the first is better and the interval holds no zero"),
        BETTER,
    ),
    view="gaps",
)
# What was replied, whoever asked: rows that a later run takes.
REPLY_COLUMNS = (
    ROW_KEY,
    Column("reply", pl.String, "the reply; empty where the model failed"),
    Column("tokens", pl.Int64, "its length", unit=TOKENS, minimum=0),
    Column("finished", pl.Boolean, "whether it ended by itself and not at the limit"),
)
REPLIES = Table(
    ASSET,
    "replies",
    "What every measured model replied to every prompt.",
    (
        Column("prompt_id", pl.String, "key of the prompt"),
        *REPLY_COLUMNS,
        LANGUAGE,
        MODEL,
        Column("instruction", pl.String, "the prompt"),
        Column("prompt_language", pl.String, "language that the prompt is written in"),
    ),
    view="replies",
    sample=("instruction", "model", "reply"),
)
AUDIT = Table(
    ASSET,
    "audit",
    "How the ratings agree with what a person labelled blind; empty where nobody did.",
    (
        LANGUAGE,
        Column("aspect", pl.String, "what the person was asked about a pair"),
        Column("measure", pl.String, "what is measured of the labels"),
        Column("value", pl.Float64, "its value"),
        LOW,
        HIGH,
        CASES,
    ),
    view="audit",
    sample=("aspect", "measure", "value", "low", "high", "n"),
)


class ArmFigures(Declared):
    """What an arm was tuned on."""

    pairs: int = figure("pairs", "distinct pairs of its own choice", unit=ROWS)
    seeds: int = figure(
        "seeds", "distinct pairs that people wrote: seeds, and English pairs where it has such", unit=ROWS
    )
    rows: int = figure("training rows", "rows of an epoch, repeated ones included", unit=ROWS)
    learning_rate: float = figure("learning rate", "peak of its training")
    languages: dict[str, int] = figure("languages", "training rows by the language of the response", unit=ROWS)


class ReportFigures(TrainedOn, Figures):
    measures: dict[str, float] = figure("measures", "every measured mean, as metric | model | prompts")
    clearly_better: int = figure(
        "clearly better than base",
        "measures of evaluation.minimum_cases or more on which the tuned model is better and the interval of the difference, case by case, holds no zero",
        better="higher",
    )
    compared: int = figure("compared", "measures that base and tuned model both have")
    arms: dict[str, ArmFigures] = figure("arms", "models tuned for comparison", default={})
    clear_gaps: int = figure(
        "gaps clearly in favour of the selection",
        "comparisons of the selection with another arm, measure by measure, in which it is better and the interval holds no zero",
        better="higher",
    )
    gaps: int = figure("gaps", "comparisons of the selection with another arm, measure by measure")
    training_instructions: int = figure(
        "training instructions", "instructions that the tuned model learned from", unit=ROWS
    )
    foreign_instructions: int = figure(
        "training instructions not in English",
        "must be 0 for replies to prompts in the language to be zero-shot",
        unit=ROWS,
        better="lower",
    )
    audit_note: str = figure(
        "audit by a person",
        "how many pairs are labelled, or why the file cannot be read; empty without one",
        default="",
    )


EVAL_REPORT = Contract(
    ASSET,
    "Base against tuned with intervals, and against further models where they are asked for: what the report is made of.",
    ReportFigures,
    tables=(MEASURES, SCORES, GAPS, REPLIES, AUDIT),
    folders=(Folder("arm-*", "the adapter of a comparison arm"),),
)
