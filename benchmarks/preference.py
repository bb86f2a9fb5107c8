"""What preferences change: `python benchmarks/preference.py` writes benchmarks/preference.md.

The pocket model is tuned on a language's seeds as the pocket preset says, and then learns preferences from the same seeds,
beside English ones for the wrong language. Both models answer the same English prompts about subjects that no training text
names; replies are read by gold. Every training and every answering is a process of its own, which measures its peak memory,
and is kept in data/benchmarks/preference, so the command goes on where it was stopped; --fresh begins again.
`--learning-rate`, `--likelihood-weight` and `--kinds` try others, under a name of their own. Texts of the pocket's Thai end
without a mark, so of Thai alone what ends inside a sentence tells nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.preferences import (
    TaughtPair,
    choose_triples,
    cut,
    language_switch,
    other_text,
    written,
    wrong_language,
)
from xinstr_core.curation.written import RESPONSE_SCHEMA, answers
from xinstr_core.engines.models import adapter_hash, resolve_model
from xinstr_core.engines.resume import RowLog
from xinstr_core.engines.roles import Engines
from xinstr_core.evaluation.gold import judge_replies
from xinstr_core.evaluation.intervals import Estimate, mean_with_interval, paired_difference
from xinstr_core.evaluation.replies import ENGLISH, REPLY_SCHEMA, EvaluationPrompt, answer, is_wrong_language
from xinstr_core.files import write_text
from xinstr_core.languages import active_languages, get_language
from xinstr_core.pocket.documents import draw_topics, write_document, write_instruction
from xinstr_core.pocket.world import SEED_PAIRS, write_world
from xinstr_core.presets import load_settings
from xinstr_core.progress import silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.shared import SEED
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.preference import Preference, PreferenceLoss, train_preferences
from xinstr_core.training.rows import Example
from xinstr_core.workspace import home_folder

REGISTRY = Path(__file__).resolve().parents[1] / "languages.toml"
FOLDER = home_folder() / "data" / "benchmarks" / "preference"
REPORT = Path(__file__).with_suffix(".md")
PROMPTS, TRIPLES = 192, 360
KINDS = "language_switch,cut_off,untuned"
MEASURES = (
    "wrong language",
    "ran into the limit",
    "ends inside a sentence",
    "right intent",
    "right intent and subject",
)
ENDS = tuple(".!?।۔»”\"')")


@dataclass(frozen=True)
class Try:
    """A language, and the settings of preferences that are tried."""

    tag: str
    kinds: str
    learning_rate: float
    likelihood_weight: float

    @property
    def folder(self) -> Path:
        return FOLDER / self.tag

    @property
    def name(self) -> str:
        return f"preferred {self.kinds} {self.learning_rate:g} {self.likelihood_weight:g}".replace(",", "+")

    @cached_property
    def language(self) -> Any:
        return get_language(REGISTRY, self.tag)

    @cached_property
    def settings(self) -> Any:
        return load_settings("pocket")

    @cached_property
    def engines(self) -> Engines:
        return Engines(self.settings, resolve_model("pocket"))

    def pairs(self) -> list[TaughtPair]:
        path = self.folder / "world" / "seeds" / f"{self.tag}.jsonl"
        if not path.exists():
            write_world(self.folder / "world", self.tag)
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [
            TaughtPair(f"{self.tag}-{n:03}", row["instruction"], row["response"], SEED) for n, row in enumerate(rows)
        ]

    def english(self) -> list[Pair]:
        """As somebody would add to the seeds: the embedded world has none."""
        rng = random.Random("preference seeds en")
        return [
            Pair(f"en-{n:03}", write_instruction(topic, ENGLISH, rng), write_document(topic, rng))
            for n, topic in enumerate(draw_topics(ENGLISH, SEED_PAIRS, rng))
        ]

    def asked(self, pair: Pair) -> str:
        return prompt("response_seed").render(instruction=pair.instruction, language=self.language.name)

    def tune(self) -> dict[str, Any]:
        examples = [Example(pair.key, self.asked(pair), pair.response) for pair in self.pairs()]
        trained = train_adapter(self.engines, examples, self.settings.tuning, self.folder / "tuned")
        return {"loss": trained.losses[-1][1], "rows": trained.rows}

    def write(self) -> dict[str, Any]:
        """What the untuned model writes, by itself: its memory is none of a training's."""
        return {"triples": len(self.triples())}

    def triples(self) -> list[Any]:
        pairs = self.pairs()
        log = RowLog.open(self.folder / "untuned", RESPONSE_SCHEMA)

        def untuned(asked: Any) -> dict[str, str]:
            return answers(self.engines.writer(), self.engines.base.fingerprint, asked, self.language, log, silent)[0]

        makers: dict[Any, Any] = {
            "other_text": other_text(pairs),
            "wrong_language": wrong_language({}, self.english()),
            "language_switch": language_switch(self.english()),
            "cut_off": cut,
            "untuned": written(untuned),
        }
        return choose_triples(pairs, {kind: makers[kind] for kind in makers if kind in self.kinds.split(",")}, TRIPLES)

    def prefer(self) -> dict[str, Any]:
        tuning = self.settings.tuning.model_copy(update={"preference_learning_rate": self.learning_rate})
        preferences = [
            Preference(t.key, self.asked(t.pair), t.pair.response, t.worse.text, t.held_out) for t in self.triples()
        ]
        made = train_preferences(
            self.engines,
            preferences,
            tuning.preference_training,
            PreferenceLoss(tuning.preference_beta, self.likelihood_weight),
            self.folder / self.name,
            start_from=self.folder / "tuned",
        )
        return made.figures.model_dump()

    def prompts(self) -> list[EvaluationPrompt]:
        rng = random.Random(f"preference prompts {self.tag}")
        topics = draw_topics(self.tag, PROMPTS, rng, held_out=True)
        return [
            EvaluationPrompt(f"{n:03}", write_instruction(topic, ENGLISH, rng), ENGLISH)
            for n, topic in enumerate(topics)
        ]

    def reply(self, model: str) -> dict[str, list[float]]:
        adapter, prompts = self.folder / model, self.prompts()
        log = RowLog.open(self.folder / "replies", REPLY_SCHEMA)
        found = answer(
            self.engines.tuned(adapter),
            adapter_hash(adapter),
            prompts,
            prompt("response_seed"),
            self.language,
            self.settings.evaluation,
            log,
            silent,
        )
        judged = judge_replies(found, prompts, self.tag)
        replies = found["reply"].to_list()
        columns = (
            [is_wrong_language(reply, self.language) for reply in replies],
            [not finished for finished in found["finished"]],
            [not reply.rstrip().endswith(ENDS) for reply in replies],
            judged["right_intent"].to_list(),
            judged["right_subject"].to_list(),
        )
        return {name: [float(v) for v in column] for name, column in zip(MEASURES, columns, strict=True)}

    def step(self, name: str) -> dict[str, Any]:
        """What a step of that name gives, made in a process of its own where it is not kept."""
        own = "prefer" in name or name == "write"
        kept = self.folder / f"{name}{f' {self.name}' if own else ''}.json"
        if not kept.exists():
            options = [
                f"--step={name}",
                f"--languages={self.tag}",
                f"--kinds={self.kinds}",
                f"--learning-rate={self.learning_rate}",
                f"--likelihood-weight={self.likelihood_weight}",
            ]
            subprocess.run([sys.executable, __file__, *options, f"--into={kept}"], check=True)
        return dict(json.loads(kept.read_text("utf-8")))

    def run(self, name: str) -> dict[str, Any]:
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "tune": self.tune,
            "write": self.write,
            "prefer": self.prefer,
            "reply tuned": lambda: self.reply("tuned"),
            "reply preferred": lambda: self.reply(self.name),
        }
        started = time.process_time()
        result = made[name]()
        return {**result, "seconds": round(time.process_time() - started), "peak": peak_memory()}


def peak_memory() -> int:
    """MiB."""
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024


def shown(estimate: Estimate) -> str:
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def compared(tag: str, before: dict[str, list[float]], after: dict[str, list[float]]) -> list[str]:
    """Lines of the table: every measure of the same prompts, asked of both models."""
    settings, lines = load_settings("pocket").evaluation, list[str]()
    for name in MEASURES:
        cells = [shown(mean_with_interval(made[name], settings)) for made in (before, after)]
        difference = shown(paired_difference(after[name], before[name], settings))
        lines.append(f"| {tag} | {name} | {cells[0]} | {cells[1]} | {difference} |")
    return lines


def report(tries: list[Try]) -> str:
    replies, trainings = list[str](), list[str]()
    every: tuple[dict[str, list[float]], ...] = ({name: [] for name in MEASURES}, {name: [] for name in MEASURES})
    for one in tries:
        tuned, _, preferred = one.step("tune"), one.step("write"), one.step("prefer")
        asked = one.step("reply tuned"), one.step("reply preferred")
        for pooled, made in zip(every, asked, strict=True):
            for name in MEASURES:
                pooled[name].extend(made[name])
        replies += compared(one.tag, *asked)
        trainings.append(
            f"| {one.tag} | {tuned['seconds']} | {preferred['seconds']} | {tuned['peak']} | {preferred['peak']} | "
            f"{preferred['peak'] / tuned['peak']:.2f} | {preferred['chosen_likelier_before']} | "
            f"{preferred['chosen_likelier']} | {preferred['margin_accuracy']} ({preferred['held_out_triples']}) |"
        )
    first = tries[0]
    if len(tries) > 1:
        replies += compared("all", *every)
    return "\n".join(
        [
            "# Preferences on the pocket world",
            "",
            f"`python benchmarks/preference.py --languages {','.join(one.tag for one in tries)}`: {TRIPLES} triples ({first.kinds.replace(',', ', ')}), learning rate "
            f"{first.learning_rate:g}, likelihood weight {first.likelihood_weight:g}. {PROMPTS} English prompts about subjects "
            "that no training text names, greedy replies, 95 % intervals, differences prompt by prompt.",
            "",
            "| language | replies | tuned | then preferences | difference |",
            "|---|---|---|---|---|",
            *replies,
            "",
            "Seconds are of the processor, memory is the peak of the training's own process.",
            "",
            "| language | s, tuning | s, preferences | peak MiB, tuning | peak MiB, preferences | ratio | "
            "chosen side likelier before | after | margin accuracy (held-out triples) |",
            "|---|---|---|---|---|---|---|---|---|",
            *trainings,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default=",".join(sorted(active_languages(REGISTRY))))
    parser.add_argument("--kinds", default=KINDS)
    parser.add_argument("--learning-rate", type=float, default=load_settings("pocket").tuning.preference_learning_rate)
    parser.add_argument(
        "--likelihood-weight", type=float, default=load_settings("pocket").tuning.preference_likelihood_weight
    )
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--print", action="store_true", help="instead of writing the page")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    tries = [Try(tag, given.kinds, given.learning_rate, given.likelihood_weight) for tag in given.languages.split(",")]
    for one in tries:
        if given.fresh:
            shutil.rmtree(one.folder, ignore_errors=True)
        one.folder.mkdir(parents=True, exist_ok=True)
    if given.step:
        write_text(given.into, json.dumps(tries[0].run(given.step)))
    elif given.print:
        print(report(tries))
    else:
        write_text(REPORT, report(tries))


if __name__ == "__main__":
    main()
