"""What every role's engine did is its own, adds up over restarts, and has its price."""

from __future__ import annotations

from pathlib import Path

import pytest

from xinstr_core.engines.base import Decoding, Request, Usage
from xinstr_core.engines.encoding import encode
from xinstr_core.engines.ledger import Ledger, money
from xinstr_core.engines.models import ModelReference, load_tokenizer
from xinstr_core.engines.roles import Engines
from xinstr_core.settings import EngineSettings, Settings

HERE = EngineSettings()
REQUESTS = [Request("a", "Habari ya asubuhi", " njema"), Request("b", "Maji ni uhai", " kwa kila mtu")]


def test_roles_that_share_a_model_have_each_what_they_asked_of_it(tiny_model: ModelReference) -> None:
    tokenizer = load_tokenizer(tiny_model)
    with Engines(Settings(), tiny_model) as engines:
        written = engines.writer()().generate([Request("a", "Habari ya asubuhi")], Decoding(4))
        reader = engines.reader()
        reader().score(REQUESTS)
        reader().score(REQUESTS)
        found = engines.ledger.close()
    tokens = sum(len(encode(tokenizer, one.prompt)) + len(encode(tokenizer, one.completion)) for one in REQUESTS)
    assert {*found} == {"writer", "reader"}
    writer, read = found["writer"], found["reader"]
    assert (writer.rows, writer.completion_tokens) == (1, written[0].completion_tokens)
    assert (read.rows, read.prompt_tokens, read.completion_tokens) == (4, 2 * tokens, 0)
    assert writer.engine == read.engine == f"transformers {tiny_model.name}"
    assert (read.gpu_seconds, read.money, read.retries, read.cached_tokens) == (0, 0, 0, 0)


def test_an_engine_that_nobody_calls_is_not_in_it(tiny_model: ModelReference) -> None:
    with Engines(Settings(), tiny_model) as engines:
        engines.reader()
        engines.writer()()
        assert engines.ledger.close() == {}


def test_a_restart_adds_to_what_was_spent(tmp_path: Path) -> None:
    path, prices = tmp_path / "engines.json", EngineSettings(price_prompt=2.0, price_hour=36.0)
    for done in (Usage(3, 500_000, seconds=100.0), Usage(1, 250_000, retries=2, seconds=50.0)):
        ledger, usage = Ledger(path), Usage()
        ledger.play("reverse", "openai base", prices, usage)
        usage += done
        ledger.play("rater", "openai base", prices, Usage())
    found = Ledger(path).close()
    assert {*found} == {"reverse"}
    use = found["reverse"]
    assert (use.rows, use.prompt_tokens, use.retries, use.seconds) == (4, 750_000, 2, 150)
    assert use.money == pytest.approx(1.5 + 1.5)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ({}, 0.0),
        ({"price_prompt": 2.0}, 2.0),
        ({"price_prompt": 2.0, "price_cached": 0.5}, 0.8 * 2.0 + 0.2 * 0.5),
        ({"price_completion": 10.0}, 1.0),
        ({"price_hour": 3.6}, 0.5),
    ],
)
def test_money_is_of_tokens_and_hours(prices: dict[str, float], expected: float) -> None:
    usage = Usage(1, 1_000_000, 200_000, 100_000, seconds=500.0)
    assert money(EngineSettings.model_validate(prices), usage) == pytest.approx(expected)
