"""How the models were trained, and how their losses fell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from xinstr_core.reporting.blocks import Block, Paragraph, Section, counted, percent, shares
from xinstr_core.reporting.built import Built
from xinstr_core.reporting.charts import loss_chart
from xinstr_core.reporting.drawing import draw
from xinstr_core.schemas.declaration import Contract
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.reverse_model import REVERSE_MODEL
from xinstr_core.schemas.tuned_model import TUNED_MODEL, PreferenceFigures, TunedFigures
from xinstr_core.text import without_folders

_MOST_POINTS = 300  # of a curve: more hide each other


def section(built: Built) -> Section:
    tuned = built.figures(TUNED_MODEL)
    blocks: list[Block] = [Paragraph(_how(tuned, built))]
    if tuned.preference:
        blocks += _preference(tuned.preference)
    losses = {name: curve[:: len(curve) // _MOST_POINTS + 1] for name, curve in _losses(built) if curve}
    if losses:
        rows = [(name, int(step), loss) for name, curve in losses.items() for step, loss in curve]
        numbers = pl.DataFrame(rows, schema={"training": pl.String, "step": pl.Int64, "loss": pl.Float64}, orient="row")
        blocks.append(
            draw(
                "losses",
                "Losses while training",
                loss_chart(losses),
                numbers,
                "Mean loss in nats a token since the point before.",
            )
        )
    return Section("training", "Training", blocks)


def _how(tuned: TunedFigures, built: Built) -> str:
    tuning = built.settings(TUNED_MODEL, "tuning")
    said = [
        f"The base model {without_folders(tuned.base_model)} was tuned on {tuned.rows:,} rows, {tuned.tokens_seen:,} tokens over all epochs",
        "it is asked in the turns of its chat template"
        if tuned.prompt_format == "chat"
        else "it is asked in plain text",
    ]
    if tuned.system_text:
        said.append(f"with the system text “{tuned.system_text}”")
    if tuning:
        epochs = counted(float(tuning.get("epochs", 0)), "epoch")
        said.append(f"{tuning.get('method')} training, {tuning.get('schedule')} schedule, {epochs}")
    if tuned.learned_step is not None:
        said.append(f"the weights of step {tuned.learned_step} were kept, the best on rows held out")
    elif tuning.get("averaged_checkpoints"):
        said.append(f"the mean of its weights at {tuning['averaged_checkpoints']} points was kept")
    return "; ".join(said) + "."


def _preference(found: PreferenceFigures) -> Iterator[Paragraph]:
    yield Paragraph(f"After that it learned from preferences: {shares(found.triples)}.")
    if found.margin_accuracy is not None:
        said = (
            f"Of {found.held_out_triples} preferences that were held out the preferred side gained more than the other in "
            f"{percent(found.margin_accuracy)} (half by chance)."
        )
        yield Paragraph(said, "warning" if found.margin_accuracy <= 0.5 else "said")


def _losses(built: Built) -> Iterator[tuple[str, Sequence[Sequence[float]]]]:
    contracts: tuple[Contract[Any], ...] = (REVERSE_MODEL, EVALUATOR, TUNED_MODEL)
    for contract in contracts:
        name, figures = contract.asset.replace("_", " "), built.figures(contract)
        yield name, figures.losses
        yield f"{name}, rows held out", figures.held_out_losses
