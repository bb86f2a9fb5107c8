"""Responses that models write to the seeds: each by a model that has not seen its pair, and written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Killed
from xinstr_core.curation import written as module
from xinstr_core.curation.constructions import Pair
from xinstr_core.curation.written import DECODING, as_table, from_table, written_responses
from xinstr_core.engines.base import Completion, Decoding, Request
from xinstr_core.engines.models import ModelReference
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.identity import content_key
from xinstr_core.languages import Language
from xinstr_core.progress import silent
from xinstr_core.prompts.render import prompt
from xinstr_core.schemas.evaluator import WRITTEN
from xinstr_core.settings import Construction, EvaluatorSettings, Settings
from xinstr_core.training.rows import Example

SWAHILI = Language(tag="sw", name="Swahili", script="Latn")
PAIRS = [
    Pair(content_key(str(i)), f"Tell me about {word}.", f"Hii ni habari ya {word}. Watu hupenda {word} sana.")
    for i, word in enumerate(["ugali", "mto", "kazi", "shule", "ndege"])
]
asked: list[str] = []


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few tokens, few rows a batch, and every prompt that is answered is remembered."""
    monkeypatch.setattr(module, "DECODING", Decoding(6, DECODING.temperature, DECODING.top_p))
    monkeypatch.setattr(module, "BATCH_ROWS", 2)
    asked.clear()
    generate = TransformersEngine.generate

    def remembered(self: TransformersEngine, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        asked.extend(request.prompt for request in requests)
        return generate(self, requests, decoding)

    monkeypatch.setattr(TransformersEngine, "generate", remembered)


def settings(*constructions: Construction) -> EvaluatorSettings:
    return EvaluatorSettings(
        constructions=("cut_off", "echo", *constructions),
        epochs=1,
        learning_rate=5e-3,
        rank=2,
        batch_rows=4,
        maximum_tokens=256,
        written_share=1,
    )


def write(engines: Engines, folder: Path, *constructions: Construction, progress: Any = silent) -> Any:
    return written_responses(engines, PAIRS, settings(*constructions), SWAHILI, folder, progress)[0]


def test_nothing_is_written_where_no_construction_needs_it(tmp_path: Path) -> None:
    assert write(Engines(Settings(), ModelReference("gone", Path("gone"), "gone")), tmp_path, "disordered") == {}
    assert list(tmp_path.iterdir()) == []


def test_the_base_model_answers_every_instruction_as_an_assistant(tiny_engines: Engines, tmp_path: Path) -> None:
    written = write(tiny_engines, tmp_path, "base_response")
    prompts = {p.key: prompt("response_seed").render(instruction=p.instruction, language="Swahili") for p in PAIRS}
    assert list(written) == ["base_response"]
    assert set(written["base_response"]) <= {pair.key for pair in PAIRS}
    assert all(text and text == text.strip() for text in written["base_response"].values())
    assert sorted(asked) == sorted(prompts.values())


def test_a_weaker_response_is_by_a_model_that_has_not_seen_its_pair(
    tiny_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two models, each tuned on the seeds that the other one answers."""
    learned: list[set[str]] = []
    answered: list[set[str]] = []
    train = module.train_adapter
    answers = module.answers

    def remembered(engines: Engines, examples: Sequence[Example], *rest: Any, **named: Any) -> Any:
        learned.append({example.key for example in examples})
        return train(engines, examples, *rest, **named)

    def remembered_answers(load: Any, model: str, pairs: Sequence[Pair], *rest: Any) -> Any:
        answered.append({pair.key for pair in pairs})
        return answers(load, model, pairs, *rest)

    monkeypatch.setattr(module, "train_adapter", remembered)
    monkeypatch.setattr(module, "answers", remembered_answers)
    written = write(tiny_engines, tmp_path, "weaker_response")
    everybody = {pair.key for pair in PAIRS}
    assert [len(keys) for keys in learned] == [2, 3]
    assert answered == [everybody - keys for keys in learned]
    assert set(written["weaker_response"]) <= everybody
    assert sorted(asked) == sorted(
        prompt("response_seed").render(instruction=p.instruction, language="Swahili") for p in PAIRS
    )


def test_what_is_written_does_not_depend_on_the_order_of_the_seeds(tiny_engines: Engines, tmp_path: Path) -> None:
    one = write(tiny_engines, tmp_path / "one", "base_response", "weaker_response")
    other, seconds = written_responses(
        tiny_engines, PAIRS[::-1], settings("weaker_response", "base_response"), SWAHILI, tmp_path / "other", silent
    )
    assert other == one
    assert seconds.keys() == other.keys()
    assert min(seconds.values()) > 0


def test_a_stated_share_of_the_seeds_is_asked_the_same_ones_whatever_else_is_there(
    tiny_engines: Engines, tmp_path: Path
) -> None:
    pairs = [replace(pair, key=f"0000{number * 0x4000:04x}{pair.key[8:]}") for number, pair in enumerate(PAIRS[:4])]
    few = settings("base_response").model_copy(update={"written_share": 0.5})
    found, _ = written_responses(tiny_engines, pairs, few, SWAHILI, tmp_path / "few", silent)
    assert set(found["base_response"]) <= {pairs[0].key, pairs[1].key}
    again, _ = written_responses(tiny_engines, pairs[::2], few, SWAHILI, tmp_path / "fewer", silent)
    assert again["base_response"].get(pairs[0].key) == found["base_response"].get(pairs[0].key)


def test_a_killed_run_goes_on_where_it_was_and_writes_the_same(tiny_engines: Engines, tmp_path: Path) -> None:
    whole = write(tiny_engines, tmp_path / "whole", "base_response")

    def stop(done: int, total: int, **_: object) -> None:
        if (done, total) == (4, 5):
            raise Killed

    asked.clear()
    with pytest.raises(Killed):
        write(tiny_engines, tmp_path / "killed", "base_response", progress=stop)
    assert len(asked) == 4
    asked.clear()
    assert write(tiny_engines, tmp_path / "killed", "base_response") == whole
    assert len(asked) == 1
    asked.clear()
    assert write(tiny_engines, tmp_path / "killed", "base_response") == whole
    assert asked == []


def test_a_model_that_writes_nothing_gives_no_response(
    tiny_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speechless(self: TransformersEngine, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        return [Completion(r.key, " \n" if "mto" in r.prompt else "Maji.", 1, 1, True) for r in requests]

    monkeypatch.setattr(TransformersEngine, "generate", speechless)
    written = write(tiny_engines, tmp_path, "base_response")["base_response"]
    assert written == {pair.key: "Maji." for pair in PAIRS if "mto" not in pair.instruction}


def test_one_instruction_that_the_engine_fails_on_costs_its_response_alone(
    tiny_engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(self: TransformersEngine, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        if any("mto" in request.prompt for request in requests):
            raise RuntimeError("no memory")
        return [Completion(r.key, "Maji.", 1, 1, True) for r in requests]

    monkeypatch.setattr(TransformersEngine, "generate", faulty)
    written = write(tiny_engines, tmp_path, "base_response")["base_response"]
    assert written == {pair.key: "Maji." for pair in PAIRS if "mto" not in pair.instruction}


@pytest.mark.parametrize("written", [{}, {"base_response": {"b": "Maji.", "a": ""}, "weaker_response": {"a": "Moto."}}])
def test_a_table_gives_back_what_was_written(written: dict[str, dict[str, str]]) -> None:
    table = as_table(written)
    assert table.schema == WRITTEN.schema
    assert table.rows() == sorted(table.rows())
    assert from_table(table) == written
