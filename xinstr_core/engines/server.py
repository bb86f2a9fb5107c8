"""Asks a server over HTTP: as much at once as it keeps up with, again what came to nothing, and keeps its key to itself."""

from __future__ import annotations

import asyncio
import email.utils
import importlib.util
import json
import os
import random
import threading
import time
import urllib.parse
import urllib.request
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from xinstr_core.engines.base import Usage
from xinstr_core.engines.busy import Busy
from xinstr_core.engines.pace import Pace
from xinstr_core.errors import InputError, StageError
from xinstr_core.settings import EngineSettings

T = TypeVar("T")
_DECLINED = frozenset({408, 409, 425, 429, 503})  # too much at the time
_MENDED_BY_USER = frozenset({401, 402, 403, 404, 405})
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds, doubled from try to try
# Tries of one request, by a server that answers others or at least says what it serves: then it is this request that it
# cannot take.
_TRIES = 6
_MODELS = "/models"
_SHOWN = 300  # characters of a server's message


class _LaterError(Exception):
    """A try that came to nothing; another may be answered, after `wait` seconds where the server says so.

    Where it `declines`, it is too much for the server at the time, whatever the request is.
    """

    def __init__(self, reason: str, wait: float = 0.0, declines: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.declines = declines


class Server:
    """One server's API. What is asked is answered once; an answer that is kept back by another's error is not asked for again.

    Its methods may be called by several threads: all share one loop of events, and one limit on requests under way. No
    message holds the key.
    """

    def __init__(self, settings: EngineSettings) -> None:
        if importlib.util.find_spec("aiohttp") is None:
            raise InputError("a server is asked with aiohttp, which is not installed: pip install 'xinstr[server]'")
        self.address = settings.address.rstrip("/")
        self.usage = Usage()
        self._busy = Busy(self.usage)
        self._settings = settings
        self._key = os.environ.get(settings.key_variable, "")
        self._pace = Pace(settings.rows_at_once)
        self._sessions: list[Any] = []  # one, once it is open
        self._answers = 0  # of all requests, so that one can tell whether others are answered
        self._kept: dict[str, dict[str, Any]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="server", daemon=True).start()
        weakref.finalize(self, _hang_up, self._loop, self._sessions)

    def ask(self, path: str, bodies: Sequence[Mapping[str, Any]], holds: str) -> list[dict[str, Any]]:
        """The JSON objects that answer these, in their order. One without a list `holds` is no answer.

        ValueError for a request that the server cannot take, once all others of the call have their answers, which are
        kept for a call that asks for them again. InputError for what the user has to mend (key, address, model), StageError
        for a server that does not answer at all.
        """
        with self._busy:
            return self._run(self._ask(path, [json.dumps(body, ensure_ascii=False) for body in bodies], holds))

    def models(self) -> list[dict[str, Any]]:
        """What it says of each model that it serves, its `id` at least. Errors as of ask()."""
        found = self._run(self._answer("GET", _MODELS, "", "data"))["data"]
        return [one for one in found if isinstance(one, dict) and "id" in one]

    def order(self, path: str, body: Mapping[str, Any]) -> None:
        """Something that has no answer but that it was done. Errors as of ask()."""
        self._run(self._answer("POST", path, json.dumps(body), ""))

    def give_up(self) -> None:
        """End all that is under way: calls that wait for it raise CancelledError."""

        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        self._loop.call_soon_threadsafe(cancel)

    def told(self, message: str) -> str:
        """A message about this server, without its key."""
        said = f"the server at {self.address}: {message}"
        return said.replace(self._key, "***") if self._key else said

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _ask(self, path: str, bodies: Sequence[str], holds: str) -> list[dict[str, Any]]:
        keys = [f"{path} {body}" for body in bodies]
        asked = [
            asyncio.ensure_future(self._once(key, path, body, holds)) for key, body in zip(keys, bodies, strict=True)
        ]
        try:
            found = await asyncio.gather(*asked, return_exceptions=True)
        except asyncio.CancelledError:
            for one in asked:
                one.cancel()
            raise
        answers = [one for one in found if not isinstance(one, BaseException)]
        errors = [one for one in found if isinstance(one, BaseException)]
        if not errors:
            return answers
        self._kept |= {key: one for key, one in zip(keys, found, strict=True) if not isinstance(one, BaseException)}
        raise next((error for error in errors if not isinstance(error, ValueError)), errors[0])

    async def _once(self, key: str, path: str, body: str, holds: str) -> dict[str, Any]:
        if key in self._kept:
            return self._kept.pop(key)
        return await self._answer("POST", path, body, holds)

    async def _answer(self, method: str, path: str, body: str, holds: str) -> dict[str, Any]:
        """The answer to one request, tried again until the time for it is over."""
        first_failure, answers_then, tries = 0.0, 0, 0
        while True:
            try:
                async with self._pace:
                    found = await self._try(method, path, body, holds)
                    self._pace.answered()
            except _LaterError as error:
                self._pace.refused()
                self.usage.retries += 1
                tries += 1
                if tries == 1:
                    first_failure, answers_then = time.monotonic(), self._answers
                others = self._answers > answers_then
                if tries >= _TRIES and not error.declines and (others or (path != _MODELS and await self._is_there())):
                    raise ValueError(self.told(f"{error}, {tries} times, while it answers others")) from None
                wait = max(error.wait, random.uniform(0.5, 1) * min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (tries - 1)))
                if time.monotonic() + wait > first_failure + self._settings.retry_seconds:
                    told = f"{error}; tried {tries} times: see that it runs, and start the build again, which goes on"
                    raise StageError(self.told(told)) from None
                await asyncio.sleep(wait)
            else:
                self._answers += 1
                if method == "POST" and holds:
                    self._count(body, found)
                return found

    def _count(self, body: str, answer: Mapping[str, Any]) -> None:
        """A row, and what tokens the server says that it took; where it does not, those sent, and as many as it may write."""
        usage = answer.get("usage")
        said = usage if isinstance(usage, Mapping) else {}
        details = said.get("prompt_tokens_details")
        cached = amount(details.get("cached_tokens")) if isinstance(details, Mapping) else 0
        prompt, completion = (amount(said.get(f"{name}_tokens")) for name in ("prompt", "completion"))
        if prompt is None or completion is None:
            asked = json.loads(body)
            prompt = len(asked["prompt"]) if prompt is None else prompt
            completion = asked["max_tokens"] if completion is None else completion
        self.usage.rows += 1
        self.usage.prompt_tokens += prompt
        self.usage.cached_tokens += min(cached or 0, prompt)
        self.usage.completion_tokens += completion

    async def _is_there(self) -> bool:
        try:
            await self._try("GET", _MODELS, "", "data")
        except _LaterError:
            return False
        return True

    async def _try(self, method: str, path: str, body: str, holds: str) -> dict[str, Any]:
        import aiohttp

        try:
            asked = self._opened().request(method, self.address + path, data=body or None, allow_redirects=False)
            async with asked as response:
                raw = await response.read()
                status, after = response.status, response.headers.get("Retry-After", "")
        except TimeoutError:
            raise _LaterError(f"no answer within {self._settings.timeout_seconds:g} seconds") from None
        except aiohttp.InvalidURL:
            raise InputError(self.told("this is no address: correct the role's address")) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _LaterError(f"the connection failed ({str(error) or type(error).__name__})") from None
        if status in _DECLINED or status >= 500:
            raise _LaterError(f"status {status}: {_message(raw)}", _seconds(after), status in _DECLINED)
        if status in _MENDED_BY_USER or 300 <= status < 400:
            key = f"{self._settings.key_variable} is {'set' if self._key else 'not set'}"
            root = "; an address ends with /v1" if status == 404 and not self.address.endswith("/v1") else ""
            raise InputError(self.told(f"status {status} of {path}: {_message(raw)} ({key}{root})"))
        if status >= 400:
            raise ValueError(self.told(f"status {status}: {_message(raw)}"))
        if not holds:
            return {}
        try:
            found = json.loads(raw)
        except ValueError:  # no JSON, or no UTF-8
            found = None
        if not isinstance(found, dict) or not isinstance(found.get(holds), list):
            raise _LaterError(f"an answer without {holds}: {_message(raw)}")
        return found

    def _opened(self) -> Any:
        """The session, which keeps connections open from request to request."""
        import aiohttp

        if not self._sessions:
            headers = {"Content-Type": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            session = aiohttp.ClientSession(
                headers=headers,
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds),
                proxy=_proxy(self.address),
            )
            self._sessions.append(session)
        return self._sessions[0]


def _hang_up(loop: asyncio.AbstractEventLoop, sessions: Sequence[Any]) -> None:
    """Close what is open, then end the loop and with it its thread."""

    async def close() -> None:
        for session in sessions:
            await session.close()
        loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)


def _proxy(address: str) -> str | None:
    """That of the environment for an address. Once: it reads the environment, which with every request is felt."""
    parts = urllib.parse.urlsplit(address)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def amount(value: Any) -> int | None:
    """A number of tokens, where it is one."""
    return value if isinstance(value, int) and value >= 0 else None


def _message(raw: bytes) -> str:
    """What a server says, in one line: its error's `message`, or the `detail`, where it has one."""
    said: Any = raw.decode("utf-8", "replace")
    with suppress(json.JSONDecodeError):
        said = json.loads(said)
    for name in ("error", "message", "detail"):
        said = said.get(name, said) if isinstance(said, dict) else said
    line = " ".join(str(said).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."


def _seconds(after: str) -> float:
    """Of a Retry-After header (RFC 9110, section 10.2.3): seconds, or a date; 0 where it is neither."""
    if after.strip().isdigit():
        return float(after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(after).timestamp() - time.time())
    except ValueError:
        return 0.0
