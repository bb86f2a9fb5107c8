"""A row that the model cannot take costs itself and says why; a model that can take none is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.models import ModelReference, load_tokenizer, resolve_model
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError, StageError
from xinstr_core.progress import silent

GOOD = [Request(f"good-{i}", f"Habari {i} " * (i + 1), "njema") for i in range(5)]
SCHEMA = pl.Schema({KEY: pl.String, "made": pl.String})
CALLS = ["generate", "score", "labels"]
DECODING = {"greedy": Decoding(6), "sampled": Decoding(6, 1.0, 0.9)}


def run(engine: TransformersEngine, requests: list[Request], folder: Path, call: str, decoding: str = "greedy") -> Rows:
    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        made: list[Any] = {
            "generate": lambda: engine.generate(batch, DECODING[decoding]),
            "score": lambda: engine.score(batch),
            "labels": lambda: engine.score_labels(batch, ("1", "2")),
        }[call]()
        return pl.DataFrame([(one.key, "made") for one in made], schema=SCHEMA, orient="row")

    return run_rows(lambda: engine, requests, work, RowLog.open(folder, SCHEMA), batch_rows=8, progress=silent)


def edited(model: ModelReference, folder: Path, **configuration: Any) -> ModelReference:
    copied = Path(shutil.copytree(model.path, folder / "copy"))
    path = copied / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **configuration}), "utf-8")
    return resolve_model(str(copied))


@pytest.mark.parametrize("call", CALLS)
def test_a_row_that_is_longer_than_the_models_positions(tiny_model: ModelReference, tmp_path: Path, call: str) -> None:
    engine = TransformersEngine(edited(tiny_model, tmp_path, max_position_embeddings=120))
    long = Request("long", "Habari ya asubuhi " * 60)
    tokens = engine.count_tokens(long.prompt)
    found = run(engine, [*GOOD, long], tmp_path / "rows", call)
    assert sorted(found.done[KEY]) == [request.key for request in GOOD]
    written = 6 if call == "generate" else 0
    assert found.failed == {
        "long": f"ValueError: {tokens} tokens and {written} to be written: the model has 120 positions"
    }


@pytest.fixture
def lacking(tiny_model: ModelReference, tmp_path: Path) -> ModelReference:
    """The tiny model with a tokenizer that has a token more than its weights: the word `asubuhi`."""
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "lacking"))
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.add_tokens(["asubuhi"])
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


@pytest.mark.parametrize("call", CALLS)
def test_a_row_with_a_token_that_the_weights_lack(lacking: ModelReference, tmp_path: Path, call: str) -> None:
    odd = Request("odd", "Habari za asubuhi", "njema")
    found = run(TransformersEngine(lacking), [*GOOD, odd], tmp_path / "rows", call)
    assert sorted(found.done[KEY]) == [request.key for request in GOOD]
    assert found.failed == {"odd": "ValueError: a token of this row is not among the 700 of the model's weights"}


def test_a_tokenizer_that_ends_with_a_token_that_the_weights_lack(tiny_model: ModelReference, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model.path, tmp_path / "copy"))
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.add_special_tokens({"eos_token": "<|over|>"})
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match=r"ends or pads texts with a token that is not among the 700 of its weights: "):
        TransformersEngine(resolve_model(str(folder)))


@pytest.mark.parametrize(("call", "decoding"), [*((call, "greedy") for call in CALLS), ("generate", "sampled")])
def test_a_row_whose_scores_are_no_numbers(
    tiny_model: ModelReference, tmp_path: Path, call: str, decoding: str
) -> None:
    import torch

    engine = TransformersEngine(tiny_model)
    (poison,) = {*engine._tokenizer("Z")["input_ids"]}
    with torch.no_grad():
        weight = engine.model.get_input_embeddings().weight
        engine.model.lm_head.weight = torch.nn.Parameter(weight.clone())
        weight[poison] = torch.nan
    found = run(engine, [*GOOD, Request("bad", "Habari Z", "njema")], tmp_path / "rows", call, decoding)
    assert sorted(found.done[KEY]) == [request.key for request in GOOD]
    (reason,) = found.failed.values()
    assert reason.startswith("ValueError: the model's scores of a ")
    assert reason.endswith("token are no numbers")


def test_a_model_whose_scores_are_never_numbers_stops_the_stage_in_one_line(
    tiny_model: ModelReference, tmp_path: Path
) -> None:
    import torch

    engine = TransformersEngine(tiny_model)
    with torch.no_grad():
        engine.model.get_input_embeddings().weight.fill_(torch.nan)
    with pytest.raises(
        StageError, match=r"^the engine failed on every row of a batch of 5, the first: good-0: .* no numbers$"
    ):
        run(engine, GOOD, tmp_path, "generate")
