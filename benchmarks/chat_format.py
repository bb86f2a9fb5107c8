"""A chat model asked in its own turns against plain text: `python benchmarks/chat_format.py` writes benchmarks/chat_format.md.

SmolLM2 135M Instruct (`make real-models`) learns English pairs of people, once with prompts in plain text and once in the
turns of its own chat template, on the same rows in the same steps: to answer, and to write the instruction of a text. What
counts is the loss of held-out completions, and how many of its replies to 100 held-out instructions end by themselves, the
likeliest and those under a repetition penalty.
A finished training is kept in data/benchmarks/chat_format, so the command can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from real import table
from real_languages import records
from real_models import MODELS, SMOLLM2
from real_text import DATA

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.precision import choose_precision
from xinstr_core.engines.prompt_format import FormatName
from xinstr_core.engines.roles import Engines
from xinstr_core.evaluation.intervals import mean_with_interval, paired_difference
from xinstr_core.evaluation.subjects import likelihoods
from xinstr_core.files import write_text
from xinstr_core.identity import content_key
from xinstr_core.prompts.render import Rendered, prompt
from xinstr_core.settings import EvaluationSettings, Settings, TrainingSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example
from xinstr_core.workspace import home_folder

FOLDER = home_folder() / "data" / "benchmarks" / "chat_format"
LONGEST = 450  # characters of a response: a training then takes minutes
LEARNED, HELD_OUT = 320, 100
TRAINING = TrainingSettings(learning_rate=3e-4, rank=16, batch_rows=8, epochs=2, maximum_tokens=1024)
NEW_TOKENS = 256  # the longest response has 150
PENALTIES = (1.0, 1.1)
FORMATS: tuple[FormatName, ...] = ("plain", "chat")
Row = dict[str, str]


def answer_of(row: Row) -> tuple[Rendered, str]:
    return prompt("response_seed").render(instruction=row["instruction"], language="English"), row["response"]


def instruction_of(row: Row) -> tuple[Rendered, str]:
    return prompt("reverse").render(text=row["response"]), row["instruction"]


TASKS: dict[str, Callable[[Row], tuple[Rendered, str]]] = {"answers": answer_of, "instructions": instruction_of}


def ended(penalty: float) -> str:
    return "replies that end" if penalty == 1 else f"with a penalty of {penalty}"


def measure(
    task: str, form: FormatName, learned: Sequence[Row], held_out: Sequence[Row]
) -> dict[str, dict[str, float]]:
    """Log-likelihood of each held-out completion a token, before and after the training, and whether its replies end."""
    kept = FOLDER / f"{task}-{form}.json"
    if kept.exists():
        found: dict[str, dict[str, float]] = json.loads(kept.read_text("utf-8"))
        return found
    base = resolve_model(str(MODELS / SMOLLM2.name), choose_precision("auto").name, form)
    requests = [Request(row["id"], *TASKS[task](row)) for row in held_out]
    with Engines(Settings(precision="auto"), base) as engines:
        before = likelihoods(engines.tuned(), requests)
        examples = [Example(row["id"], *TASKS[task](row)) for row in learned]
        folder = train_adapter(engines, examples, TRAINING, FOLDER / f"{task}-{form}").folder
        tuned = engines.tuned(folder)
        after = likelihoods(tuned, requests)
        measured = {"before": before, "after": after}
        asked = [Request(one.key, one.prompt) for one in requests]
        for penalty in PENALTIES:
            decoding = Decoding(NEW_TOKENS, repetition_penalty=penalty)
            replies = [
                reply
                for start in range(0, len(asked), 25)
                for reply in tuned().generate(asked[start : start + 25], decoding)
            ]
            measured[ended(penalty)] = {one.key: float(one.finished) for one in replies}
    write_text(kept, json.dumps(measured))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=[*TASKS], help=f"of {', '.join(TASKS)}")
    tasks = parser.parse_args().tasks
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = sorted(records(DATA / "seed_en.jsonl"), key=lambda row: content_key("chat format", row["id"]))
    short = [row for row in rows if len(row["response"]) <= LONGEST]
    held_out, learned = short[:HELD_OUT], short[HELD_OUT : HELD_OUT + LEARNED]
    settings, lines = (
        EvaluationSettings(),
        ["# Chat turns against plain prompts", "", *(__doc__ or "").splitlines()[2:], ""],
    )
    for task in tasks:
        found = {form: measure(task, form, learned, held_out) for form in FORMATS}
        told = []
        for form, measured in found.items():
            ends = [mean_with_interval([*measured[ended(penalty)].values()], settings) for penalty in PENALTIES]
            loss = {when: -sum(measured[when].values()) / len(measured[when]) for when in ("before", "after")}
            shares = [f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})" for one in ends]
            told.append([form, loss["before"], loss["after"], *shares])
        lines += [
            f"## {task.capitalize()}",
            "",
            *table(told, ["prompts", "loss before", "loss after", *map(ended, PENALTIES)]),
        ]
        for when in ("before", "after"):
            keys = sorted(found["chat"][when])
            chat, plain = ([-found[form][when][key] for key in keys] for form in ("chat", "plain"))
            gap = paired_difference(chat, plain, settings)
            lines.append(
                f"Chat minus plain, {when}: {gap.value:.3f} nats a token ({gap.low:.3f} to {gap.high:.3f}), {gap.n} pairs."
            )
        lines.append("")
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines))


if __name__ == "__main__":
    main()
