"""A model behind a server gives what it gives in this process, and what a server does wrong costs a try, a row or one line."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.core.engines.completion_server import Answering, CompletionServer, serving
from xinstr_core.engines import server as server_module
from xinstr_core.engines import server_engine
from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.engines.reading import row_of
from xinstr_core.engines.resume import KEY, RowLog, Rows, run_rows
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.server_engine import ServerEngine
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError, SettingsError, StageError
from xinstr_core.pocket.base_model import END
from xinstr_core.progress import silent
from xinstr_core.settings import EngineSettings, EnginesSettings, EvaluationSettings, GenerationSettings, Settings

TEXTS = ["Habari ya asubuhi", f"quoted {END} mark", "กี่ น้ำ", "नमस्ते दुनिया", "اردو متن", "বাংলা লেখা", "தமிழ் உரை", ""]
OPENINGS = ["", "Je, ni", " How", f"{END}", "กี่", "\n", "Is it", ""]
REQUESTS = [Request(f"key-{n}", *asked) for n, asked in enumerate(zip(TEXTS, OPENINGS, strict=True))]
SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})
GREEDY = Decoding(6)
CALLED = {"embedder": "encoder"}
KEY_VALUE = "sk-secret-of-the-server"


@pytest.fixture
def adapter(tiny_model: ModelReference, tmp_path: Path) -> Path:
    """An adapter with random weights on both sides, so that it changes every logit."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    settings = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_causal_model(tiny_model), settings).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.fixture
def server(tiny_model: ModelReference) -> Iterator[CompletionServer]:
    with serving(CompletionServer(tiny_model)) as started:
        yield started


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_FIRST_WAIT", 0.01)


def said(server: CompletionServer, **values: Any) -> EngineSettings:
    return EngineSettings.model_validate({"kind": "openai", "address": server.address, **values})


def engine(base: ModelReference, settings: EngineSettings, adapter: Path | None = None) -> ServerEngine:
    return ServerEngine.load(base, adapter, TokenBudget(), settings)


# The same numbers


@pytest.mark.parametrize("adapted", [False, True], ids=["base", "adapter"])
def test_texts_and_scores_are_those_of_the_model_in_this_process(
    server: CompletionServer, tiny_model: ModelReference, adapter: Path, adapted: bool
) -> None:
    trained = adapter if adapted else None
    here, there = TransformersEngine(tiny_model, trained), engine(tiny_model, said(server), trained)
    assert there.generate(REQUESTS, GREEDY) == here.generate(REQUESTS, GREEDY)
    for one, other in zip(there.score(REQUESTS), here.score(REQUESTS), strict=True):
        assert one.key == other.key
        assert [*one.tokens, one.end] == pytest.approx([*other.tokens, other.end], abs=1e-3)
    labels = [" yes", " no", " so"]
    for mine, its in zip(there.score_labels(REQUESTS, labels), here.score_labels(REQUESTS, labels), strict=True):
        assert (mine.key, mine.labels) == (its.key, pytest.approx(its.labels, abs=1e-3))


def test_nothing_asked_has_no_answers(server: CompletionServer, tiny_model: ModelReference) -> None:
    there = engine(tiny_model, said(server))
    assert there.generate([], GREEDY) == there.score([]) == there.score_labels([], [" a", " b"]) == []


def test_what_is_sampled_depends_on_seed_and_key_alone(server: CompletionServer, tiny_model: ModelReference) -> None:
    there = engine(tiny_model, said(server))
    seeds = []
    for requests, seed in ((REQUESTS, 1), (REQUESTS[::-1], 1), (REQUESTS, 2)):
        server.asked.clear()
        there.generate(requests, Decoding(1, 0.7, 0.9, seed))
        seeds.append({json.dumps(body["prompt"]): body["seed"] for body in server.asked})
        assert {(body["temperature"], body["top_p"]) for body in server.asked} == {(0.7, 0.9)}
    assert seeds[0] == seeds[1] != seeds[2]
    assert len({*seeds[0].values()}) == len(REQUESTS)


def test_an_adapter_is_loaded_once(server: CompletionServer, tiny_model: ModelReference, adapter: Path) -> None:
    for _ in range(2):
        there = engine(tiny_model, said(server), adapter)
    assert sum("lora_name" in body for body in server.asked) == 1
    server.asked.clear()
    there.generate(REQUESTS, GREEDY)
    assert {body["model"] for body in server.asked} == {server.models[1]["id"]}


# Choice


def test_the_settings_choose_the_engine_of_a_role(server: CompletionServer, tiny_model: ModelReference) -> None:
    settings = Settings(engines=EnginesSettings(writer=said(server)))
    with Engines(settings, tiny_model) as engines:
        assert isinstance(engines.writer()(), ServerEngine)
        assert isinstance(engines.reader()(), TransformersEngine)
        assert engines.identity("reader", "weights") == "weights"
        moved = Engines(Settings(engines=EnginesSettings(writer=said(server, address="http://other/v1"))), tiny_model)
        assert engines.identity("writer", "weights") == moved.identity("writer", "weights") != "weights"


@pytest.mark.parametrize(
    ("role", "settings", "lacks"),
    [
        ("reverse", Settings(generation=GenerationSettings(guidance=1.0)), "guidance"),
        ("tuned", Settings(evaluation=EvaluationSettings(repetition_penalty=1.1)), "repetition penalty"),
    ],
)
def test_what_no_server_can_is_refused_before_anything_is_asked(
    server: CompletionServer, tiny_model: ModelReference, role: str, settings: Settings, lacks: str
) -> None:
    chosen = settings.model_copy(update={"engines": EnginesSettings(default=said(server))})
    asked = (Path("adapter"),) if role == "reverse" else ()
    with pytest.raises(
        SettingsError,
        match=f"the {CALLED.get(role, role)} cannot be an engine of kind 'openai', which lacks: {lacks}; ",
    ):
        getattr(Engines(chosen, tiny_model), role)(*asked)
    assert not server.asked


@pytest.mark.parametrize("decoding", [Decoding(2, guidance=1.0), Decoding(2, repetition_penalty=1.1)])
def test_what_it_cannot_decode_is_told_and_not_left_out(
    server: CompletionServer, tiny_model: ModelReference, decoding: Decoding
) -> None:
    there = engine(tiny_model, said(server))
    with pytest.raises(SettingsError, match="it decodes without guidance and without a repetition penalty"):
        there.generate(REQUESTS, decoding)


def test_rows_and_tokens_are_counted_as_the_server_says(server: CompletionServer, tiny_model: ModelReference) -> None:
    there = engine(tiny_model, said(server))
    server.asked.clear()
    written = there.generate(REQUESTS, GREEDY)
    asked = sum(len(body["prompt"]) for body in server.asked if "echo" not in body)
    ends = sum(one.finished for one in written)
    usage = there.usage
    assert (usage.rows, usage.prompt_tokens, usage.retries) == (len(REQUESTS), asked, 0)
    assert usage.completion_tokens == sum(one.completion_tokens for one in written) + ends
    assert usage.seconds > 0


def test_seconds_count_while_other_requests_are_under_way(server: CompletionServer, tiny_model: ModelReference) -> None:
    there = engine(tiny_model, said(server))
    slow = threading.Event()
    server.fault = lambda answering: answering.body["prompt"][:1] == [7] and not slow.wait(20)
    bodies = [{"model": "base", "prompt": [first, 5, 6], "max_tokens": 1} for first in (7, 8)]
    started = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(there._server.ask, "/completions", bodies[:1], "choices")
        there._server.ask("/completions", bodies[1:], "choices")
        meanwhile = there.usage.seconds
        slow.set()
        long.result()
    assert 0 < meanwhile < there.usage.seconds <= time.monotonic() - started


# What is found before the first row


def test_a_server_that_is_not_there_is_told_in_one_line(tiny_model: ModelReference) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    settings = EngineSettings(kind="openai", address=address, retry_seconds=0.05)
    with pytest.raises(
        StageError, match=rf"the server at {address}: the connection failed .*; tried \d+ times: see that"
    ):
        engine(tiny_model, settings)


@pytest.mark.parametrize(
    ("names", "model", "told"),
    [
        (
            ("one", "other"),
            "",
            r"it serves one, other, and not .*: set the role's model to the one that has the base mod",
        ),
        (("one",), "other", r"it serves one, and not other: set the role's model"),
        ((), "", r"it serves no model, and not"),
    ],
)
def test_another_model_than_named_is_told(
    tiny_model: ModelReference, names: tuple[str, ...], model: str, told: str
) -> None:
    with serving(CompletionServer(tiny_model, names=names)) as server, pytest.raises(InputError, match=told):
        engine(tiny_model, said(server, model=model))


@pytest.mark.parametrize("root", [None, "org/other", "/models/tiny-instruct"])
def test_another_model_with_the_same_tokenizer_is_taken_only_where_it_is_named(
    server: CompletionServer, tiny_model: ModelReference, root: str | None
) -> None:
    server.models[0]["root"] = root
    with pytest.raises(
        InputError, match=r"it serves base, and not .*: set the role's model to the one that has the ba"
    ):
        engine(tiny_model, said(server))
    assert engine(tiny_model, said(server, model="base"))
    for base in (tiny_model, replace(tiny_model, name="pocket")):  # a name that is not its folder's
        server.models[0]["root"] = f"/elsewhere/{base.path.name}"
        assert engine(base, said(server))


@pytest.mark.parametrize(
    "usage",
    [None, [], {}, {"prompt_tokens": "12", "completion_tokens": -5, "prompt_tokens_details": {"cached_tokens": 10**6}}],
)
def test_what_a_server_does_not_say_of_its_tokens_costs_what_was_sent_and_the_most_that_may_be_written(
    server: CompletionServer, tiny_model: ModelReference, usage: object
) -> None:
    there = engine(tiny_model, said(server))
    server.asked.clear()
    server.tells_usage = lambda counted: usage
    there.generate(REQUESTS, GREEDY)
    sent = sum(len(body["prompt"]) for body in server.asked)
    assert (there.usage.prompt_tokens, there.usage.completion_tokens) == (sent, 6 * len(REQUESTS))
    assert 0 <= there.usage.cached_tokens <= sent


def test_a_model_with_another_tokenizer_is_told(tiny_model: ModelReference) -> None:
    class Other:
        def decode(self, ids: list[int], **_: object) -> str:
            return "something else"

    with (
        serving(CompletionServer(tiny_model, Other())) as server,
        pytest.raises(InputError, match="it reads token ids of the base model as another text: base is another model"),
    ):
        engine(tiny_model, said(server))


def test_a_server_without_scores_or_adapters_is_told(
    server: CompletionServer, tiny_model: ModelReference, adapter: Path
) -> None:
    server.loads_adapters = False
    with pytest.raises(InputError, match=r"Not Found .*: it has to see /.*/adapter and to load adapters \(vLLM: --ena"):
        engine(tiny_model, said(server), adapter)
    server.loads_adapters, server.gives_scores = True, False
    with pytest.raises(InputError, match="it gives no log-probabilities of a prompt that it echoes: let one that does"):
        engine(tiny_model, said(server), adapter)


@pytest.mark.parametrize("kind", ["ignores", "refuses"])
def test_a_server_that_echoes_nothing_writes_and_no_more(
    server: CompletionServer, tiny_model: ModelReference, kind: str
) -> None:
    """As llama.cpp, and as some that are rented."""

    def refuse(answering: Answering) -> bool:
        if answering.body.get("echo"):
            answering.answer({"error": {"message": "echo is not supported"}}, 400)
        return "echo" in answering.body

    server.echoes = False
    if kind == "refuses":
        server.fault = refuse
    with Engines(
        Settings(engines=EnginesSettings(default=said(server), encoder=EngineSettings())), tiny_model
    ) as engines:
        written = engines.writer()().generate(REQUESTS, GREEDY)
        with pytest.raises(
            InputError,
            match=rf"^the reader cannot be openai .* at {server.address}, which does not score completions: let",
        ):
            engines.reader()()
    assert written == TransformersEngine(tiny_model).generate(REQUESTS, GREEDY)


def test_a_server_that_echoes_nothing_and_has_another_tokenizer_is_told(tiny_model: ModelReference) -> None:
    class Other:
        def decode(self, ids: list[int], **_: object) -> str:
            return " ".join(map(str, ids))

        def encode(self, text: str) -> list[int]:
            return [*text.encode()]

    with serving(CompletionServer(tiny_model, Other())) as server:
        server.echoes = False
        with pytest.raises(InputError, match="it reads token ids of the base model as another text"):
            engine(tiny_model, said(server))


@pytest.mark.parametrize(("told", "requests"), [("all", 1), ("some", 3), ("none", 3)])
def test_labels_among_the_likeliest_tokens_cost_one_request_and_others_are_echoed(
    server: CompletionServer, tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch, told: str, requests: int
) -> None:
    labels, here = [" yes", " no", " so"], TransformersEngine(tiny_model)
    [its] = here.score_labels(REQUESTS[:1], labels)
    if told == "some":
        ranked = server.next_token([*row_of(here._format, REQUESTS[0].prompt).prompt], "base")[-1].sort(descending=True)
        amount = int((ranked.values > max(its.labels) - 1e-4).sum())  # up to the likeliest label
    else:
        amount = len(server.tokenizer)
    monkeypatch.setattr(server_engine, "_LIKELIEST", amount)
    server.likeliest = amount if told != "none" else 1
    there = engine(tiny_model, said(server))
    server.asked.clear()
    [mine] = there.score_labels(REQUESTS[:1], labels)
    assert mine.labels == pytest.approx(its.labels, abs=1e-3)
    assert (len(server.asked), sum("echo" in body for body in server.asked)) == (requests, requests - (told != "none"))


def test_a_server_on_which_stop_tokens_or_adapters_have_no_effect_is_told(
    server: CompletionServer, tiny_model: ModelReference, adapter: Path
) -> None:
    server.heeds_adapters = False
    with pytest.raises(InputError, match=r"with the adapter in .*/adapter it scores as without it: the adapter has no"):
        engine(tiny_model, said(server), adapter)
    server.heeds_stops = False
    with pytest.raises(
        InputError, match="it goes on after a token that is to stop it: its stop_token_ids have no effec"
    ):
        engine(tiny_model, said(server))


def test_an_adapter_that_has_learned_nothing_is_taken(
    server: CompletionServer, tiny_model: ModelReference, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    folder = tmp_path / "untrained"
    chosen = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(load_causal_model(tiny_model), chosen).save_pretrained(folder)
    there = engine(tiny_model, said(server), folder)
    assert there.score(REQUESTS) == engine(tiny_model, said(server)).score(REQUESTS)


def test_a_model_that_is_no_adapter_is_told(server: CompletionServer, tiny_model: ModelReference) -> None:
    with pytest.raises(InputError, match="where all weights were trained there is no adapter: leave the role to trans"):
        engine(tiny_model, said(server), tiny_model.path)


def test_the_key_is_sent_and_never_told(
    server: CompletionServer, tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", KEY_VALUE)
    there = engine(tiny_model, said(server, key_variable="SERVER_KEY"))
    assert server.keys == {f"Bearer {KEY_VALUE}"}

    def refused(answering: Answering) -> bool:
        answering.answer({"error": {"message": f"Incorrect API key provided: {KEY_VALUE}"}}, 401)
        return True

    server.fault = refused
    with pytest.raises(InputError) as told:
        there.generate(REQUESTS, GREEDY)
    assert "status 401 of /completions: Incorrect API key provided: *** (SERVER_KEY is set)" in str(told.value)
    assert KEY_VALUE not in repr(said(server, key_variable="SERVER_KEY"))


# A server that fails


def run(there: Engine, folder: Path, requests: list[Request] = REQUESTS) -> Rows:
    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        return pl.DataFrame([(one.key, one.text) for one in engine.generate(batch, GREEDY)], SCHEMA, orient="row")

    return run_rows(lambda: there, requests, work, RowLog.open(folder, SCHEMA), batch_rows=3, progress=silent)


def drop(answering: Answering) -> None:
    answering.connection.shutdown(socket.SHUT_RDWR)
    answering.close_connection = True


def half(answering: Answering) -> None:
    answering.send_response(200)
    answering.send_header("Content-Length", "500")
    answering.end_headers()
    answering.wfile.write(b'{"choices": [{"te')
    drop(answering)


FAULTS: dict[str, Callable[[Answering], object]] = {
    "dropped": drop,
    "half an answer": half,
    "no JSON": lambda answering: answering.reply(b"<html>busy</html>", 200),
    "no choices": lambda answering: answering.answer({"choices": None}),
    "too many": lambda answering: answering.answer({"error": {"message": "slow down"}}, 429, Retry_After="0"),
    "broken": lambda answering: answering.answer({"detail": "oh"}, 500),
    "restarting": lambda answering: answering.reply(b"Bad gateway", 502),
    "slow": lambda answering: time.sleep(0.6),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_came_to_nothing_is_asked_again_and_every_row_has_its_one_answer(
    server: CompletionServer, tiny_model: ModelReference, tmp_path: Path, name: str
) -> None:
    there, seen = engine(tiny_model, said(server, timeout_seconds=0.4)), set[str]()
    before = server.answered.total()

    def first_time(answering: Answering) -> bool:
        asked = json.dumps(answering.body)
        if asked in seen:
            return False
        seen.add(asked)
        FAULTS[name](answering)
        return True

    server.fault = first_time
    found = run(there, tmp_path)
    expected = [(one.key, one.text) for one in TransformersEngine(tiny_model).generate(REQUESTS, GREEDY)]
    assert found.done.rows() == sorted(expected)
    assert not found.failed
    assert there.usage.retries == len(REQUESTS)
    if name not in ("no JSON", "no choices"):  # these are answers too
        assert server.answered.total() - before == len(REQUESTS)


def test_retry_after_is_waited_for(server: CompletionServer, tiny_model: ModelReference) -> None:
    there, times = engine(tiny_model, said(server)), list[float]()

    def busy(answering: Answering) -> bool:
        times.append(time.monotonic())
        if len(times) == 1:
            answering.answer({}, 503, Retry_After="1")
        return len(times) == 1

    server.fault = busy
    there.generate(REQUESTS[:1], GREEDY)
    assert times[1] - times[0] >= 1


def test_a_row_that_the_server_cannot_take_costs_itself_and_no_other_is_asked_again(
    server: CompletionServer, tiny_model: ModelReference, tmp_path: Path
) -> None:
    there = engine(tiny_model, said(server))
    server.asked.clear()
    long = Request("long", "neno " * 600)
    found = run(there, tmp_path, [*REQUESTS, long])
    assert set(found.done[KEY]) == {request.key for request in REQUESTS}
    assert "status 400: This model's maximum context length is 512 tokens." in found.failed["long"]
    prompts = [json.dumps(body["prompt"]) for body in server.asked]
    assert all(prompts.count(one) == 1 for one in prompts if len(one) < 1000)


def test_a_row_on_which_the_server_always_breaks_costs_itself(
    server: CompletionServer, tiny_model: ModelReference, tmp_path: Path
) -> None:
    there = engine(tiny_model, said(server))
    there.generate(REQUESTS[3:4], GREEDY)
    poison = json.dumps(server.asked[-1]["prompt"])

    def broken(answering: Answering) -> bool:
        if json.dumps(answering.body["prompt"]) != poison:
            time.sleep(0.02)  # so that others are answered while it is tried again
            return False
        answering.answer({"error": "out of range"}, 500)
        return True

    server.fault = broken
    found = run(there, tmp_path)
    assert list(found.failed) == ["key-3"]
    assert "status 500: out of range, 6 times, while it answers others" in found.failed["key-3"]


def test_a_server_that_dies_half_way_ends_the_build_and_finished_rows_are_kept(
    server: CompletionServer, tiny_model: ModelReference, tmp_path: Path
) -> None:
    there = engine(tiny_model, said(server, retry_seconds=0.2, requests_at_once=1))
    done = server.answered.total()

    def dies(answering: Answering) -> bool:
        if server.answered.total() - done < 5:
            return False
        drop(answering)
        return True

    server.fault = dies
    with pytest.raises(StageError, match=r"the connection failed .*; tried \d+ times: see that it runs, and start"):
        run(there, tmp_path)
    server.fault = lambda answering: False
    there = engine(tiny_model, said(server))
    server.asked.clear()
    again = run(there, tmp_path)
    assert again.done.height == len(REQUESTS)
    assert sum("echo" not in body for body in server.asked) == len(REQUESTS) - 3  # one batch was whole
