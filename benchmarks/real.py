"""Proof on real text: `python benchmarks/real.py fi` builds Finnish with Gemma 3 270M and writes benchmarks/real.md.

Preset `small`, 200 documents of each named language (`--documents`), its seeds (DATA), and gold pairs that nothing is
trained on: a fifth of the seeds' responses, chosen by hash, with all their questions. Builds stay in
data/benchmarks/real/<language>, so the command goes on where it was stopped; a language that was built has its table in
the page, whichever are named. Needs `make real-models`, and the data beside the checkout.

Own instruction: of 32 instructions of gold pairs, how often is the one that a text has its own by what it gains from the
text, over all 32, and over the 31 gold texts that are most like it. Chance is 0.03. Minutes are those of a stage's last
run: one that was stopped, or that found its rows read, has fewer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from real_models import GEMMA, MINILM, MODELS
from real_text import DATA

from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.near_texts import near_texts
from xinstr_core.engines.base import Engine, Request
from xinstr_core.engines.models import ModelReference, resolve_model
from xinstr_core.engines.precision import choose_precision
from xinstr_core.engines.roles import Engines
from xinstr_core.identity import content_key, normalised
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.candidate_pairs import CANDIDATE_PAIRS
from xinstr_core.schemas.eval_report import EVAL_REPORT, GAPS, MEASURES
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.reverse_model import ADAPTER, REVERSE_MODEL
from xinstr_core.schemas.shared import Cost
from xinstr_core.settings import Settings
from xinstr_core.stages import LINE
from xinstr_core.store import Partition, Store, write_text
from xinstr_core.workspace import home_folder

FOLDER = home_folder() / "data" / "benchmarks" / "real"
ASKED = 32
GOLD = 0.2  # of the seeds' responses
# (English name, script, seeds, parallel documents); pairs of English people teach the languages that have none.
LANGUAGES = {
    "fi": ("Finnish", "Latn", "seeds/fi.jsonl", ""),
    "hi": ("Hindi", "Deva", "seeds/hi.jsonl", ""),
    "th": ("Thai", "Thai", "seeds/th.jsonl", ""),
    "tr": ("Turkish", "Latn", "seeds/tr.jsonl", ""),
    "vi": ("Vietnamese", "Latn", "seeds/vi.jsonl", ""),
    "id": ("Indonesian", "Latn", "seed_en.jsonl", "parallel/id.jsonl"),
    "sw": ("Swahili", "Latn", "seed_en.jsonl", "parallel/sw.jsonl"),
}
PROSE = {"news", "health", "news-window"}  # kinds of parallel documents with one sentence a line
SET = {
    "reverse_model.maximum_seed_pairs": "700",
    "diversity.encoder": json.dumps(str(MODELS / MINILM.name)),
    "evaluation.maximum_prompts": "24",
    "evaluation.maximum_new_tokens": "96",
    "evaluation.arms": '["seed_only", "random", "uncurated", "bottom_half"]',
}


def records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def is_gold(response: str) -> bool:
    """Whether a response is kept out of training: all of its questions are, then."""
    return int(content_key("real", normalised(response))[:8], 16) / 16**8 < GOLD


def write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def prepare(tag: str, documents: int) -> Path:
    """The home of a language: corpus, seeds, gold and registry."""
    name, script, seeds, parallel = LANGUAGES[tag]
    home = FOLDER / tag
    home.mkdir(parents=True, exist_ok=True)
    corpus = list(records(DATA / "corpus" / f"{tag}.jsonl"))[:documents]
    write_lines(home / "corpus.jsonl", iter(corpus))
    entry = {"name": f'"{name}"', "script": f'"{script}"', "corpus": '"corpus.jsonl"', "seeds": '"seeds.jsonl"'}
    if parallel:
        write_lines(home / "seeds.jsonl", records(DATA / seeds))
        write_lines(home / "parallel.jsonl", map(as_running_text, records(DATA / parallel)))
        entry["seeds"] = '{ path = "seeds.jsonl", parallel = "parallel.jsonl" }'
    else:
        write_lines(home / "seeds.jsonl", (row for row in records(DATA / seeds) if not is_gold(row["response"])))
        write_lines(home / "gold.jsonl", (row for row in records(DATA / seeds) if is_gold(row["response"])))
        entry["gold"] = '"gold.jsonl"'
    write_text(home / "languages.toml", f"[{tag}]\n" + "".join(f"{key} = {value}\n" for key, value in entry.items()))
    return home


def as_running_text(row: dict[str, Any]) -> dict[str, Any]:
    if row["kind"] not in PROSE:
        return row
    return row | {side: row[side].replace("\n", " ") for side in ("text_en", "text")}


def build(tag: str, home: Path, last: str) -> None:
    options = [part for key, value in SET.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "xinstr_dagster.cli", "build", tag, "--preset", "small", "--to", last]
    base = ["--base-model", str(MODELS / GEMMA.name)]
    # A stage that keeps nothing ends the build: that is a result, and the table shows how far it came.
    subprocess.run([*command, *base, *options], env={**os.environ, "XINSTR_HOME": str(home)}, check=False)


def own_by_gain(home: Path, tag: str) -> dict[str, float]:
    """Share of texts whose own instruction gains most, over ASKED gold pairs and over each one's nearest texts."""
    path, store = home / "gold.jsonl", Store(home / "data")
    reverse = store.get(REVERSE_MODEL.asset, tag)
    if not path.exists() or reverse is None:
        return {}
    by_text = {normalised(row["response"]): row for row in records(path) if len(row["response"]) <= 1200}
    pairs = [Pair(key, row["instruction"], row["response"]) for key, row in sorted(by_text.items())]
    with Engines(Settings(precision="auto"), gemma()) as engines:
        return found_by_gain(engines.reverse(reverse.folder(ADAPTER.name))(), pairs)


def built(home: Path, asset: str, tag: str) -> Partition:
    found = Store(home / "data").get(asset, tag)
    if found is None:
        raise SystemExit(f"{home}: {asset} of {tag} is not built")
    return found


def gemma() -> ModelReference:
    return resolve_model(str(MODELS / GEMMA.name), choose_precision("auto").name)


def found_by_gain(engine: Engine, pairs: Sequence[Pair]) -> dict[str, float]:
    """Of ASKED of the pairs, or all of fewer, the share whose own instruction gains most, among them and its nearest."""
    chosen = sorted(pairs, key=lambda pair: content_key(pair.key))[:ASKED]
    near = near_texts({pair.key: pair.response for pair in chosen}, (pair.response for pair in pairs), ASKED - 1)
    of_text = {pair.response: pair for pair in pairs}
    asked = {
        "among 32": {pair.key: chosen for pair in chosen},
        "among its nearest": {pair.key: [pair, *(of_text[text] for text in near[pair.key])] for pair in chosen},
    }
    every = {pair.key: pair for of in asked.values() for others in of.values() for pair in others}
    alone = gains_of(engine, "", list(every.values()))
    found = {"texts": float(len(chosen))}
    for name, candidates in asked.items():
        right = 0
        for pair in chosen:
            given = gains_of(engine, pair.response, candidates[pair.key])
            right += max(given, key=lambda key: given[key] - alone[key]) == pair.key
        found[name] = round(right / len(chosen), 4)
    return found


def gains_of(engine: Engine, text: str, pairs: Sequence[Pair]) -> dict[str, float]:
    prompted = prompt("reverse").render(text=text)
    scores = engine.score([Request(pair.key, prompted, pair.instruction) for pair in pairs])
    return {score.key: sum(score.tokens) / len(score.tokens) for score in scores}


def section(tag: str) -> list[str]:
    """The tables of one language, as far as it is built."""
    home = FOLDER / tag
    store = Store(home / "data")
    lines = [f"## {LANGUAGES[tag][0]}", ""]
    kept = home / "own_by_gain.json"
    own = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    candidates, evaluator, refined = (store.get(one.asset, tag) for one in (CANDIDATE_PAIRS, EVALUATOR, REFINED_PAIRS))
    rows: list[tuple[str, Any]] = [(f"own instruction by gain, {name}", round(value, 4)) for name, value in own.items()]
    if candidates:
        funnel = candidates.read_figures(CANDIDATE_PAIRS.figures).funnel
        rows.append(("instructions accepted", f"{funnel.kept} of {funnel.taken}"))
    if evaluator:
        told = evaluator.read_figures(EVALUATOR.figures)
        rows += [
            ("held-out rows", told.held_out_rows),
            ("accuracy", told.accuracy),
            ("fit, AUC against shuffled", told.auc_shuffled),
            ("right ones among instructions of the model, AUC", told.auc_generated),
        ]
        rows += [("calibration error", told.calibration_error), ("gates", told.may_gate)]
        known = {name: one.accuracy for name, one in told.constructions.items() if one.accuracy is not None}
        rows += [(f"right: {name}", value) for name, value in known.items()]
    if refined:
        figures = refined.read_figures(REFINED_PAIRS.figures)
        rows += [("curated", figures.curated), ("kept", f"{figures.funnel.kept} of {figures.funnel.taken}")]
        if proof := figures.precision:
            interval = f"{proof.precision} ({proof.low} to {proof.high})"
            rows += [("expected precision", proof.expected), ("right of held-out instructions kept", interval)]
            rows += [
                ("held-out instructions kept", f"{proof.checked_kept} of {proof.checked}"),
                ("wrong of them", proof.wrong),
            ]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    report = store.get(EVAL_REPORT.asset, tag)
    if report:
        measures = report.read(MEASURES.name).select("metric", "model", "prompts", "value", "low", "high", "n")
        lines += table(measures.rows(), ["measure", "model", "prompts", "value", "low", "high", "n"])
        found = report.read(GAPS.name).select("reference", "arm", "metric", "prompts", "difference", "low", "high", "n")
        lines += table(found.rows(), ["arm", "against", "measure", "prompts", "difference", "low", "high", "n"])
    minutes = [(one.name, Cost.read(p.cost).seconds / 60) for one in LINE if (p := store.get(one.name, tag))]
    return [*lines, "Minutes: " + ", ".join(f"{name} {value:.1f}" for name, value in minutes), ""]


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> list[str]:
    cells = [" | ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row) for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {row} |" for row in cells), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("languages", nargs="*", default=[*LANGUAGES], help=f"of {', '.join(LANGUAGES)}")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--to", default=EVAL_REPORT.asset, help="last stage")
    arguments = parser.parse_args()
    for tag in arguments.languages:
        home = prepare(tag, arguments.documents)
        build(tag, home, arguments.to)
        kept = home / "own_by_gain.json"
        if not kept.exists() and (found := own_by_gain(home, tag)):
            write_text(kept, json.dumps(found))
    built = [tag for tag in LANGUAGES if (FOLDER / tag / "data").exists()]
    head = [
        "# Proof on real text",
        "",
        "`python benchmarks/real.py`: Gemma 3 270M, preset `small`. Finnish seeds were translated by a machine from people's English ones; Hindi, Thai, Turkish and Vietnamese responses are XQuAD paragraphs that people translated (so XQuAD is not to be reported for these models);",
        "Indonesian and Swahili have English pairs and parallel documents. Own instruction by gain: of 32 instructions of gold pairs, how often a text's own gains most from it (chance 0.03). Minutes are of a stage's last run: one that was stopped, or that found its rows read, has fewer.",
        "",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*head, *(line for tag in built for line in section(tag))]))


if __name__ == "__main__":
    main()
