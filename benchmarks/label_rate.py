"""What a rated row costs a vLLM server: `python benchmarks/label_rate.py ADDRESS BASE ADAPTER` writes benchmarks/label_rate.md.

ADDRESS is that of a running vLLM server of the model in BASE (README, engines), such as http://127.0.0.1:8000/v1; ADAPTER is the
folder of one that has learned to write the level, `adapter-level-...` of an evaluator. Pages of the pocket world are asked
for the three levels, in turn with an echoed prompt a label and with the log-probabilities of the likeliest tokens, of which
what they lack is echoed; every pair has pages of its own. What comes is compared first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from real import table
from vllm_rate import ratio, texts

from xinstr_core.engines.base import LabelScores, Request
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.server_engine import ServerEngine
from xinstr_core.files import write_text
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.shared import LEVELS
from xinstr_core.settings import EngineSettings

PAIRS, CHARACTERS = 5, 400


def rated(engine: ServerEngine, requests: list[Request]) -> tuple[float, list[LabelScores]]:
    """Seconds, and what was scored."""
    began = time.monotonic()
    found = engine.score_labels(requests, LEVELS)
    return time.monotonic() - began, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("base")
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--rows", type=int, default=32)
    given = parser.parse_args()
    settings = EngineSettings(kind="openai", address=given.address)
    told = ServerEngine.load(resolve_model(given.base), given.adapter, TokenBudget(), settings)
    assert told._tells_likeliest, "this server does not tell the likeliest tokens by their ids"
    echoed = ServerEngine(told._base, told._server, told._model, settings.rows_at_once)
    ratios, furthest, asked = list[float](), 0.0, list[float]()
    for pair in range(PAIRS + 1):
        requests = [
            Request(f"{place}", prompt("rating").render(instruction="What is this about?", text=text[:CHARACTERS]))
            for place, text in enumerate(texts(given.rows, 1000 + pair))
        ]
        before = told.usage.rows
        both = {id(one): rated(one, requests) for one in ((told, echoed) if pair % 2 else (echoed, told))}
        pairs = zip(both[id(told)][1], both[id(echoed)][1], strict=True)
        furthest = max(
            furthest, *(abs(a - b) for one, other in pairs for a, b in zip(one.labels, other.labels, strict=True))
        )
        if pair:  # the first warms both up
            ratios.append(both[id(echoed)][0] / both[id(told)][0])
            asked.append((told.usage.rows - before - len(LEVELS) * given.rows) / given.rows)
    rows = [
        [f"rate of {given.rows} rows, of that with an echoed prompt a label", ratio(ratios)],
        ["requests a row, of three", f"{statistics.median(asked):.2f}"],
        ["furthest that a log-probability differs", f"{furthest:.1e}"],
    ]
    lines = [
        "# Labels of a server",
        "",
        *(__doc__ or "").splitlines()[2:],
        "",
        *table(rows, [f"{told._base.path.name}, {PAIRS} pairs", ""]),
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines).rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
