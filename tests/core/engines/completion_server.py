"""A server of the OpenAI API on the loopback, over an engine's own model: completes and echoes token ids, and fails as told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from xinstr_core.engines.models import ModelReference, load_causal_model, load_tokenizer, load_trained_model
from xinstr_core.errors import InputError

Fault = Callable[["Answering"], bool]  # says whether it has answered, in place of what follows


class CompletionServer(ThreadingHTTPServer):
    """Serves `base` and the adapters that it is told to load. `fault` is asked before every completion."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, base: ModelReference, tokenizer: Any = None, names: tuple[str, ...] = ("base",)) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.base, self.tokenizer = base, tokenizer or load_tokenizer(base)
        self.models: list[dict[str, Any]] = [{"id": name, "root": str(base.path)} for name in names]
        self.loaded: dict[str, Any] = dict.fromkeys(names, load_causal_model(base))
        self.loads_adapters = True
        self.gives_scores = True
        self.echoes = True
        self.likeliest = 20  # of what may be asked for
        self.tells_usage: Callable[[dict[str, int]], object] = lambda counted: counted
        self.heeds_stops = True
        self.heeds_adapters = True
        self.asked: list[dict[str, Any]] = []
        self.answered: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.positions = 512
        self.fault: Fault = lambda answering: False
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def next_token(self, ids: list[int], name: str) -> Any:
        """Log-probabilities after every token (tokens, vocabulary)."""
        import torch

        with self.lock, torch.inference_mode():
            return self.loaded[name](input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)


class Answering(BaseHTTPRequestHandler):
    server: CompletionServer
    protocol_version = "HTTP/1.1"
    body: dict[str, Any]

    def do_GET(self) -> None:
        self.answer({"data": self.server.models})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.add(self.headers.get("Authorization", ""))
        self.body = json.loads(raw)
        with self.server.lock:
            self.server.asked.append(self.body)
        if self.server.fault(self):
            return
        if self.path.endswith("/load_lora_adapter"):
            self.load_adapter()
        elif self.body["model"] not in [one["id"] for one in self.server.models]:
            self.answer({"error": {"message": f"The model `{self.body['model']}` does not exist."}}, 404)
        else:
            self.complete()

    def load_adapter(self) -> None:
        if not self.server.loads_adapters:
            self.answer({"detail": "Not Found"}, 404)
            return
        try:
            loaded = load_trained_model(self.server.base, Path(self.body["lora_path"]))
        except InputError as error:
            self.answer({"error": {"message": str(error)}}, 400)
            return
        self.server.loaded[self.body["lora_name"]] = (
            loaded if self.server.heeds_adapters else self.server.loaded["base"]
        )
        self.server.models.append({"id": self.body["lora_name"], "parent": "base"})
        self.reply(b"Success: adapter added.", 200)

    def complete(self) -> None:
        import torch

        prompt = self.body["prompt"]
        ids = self.server.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
        stops = set(self.body.get("stop_token_ids", ())) if self.server.heeds_stops else set[int]()
        most = self.server.positions
        if len(ids) + self.body["max_tokens"] > most:
            self.answer({"error": {"message": f"This model's maximum context length is {most} tokens."}}, 400)
            return
        if self.body.get("logprobs", 0) > self.server.likeliest:
            self.answer({"error": {"message": f"at most {self.server.likeliest} logprobs"}}, 400)
            return
        written, finished = list[int](), False
        chance = torch.Generator().manual_seed(self.body.get("seed", 0))
        while len(written) < self.body["max_tokens"] and not finished:
            after = self.server.next_token(ids + written, self.body["model"])
            drawn = torch.multinomial(after[-1].exp(), 1, generator=chance)
            written.append(int(drawn if self.body.get("temperature") else after[-1].argmax()))
            finished = written[-1] in stops
        echo = self.body.get("echo", False) and self.server.echoes
        shown = ids + written if echo else written
        choice = {
            "text": self.server.tokenizer.decode(shown, skip_special_tokens=True),
            "finish_reason": "stop" if finished else "length",
            "token_ids": written,
        }
        if echo and self.server.gives_scores:
            scores = self.server.next_token(shown, self.body["model"])
            told = [None, *(float(scores[place, token]) for place, token in enumerate(shown[1:]))]
            choice["logprobs"] = {"token_logprobs": told}
        elif "logprobs" in self.body and self.body.get("return_tokens_as_token_ids"):
            values, tokens = self.server.next_token(ids, self.body["model"])[-1].topk(self.body["logprobs"])
            named = {f"token_id:{token}": value for token, value in zip(tokens.tolist(), values.tolist(), strict=True)}
            choice["logprobs"] = {"top_logprobs": [named]}
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(written)}
        self.answer({"choices": [choice], "usage": self.server.tells_usage(usage)})

    def answer(self, found: Any, status: int = 200, **headers: str) -> None:
        self.reply(json.dumps(found).encode(), status, **headers)

    def reply(self, raw: bytes, status: int, **headers: str) -> None:
        if status == 200 and hasattr(self, "body"):
            with self.server.lock:
                self.server.answered[json.dumps(self.body)] += 1
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def serving(server: CompletionServer) -> Iterator[CompletionServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        server.loaded.clear()  # threads of connections that are still open know the server
