"""A program for the Python of an environment that has vLLM: questions in, answers out, a line of JSON each.

vLLM wants other versions of torch and transformers than the rest, so it is started by engines/vllm_process.py and imports
nothing of xinstr. The first line says what to load: `model` (folder), `positions` that it has, or null, and the rest as
vLLM's EngineArgs name it. The first answer says what is there, or what has `failed`. Then every question has a number `id`,
`ids` of a prompt, the folder of an `adapter` or null, and
- `write`: how to sample, as vLLM's SamplingParams name it; the answer holds `ids`, with the stop token, and `finished`;
- or `score`: true; the answer holds `scores`, natural log-probabilities of every id but the first;
- or `next`: ids; the answer holds `scores` with which each of them follows.
An answer holds `cached`, the prompt's tokens that were read before, too, or an `error`, of that question alone. `{"abort": true}`
ends all that is asked. It ends when its input does, and so with whoever started it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

_KEPT_ON_A_PROCESSOR = 2**30  # bytes, for what is kept of prompts
_LONGEST_ON_A_PROCESSOR = 8192  # tokens of a row, and so of all that is read at once
Tell = Callable[[dict[str, Any]], None]


class Worker:
    """One vLLM engine, and what it is asked."""

    def __init__(self, engine: Any, tell: Tell) -> None:
        self._engine = engine
        self._tell = tell
        self._asked: dict[str, dict[str, Any]] = {}
        self._adapters: dict[str, Any] = {}

    def run(self, questions: queue.SimpleQueue[dict[str, Any]]) -> None:
        """Answer for good."""
        while True:
            while not questions.empty() or not self._engine.has_unfinished_requests():
                self._take(questions.get())
            for output in self._engine.step():
                if output.finished and (question := self._asked.pop(output.request_id, None)):
                    self._tell(
                        {"id": question["id"], "cached": output.num_cached_tokens or 0, **_found(question, output)}
                    )

    def _take(self, question: dict[str, Any]) -> None:
        if "abort" in question:
            self._engine.abort_request(list(self._asked))
            self._asked.clear()
            return
        from vllm.exceptions import VLLMValidationError

        number = str(question["id"])
        try:
            adapter = self._adapter(question["adapter"])
            prompt = {"prompt_token_ids": question["ids"]}
            self._engine.add_request(number, prompt, _sampling(question), lora_request=adapter)
        except (
            VLLMValidationError,
            ValueError,
            TypeError,
            LookupError,
            RuntimeError,
        ) as error:  # what a question can do to it
            self._tell({"id": question["id"], "error": f"{type(error).__name__}: {error}"})
        else:
            self._asked[number] = question

    def _adapter(self, folder: str | None) -> Any:
        from vllm.lora.request import LoRARequest

        if folder is None:
            return None
        if folder not in self._adapters:
            request = LoRARequest(folder, len(self._adapters) + 1, folder)
            self._engine.add_lora(request)  # here, where what does not fit the model is this question's error alone
            self._adapters[folder] = request
        return self._adapters[folder]


def _sampling(question: dict[str, Any]) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    how: dict[str, Any]
    if "write" in question:
        # Which tokens end a text is the asker's to say, and not a model's own generation settings'.
        how = {**question["write"], "ignore_eos": True}
    elif "score" in question:
        how = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
    else:
        how = {"max_tokens": 1, "temperature": 0.0, "logprob_token_ids": question["next"]}
    return SamplingParams(detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, **how)


def _found(question: dict[str, Any], output: Any) -> dict[str, Any]:
    written = output.outputs[0]
    if "write" in question:
        return {"ids": list(written.token_ids), "finished": written.finish_reason == "stop"}
    if "score" in question:
        places = zip(question["ids"][1:], output.prompt_logprobs[1:], strict=True)
        return {"scores": [place[token].logprob for token, place in places]}
    return {"scores": [written.logprobs[0][token].logprob for token in question["next"]]}


def _loaded(options: dict[str, Any]) -> Any:
    from vllm import EngineArgs, LLMEngine
    from vllm.platforms import current_platform

    positions, longest = options.pop("positions"), -1
    if current_platform.is_cpu():
        # A prompt that is read in pieces has what it draws undone between them, which no generator of a processor can.
        longest = min(positions or _LONGEST_ON_A_PROCESSOR, _LONGEST_ON_A_PROCESSOR)
        options |= {"enable_chunked_prefill": False, "max_num_batched_tokens": longest}
        options["enforce_eager"] = True  # to compile takes longer than it gains
        if "gpu_memory_utilization" not in options:  # other things live in a processor's memory, too
            options["kv_cache_memory_bytes"] = _KEPT_ON_A_PROCESSOR
    return LLMEngine.from_engine_args(EngineArgs(max_model_len=longest, disable_log_stats=True, **options))


def _read(questions: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        questions.put(json.loads(line))
    os._exit(0)  # whoever asked is gone


def _there(options: dict[str, Any], tell: Tell) -> Any:
    """The engine; nothing where there can be none, which is told."""
    try:
        import vllm
    except ImportError as error:
        tell({"failed": f"it has no vLLM that can be imported ({error})"})
        return None
    if not hasattr(vllm.SamplingParams(), "logprob_token_ids"):
        tell({"failed": f"its vLLM {vllm.__version__} cannot score given tokens: take another (tried with 0.32.0)"})
        return None
    engine = _loaded(options)
    positions, device = engine.model_config.max_model_len, vllm.platforms.current_platform.device_type
    tell({"version": vllm.__version__, "positions": positions, "device": device})
    return engine


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what vLLM prints is no answer

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    options = json.loads(sys.stdin.readline())
    questions: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(questions,), daemon=True).start()
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one process to start, and to end
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    engine = _there(options, tell)
    if engine is not None:
        Worker(engine, tell).run(questions)


if __name__ == "__main__":
    main()
