"""What asking a server costs: `python benchmarks/server.py` writes benchmarks/server.md.

A server on the loopback, in a process of its own, has 64 slots and answers in 50 ms: 1,280 requests a second, and no more.
10,000 requests go to it through `run_rows`, as every room's do, in batches of 16. What counts is the rate after the first
5 %, in shares of that, and of what the same server gives a loop that only asks, just before; and that every row has its one answer; again with a server that fails one request
of twenty: refuses it, breaks, answers half, or hangs up. `--runs` says how often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from real import table

from xinstr_core.engines.base import Decoding, Engine, Request
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import resolve_model
from xinstr_core.engines.resume import KEY, RowLog, run_rows
from xinstr_core.engines.server_engine import ServerEngine
from xinstr_core.files import write_text
from xinstr_core.settings import EngineSettings

REQUESTS, SLOTS, SECONDS, BATCH_ROWS = 10_000, 64, 0.05, 16
SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})


def serve(fault_share: float, told: Any) -> None:
    """Complete every prompt by the number that its ids spell, in a slot of its own."""
    from aiohttp import web

    slots, rng = asyncio.Semaphore(SLOTS), random.Random(0)

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "pocket"}]})

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body.get("echo"):
            text = reads(body["prompt"])
            scores = [-1.0] * (len(body["prompt"]) + 1)
            return web.json_response({"choices": [{"text": text, "logprobs": {"token_logprobs": scores}}]})
        async with slots:
            await asyncio.sleep(SECONDS)
        if rng.random() < fault_share:
            return await fail(request)
        asked = json.dumps(body["prompt"])
        choice = {"text": asked, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"completion_tokens": 1}})

    async def fail(request: web.Request) -> web.StreamResponse:
        kind = rng.randrange(4)
        if kind < 2:
            return web.json_response({"error": {"message": "busy"}}, status=(429, 500)[kind])
        if kind == 2:
            return web.Response(text='{"choices": [{"te', content_type="application/json")
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    tokenizer = resolve_tokenizer()

    def reads(ids: list[int]) -> str:
        return str(tokenizer.decode(ids))

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/completions", complete)

    async def run() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        told.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def resolve_tokenizer() -> Any:
    from xinstr_core.engines.models import load_tokenizer

    return load_tokenizer(resolve_model("pocket"))


async def bare(address: str) -> float:
    """Requests a second that the server answers after the first 5 % to a loop that does nothing else and needs no answer."""
    import aiohttp

    under_way, times = asyncio.Semaphore(2 * SLOTS), list[float]()
    body = json.dumps({"model": "pocket", "prompt": list(range(20)), "max_tokens": 8}).encode()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            async with under_way, session.post(f"{address}/completions", data=body) as response:
                await response.read()
            times.append(time.monotonic())

        await asyncio.gather(*(ask() for _ in range(REQUESTS)))
    first = REQUESTS // 20
    return (REQUESTS - first) / (times[-1] - times[first])


def measure(fault_share: float) -> dict[str, float]:
    """Requests a second after the first 5 %, bare and through run_rows, and what became of the rows."""
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    process = context.Process(target=serve, args=(fault_share, told), daemon=True)
    process.start()
    address = f"http://127.0.0.1:{told.get()}/v1"
    reached = asyncio.run(bare(address)) if not fault_share else 0.0
    settings = EngineSettings(kind="openai", address=address, requests_at_once=2 * SLOTS)
    engine = ServerEngine.load(resolve_model("pocket"), None, TokenBudget(), settings)
    times = list[float]()

    def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
        rows = [(one.key, one.text) for one in engine.generate(batch, Decoding(8))]
        times.extend([time.monotonic()] * len(rows))
        return pl.DataFrame(rows, SCHEMA, orient="row")

    requests = [Request(f"{n:05}", f"Swali la {n}: mto huu unaanzia wapi?") for n in range(REQUESTS)]
    with tempfile.TemporaryDirectory() as folder:
        log = RowLog.open(Path(folder), SCHEMA)
        began, spent = time.monotonic(), time.process_time()
        found = run_rows(lambda: engine, requests, work, log, batch_rows=BATCH_ROWS, progress=lambda *_, **__: None)
        spent = time.process_time() - spent
    process.terminate()
    times.sort()
    first = REQUESTS // 20
    return {
        "rate": (len(times) - first) / (times[-1] - times[first]),
        "bare": reached,
        "seconds": times[-1] - began,
        "processor ms": 1000 * spent / REQUESTS,
        "rows": found.done.height,
        "texts": found.done["text"].n_unique(),
        "failed": len(found.failed),
        "retries": engine.usage.retries,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    lines = ["# Asking a server", "", *(__doc__ or "").splitlines()[2:], ""]
    capacity, told = SLOTS / SECONDS, []
    for share in (0.0, 0.05):
        made = [measure(share) for _ in range(runs)]
        rates = sorted(one["rate"] / capacity for one in made)
        bares = sorted(one["rate"] / one["bare"] for one in made if one["bare"])
        told.append(
            [
                f"{share:.0%}",
                f"{statistics.median(rates):.3f} ({rates[0]:.3f} to {rates[-1]:.3f})",
                f"{statistics.median(bares):.3f} ({bares[0]:.3f} to {bares[-1]:.3f})" if bares else "",
                f"{statistics.median(one['seconds'] for one in made):.1f}",
                f"{statistics.median(one['processor ms'] for one in made):.2f}",
                *("; ".join(sorted({f"{one[name]:.0f}" for one in made})) for name in ("rows", "texts", "failed")),
                f"{statistics.median(one['retries'] for one in made):.0f}",
            ]
        )
    head = [
        "faults",
        "share of capacity",
        "of a bare client's rate",
        "seconds",
        "processor ms a request",
        "rows",
        "different texts",
        "failed",
        "retries",
    ]
    write_text(Path(__file__).with_suffix(".md"), "\n".join([*lines, *table(told, head), ""]))


if __name__ == "__main__":
    main()
