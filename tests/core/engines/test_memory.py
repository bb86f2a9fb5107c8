"""How much is read at once follows from the memory, is kept, and shrinks when memory runs out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from tests.core.conftest import take_more_than_there_is
from xinstr_core.engines import memory
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.memory import MOST_TOKENS, TokenBudget, bytes_a_token, give_back_freed
from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.progress import silent

REQUESTS = [Request(f"key-{i}", f"Habari {i} " * (i + 1), "njema sana") for i in range(8)]
DECODING = Decoding(4)


@pytest.fixture(scope="module")
def model(tiny_model: ModelReference) -> Any:
    return load_causal_model(tiny_model)


def test_more_memory_than_the_most_that_is_read_changes_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10**15)
    assert TokenBudget().tokens(model) == MOST_TOKENS


def test_little_memory_is_shared_out_by_what_a_token_costs(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers with keys and values of 32 numbers, and what one layer works on, all in float32."""
    assert bytes_a_token(model.config, model.dtype.itemsize) == 4 * (2 * 2 * 32 + 6 * 32 + 3 * 64 + 2 * 32)
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * 1000 * bytes_a_token(model.config, model.dtype.itemsize))
    assert TokenBudget().tokens(model) == 1000


def test_a_budget_is_found_once_and_kept(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "stage" / "token_budget.json"
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * 1000 * bytes_a_token(model.config, model.dtype.itemsize))
    assert TokenBudget(kept).tokens(model) == 1000
    monkeypatch.setattr(memory, "free_memory", lambda: 10**15)
    assert TokenBudget(kept).tokens(model) == 1000
    TokenBudget(kept).halve(model)
    assert json.loads(kept.read_text()) == {"tokens": 500}
    assert TokenBudget().tokens(model) == MOST_TOKENS


def budget(folder: Path, tokens: int) -> TokenBudget:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "budget.json").write_text(json.dumps({"tokens": tokens}))
    return TokenBudget(folder / "budget.json")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The shapes of all ids that go through a model."""
    from transformers import LlamaModel

    seen: list[tuple[int, int]] = []
    forward = LlamaModel.forward

    def counted(self: Any, input_ids: Any = None, **others: Any) -> Any:
        seen.append(tuple(input_ids.shape))
        return forward(self, input_ids, **others)

    monkeypatch.setattr(LlamaModel, "forward", counted)
    return seen


def asked(engine: TransformersEngine) -> list[Callable[[], Any]]:
    prompts = [request.prompt for request in REQUESTS]
    return [
        lambda: engine.generate(REQUESTS, DECODING),
        lambda: engine.score(REQUESTS),
        lambda: engine.score_labels(REQUESTS, ("1", "2")),
        lambda: engine.embed(prompts).tolist(),
    ]


@pytest.mark.parametrize("call", range(4), ids=["generate", "score", "labels", "embed"])
@pytest.mark.parametrize("tokens", [32, 150, 300, MOST_TOKENS])
def test_no_more_tokens_than_the_budget_are_read_at_once_and_the_results_are_the_same(
    tiny_model: ModelReference, tmp_path: Path, passes: list[tuple[int, int]], tokens: int, call: int
) -> None:
    whole = asked(TransformersEngine(tiny_model))[call]()
    passes.clear()
    split = asked(TransformersEngine(tiny_model, budget=budget(tmp_path, tokens)))[call]()
    assert all(rows == 1 or rows * longest <= tokens for rows, longest in passes)
    if call == 0:
        assert split == whole
    else:
        for one, other in zip(split, whole, strict=True):
            numbers = [(made if isinstance(made, list) else [*vars(made).values()][1]) for made in (one, other)]
            assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)


@pytest.mark.parametrize("call", range(4), ids=["generate", "score", "labels", "embed"])
@pytest.mark.parametrize("on", ["gpu", "cpu"])
def test_where_memory_runs_out_half_as_much_is_read_and_nothing_is_lost(
    tiny_model: ModelReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on: str, call: int
) -> None:
    import torch
    from transformers import LlamaModel

    expected = asked(TransformersEngine(tiny_model, budget=budget(tmp_path / "whole", 250)))[call]()
    forward = LlamaModel.forward

    def limited(self: Any, input_ids: Any = None, **others: Any) -> Any:
        if input_ids.numel() > 250:
            if on == "gpu":
                raise torch.OutOfMemoryError("CUDA out of memory")
            take_more_than_there_is()
        return forward(self, input_ids, **others)

    monkeypatch.setattr(LlamaModel, "forward", limited)
    kept = budget(tmp_path, 1000)
    assert asked(TransformersEngine(tiny_model, budget=kept))[call]() == expected
    assert json.loads((tmp_path / "budget.json").read_text()) == {"tokens": 250}


def test_a_row_that_alone_is_too_large_says_so_and_leaves_the_budget(
    tiny_model: ModelReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import LlamaModel

    forward = LlamaModel.forward

    def limited(self: Any, input_ids: Any = None, **others: Any) -> Any:
        if input_ids.shape[1] > 500:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, input_ids, **others)

    monkeypatch.setattr(LlamaModel, "forward", limited)
    engine = TransformersEngine(tiny_model, budget=budget(tmp_path, 400))
    large = Request("large", "Habari ya asubuhi " * 60)
    found = scored(engine, [*REQUESTS, large], tmp_path / "rows")
    assert found.done.height == len(REQUESTS)
    tokens = engine.count_tokens(large.prompt)
    assert found.failed == {"large": f"RuntimeError: memory ran out on this row alone, of {tokens} tokens"}
    assert json.loads((tmp_path / "budget.json").read_text()) == {"tokens": 400}


SCHEMA = pl.Schema({KEY: pl.String, "end": pl.Float64})


def scored(engine: Engine, requests: list[Request], folder: Path) -> Rows:
    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return pl.DataFrame([(s.key, s.end) for s in engine.score(batch)], schema=SCHEMA, orient="row")

    return run_rows(lambda: engine, requests, work, RowLog.open(folder, SCHEMA), batch_rows=4, progress=silent)


def test_a_run_that_goes_on_with_other_memory_gives_the_numbers_to_the_last_bit(
    tiny_model: ModelReference, tmp_path: Path, passes: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, tokens: int, requests: list[Request]) -> Rows:
        monkeypatch.setattr(
            memory, "free_memory", lambda: 2 * tokens * bytes_a_token(engine.model.config, engine.model.dtype.itemsize)
        )
        engine = TransformersEngine(tiny_model, budget=TokenBudget(tmp_path / name / "token_budget.json"))
        return scored(engine, requests, tmp_path / name / "rows")

    whole = run("whole", 150, REQUESTS)
    shapes = passes.copy()
    passes.clear()
    run("stopped", 150, sorted(REQUESTS, key=lambda request: len(request.prompt))[:4])
    found = run("stopped", 10**9, REQUESTS)
    assert found.done.equals(whole.done)
    assert passes == shapes


def test_no_tensor_holds_texts_times_vocabulary(
    tiny_model: ModelReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 texts of 320 tokens with a vocabulary of 50,000 would be a gigabyte of logits."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from transformers import LlamaConfig, LlamaForCausalLM

    from xinstr_core.engines import reading
    from xinstr_core.engines.models import load_tokenizer, resolve_model

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50_000,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    load_tokenizer(tiny_model).save_pretrained(tmp_path)
    engine = TransformersEngine(resolve_model(str(tmp_path)))
    monkeypatch.setattr(reading, "_LOGITS", 2**21)
    largest = 0

    weights = {(50_000, 32), (32, 50_000)}

    class Watch(TorchDispatchMode):  # type: ignore[misc]  # torch ships no types for it
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = function(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor) and tuple(made.shape) not in weights:
                largest = max(largest, made.numel())
            return made

    requests = [Request(f"{i}", f"Habari {i} " * 40, "njema " * 20) for i in range(16)]
    with Watch():
        engine.score(requests)
        engine.score_labels(requests, ("1", "2"))
        engine.embed([request.prompt for request in requests])
    assert 0 < largest <= 2**21


def test_what_was_freed_between_blocks_in_use_goes_back_to_the_system() -> None:
    """The C library asks the system anew for blocks from 128 KiB on, and keeps smaller ones."""

    def held() -> int:
        return int(psutil.Process().memory_info().rss)

    blocks = [bytearray(100_000) for _ in range(2000)]
    pins = blocks[::20]
    del blocks
    kept = held()
    give_back_freed()
    assert kept - held() > 100_000_000
    assert len(pins) == 100
