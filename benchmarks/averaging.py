"""Checkpoint averaging against the last weights: `python benchmarks/averaging.py` writes benchmarks/averaging.md.

For every pocket language the pocket model is tuned once as the preset `pocket` tunes it, on half as many rows as a demo has
and on what a perfect curation would leave: 72 seeds, and 88 clean documents of the corpus under a right instruction. On its
way the weights are kept at twenty points, so the last weights and all means come from the same training. Each is held
against rows that it has not learned from: 36 other seeds, and 96 documents about subjects that no text names. What a
language gave is kept in data/benchmarks/averaging, so the command can be stopped and goes on.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.evaluation.gold import HeldOutDocument, held_out_documents
from xinstr_core.evaluation.intervals import Estimate, mean_over_groups, paired_difference
from xinstr_core.files import write_text
from xinstr_core.identity import document_key
from xinstr_core.languages import active_languages
from xinstr_core.pocket.documents import Topic, write_instruction
from xinstr_core.pocket.world import write_world
from xinstr_core.presets import load_settings
from xinstr_core.prompts.render import prompt
from xinstr_core.settings import EvaluationSettings, TuningSettings
from xinstr_core.training.adapter import trainable_model, trainable_rows
from xinstr_core.training.batches import training_steps
from xinstr_core.training.budget import kept_budget
from xinstr_core.training.rows import Example, TrainingRow
from xinstr_core.training.snapshots import load_mean, spread_steps
from xinstr_core.training.steps import Training
from xinstr_core.workspace import home_folder

TRAINED, TRAINED_SEEDS, HELD_OUT_SEEDS = 160, 72, 36  # 80 steps, of which every fourth has a point
POINTS = 20
WAYS = ((2, 0.1), (5, 0.25), (5, 0.5), (10, 0.5), (10, 1.0))  # points, and the last share of the steps that they are of
LAST = (1, 1.0)
FOLDER = home_folder() / "data" / "benchmarks" / "averaging"


@dataclass(frozen=True)
class Rows:
    """What is learned, and what is not: seeds, and documents about unseen subjects."""

    learned: list[Example]
    held_out: list[Example]


def rows_of(tag: str, name: str, folder: Path) -> Rows:
    write_world(folder, tag)
    seeds = [
        Example(
            f"seed {number}",
            prompt("response_seed").render(instruction=row["instruction"], language=name),
            row["response"],
        )
        for number, row in enumerate(read(folder / "seeds" / f"{tag}.jsonl"))
    ]
    texts = {document_key(tag, row["text"]): row["text"] for row in read(folder / "corpus" / f"{tag}.jsonl")}
    clean = [
        HeldOutDocument(row["doc_id"], texts[row["doc_id"]], Topic(tag, row["intent"], row["subject"]))
        for row in read(folder / "gold" / f"{tag}.jsonl")
        if row["kind"] == "clean"
    ]
    unseen = held_out_documents(folder / "gold" / f"{tag}.heldout.jsonl", tag)
    return Rows(
        [*seeds[:TRAINED_SEEDS], *asked(clean[: TRAINED - TRAINED_SEEDS], name)],
        [*seeds[-HELD_OUT_SEEDS:], *asked(unseen, name)],
    )


def asked(documents: Sequence[HeldOutDocument], language: str) -> list[Example]:
    """Each document under a right English instruction."""
    examples = []
    for document in documents:
        instruction = write_instruction(document.topic, "en", random.Random(document.key))
        rendered = prompt("response_web").render(instruction=instruction, language=language)
        examples.append(Example(document.key, rendered, document.text))
    return examples


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def likelihoods(
    rows: Rows, engines: Engines, settings: TuningSettings, folder: Path
) -> dict[tuple[int, float], list[float]]:
    """Of every held-out row by the last weights and by each mean, all of one training."""
    learned, rejected = trainable_rows(engines, rows.learned, settings)
    held_out, _ = trainable_rows(engines, rows.held_out, settings)
    assert not rejected, "a row more or less moves the points"
    torch.manual_seed(settings.seed)
    model = trainable_model(engines, settings, None)
    budget = kept_budget(folder, model, min(len(row.input_ids) for row in learned))
    training = Training(model, settings, torch.float32, engines.tokenizer.pad_token_id, budget, folder)
    steps = training_steps(learned, settings)
    training.run(steps, lambda *_, **__: None)
    found = {}
    for count, share in (LAST, *WAYS):
        load_mean(folder, model, spread_steps(len(steps), share, count))
        found[count, share] = [likelihood(training, row) for row in held_out]
    return found


def likelihood(training: Training, row: TrainingRow) -> float:
    """Mean log-likelihood of a token, in nats."""
    return -training.mean_loss([row])


def shown(estimate: Estimate) -> str:
    return f"{estimate.value:+.4f} [{estimate.low:+.4f}, {estimate.high:+.4f}]"


def table(found: dict[str, dict[tuple[int, float], list[float]]]) -> list[str]:
    """Markdown: a row a language, a column a way, and the mean over languages."""
    lines = [
        f"| language | last weights | {' | '.join(f'{count} over the last {share:g}' for count, share in WAYS)} |",
        "|---|---|" + "---|" * len(WAYS),
    ]
    for tag, by_way in found.items():
        last = by_way[LAST]
        cells = [shown(paired_difference(by_way[way], last, EvaluationSettings())) for way in WAYS]
        lines.append(f"| {tag} | {sum(last) / len(last):.4f} | {' | '.join(cells)} |")
    gains = {
        way: [[mine - last for mine, last in zip(by_way[way], by_way[LAST], strict=True)] for by_way in found.values()]
        for way in WAYS
    }
    means = [shown(mean_over_groups(gains[way], 1000, 0)) for way in WAYS]
    worse = [sum(sum(of_language) < 0 for of_language in gains[way]) for way in WAYS]
    lines.append(f"| mean | | {' | '.join(means)} |")
    lines.append(f"| languages worse | | {' | '.join(map(str, worse))} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    every = sorted(active_languages(home_folder() / "languages.toml"))
    parser.add_argument("--languages", default=",".join(every), help="comma-separated keys")
    parser.add_argument("--schedules", default="cosine", help="of the learning rate, a training each")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    names = active_languages(home_folder() / "languages.toml")
    lines = [
        "# Checkpoint averaging",
        "",
        f"`.venv/bin/python benchmarks/averaging.py --languages {arguments.languages} --schedules {arguments.schedules}`, Python {platform.python_version()}, no GPU.",
        "",
        *(__doc__ or "").strip().splitlines()[2:],
        "",
        "Last weights: mean log-likelihood of a token of a row, end of text included, in nats. A mean of several points over a last share of",
        "the steps: how much more that is, row by row, with the 95 % bootstrap interval over rows; of the mean, over rows within each language.",
    ]
    preset = load_settings("pocket")
    for schedule in arguments.schedules.split(","):
        changes = {"schedule": schedule, "averaged_checkpoints": POINTS, "averaged_share": 1.0}
        settings = preset.tuning.model_copy(update=changes)
        found: dict[str, dict[tuple[int, float], list[float]]] = {}
        for tag in arguments.languages.split(","):
            kept = FOLDER / f"{schedule}-{tag}.json"
            if not kept.exists():
                with tempfile.TemporaryDirectory() as folder:
                    rows = rows_of(tag, names[tag].name, Path(folder) / "world")
                    with Engines(preset, resolve_model("pocket")) as engines:
                        made = likelihoods(rows, engines, settings, Path(folder) / "weights")
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_text(kept, json.dumps([[*way, values] for way, values in made.items()]))
            found[tag] = {(count, share): values for count, share, values in json.loads(kept.read_text("utf-8"))}
            told = ["", f"## Learning rate: {schedule}", "", *table(found)]
            arguments.output.write_text("\n".join([*lines, *told, ""]), encoding="utf-8")
        lines += told
    print("\n".join(lines))


if __name__ == "__main__":
    main()
