"""The base model behind a server of the OpenAI API that completes token ids, as vLLM does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from xinstr_core.engines.base import Capability, Decoding
from xinstr_core.engines.by_token_ids import PROBE, AskedByTokenIds, Ids, Written
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import ModelReference, adapter_hash, training_method
from xinstr_core.engines.reading import row_of
from xinstr_core.engines.server import Server, amount
from xinstr_core.errors import InputError
from xinstr_core.settings import EngineSettings

_COMPLETIONS = "/completions"
_LIKELIEST = 20  # tokens at a place that a server tells the log-probabilities of: as many as vLLM does by default
_TOKEN_ID = "token_id:"  # so a token is called where ids are asked for in place of texts, which several tokens may have
_AT_START = 30.0  # seconds for which a server may be without an answer when it is first asked
_ADAPTERS = "to load adapters (vLLM: --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment)"


class ServerEngine(AskedByTokenIds):
    """A model that a server holds. It has to see an adapter's folder under the same path. Scores are echoed by it.

    One that does not echo (llama.cpp) completes, and no more: its `capabilities` are fewer than its kind's.
    """

    def __init__(self, base: ModelReference, server: Server, model: str, rows_at_once: int) -> None:
        """`model` is the name that the server knows the base or an adapter by."""
        super().__init__(base)
        self._server = server
        self._model = model
        self._tells_likeliest = False
        self.rows_at_once = rows_at_once
        self.usage = server.usage

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        """How much is read at once is the server's affair, not the `budget`'s.

        InputError where the server does not serve the base model, load the adapter or take token ids.
        """
        # A server that is not there, or that its first scores end, is to be told at once, and not after its retry_seconds.
        hasty = settings.model_copy(update={"retry_seconds": min(settings.retry_seconds, _AT_START)})
        server = Server(hasty)
        model = _served(server, base, settings)
        whole = cls(base, server, model, 1)
        whole.probe_tokenizer()
        if adapter is None:
            whole.probe()
        else:
            model = _load_adapter(server, adapter)
            cls(base, server, model, 1).probe(adapter, whole)
        found = cls(base, Server(settings), model, settings.rows_at_once)
        found.capabilities, found._tells_likeliest = whole.capabilities, whole.tells_likeliest()
        return found

    def probe_tokenizer(self) -> None:
        """Find out whether it echoes scores. InputError where it reads token ids of the base model as another text."""
        ids = row_of(self._format, PROBE).prompt
        try:
            (choice,) = map(self._choice, self._echoes([ids]))
        except ValueError:  # it refuses to echo
            choice = {}
        if isinstance((choice.get("logprobs") or {}).get("token_logprobs"), list):
            reads = PROBE in str(choice.get("text"))
        else:
            self.capabilities &= {Capability.GENERATE}
            # Without what begins a text too, which a server may set before a text by itself, or not.
            reads = self._begins(PROBE) in (self._begins(ids), self._begins(ids[1:]))
        if not reads:
            raise InputError(
                self._told(f"it reads token ids of the base model as another text: {self._model} is another model")
            )

    def tells_likeliest(self) -> bool:
        """Whether it tells the likeliest tokens at a place by their ids."""
        try:
            return bool(self._likeliest([row_of(self._format, PROBE).prompt])[0])
        except ValueError:  # fewer than are asked for
            return False

    def give_up(self) -> None:
        self._server.give_up()

    def _told(self, message: str) -> str:
        return self._server.told(message)

    def _written(
        self, rows: Sequence[Ids], seeds: Sequence[int], decoding: Decoding, stops: Sequence[int]
    ) -> list[Written]:
        bodies = [
            {
                "model": self._model,
                "prompt": row,
                "max_tokens": decoding.maximum_new_tokens,
                "temperature": decoding.temperature,
                "top_p": decoding.top_p,
                "seed": seed,
                "stop_token_ids": list(stops),
                "return_token_ids": True,
            }
            for row, seed in zip(rows, seeds, strict=True)
        ]
        answers = self._server.ask(_COMPLETIONS, bodies, "choices")
        return [self._read(answer, stops) for answer in answers]

    def _read(self, answer: Mapping[str, Any], stops: Sequence[int]) -> Written:
        choice = self._choice(answer)
        finished = choice.get("finish_reason") == "stop"
        text, ids = str(choice.get("text", "")), choice.get("token_ids")
        if isinstance(ids, list):
            kept = tuple(token for token in ids if token not in stops)
            return Written(kept, text, len(kept), finished)
        tokens = amount((answer.get("usage") or {}).get("completion_tokens")) or 0
        return Written(None, text, max(0, tokens - finished), finished)

    def _scored(self, rows: Sequence[Ids]) -> list[list[float]]:
        answers = self._echoes(rows)
        return [
            [0.0, *self._token_log_probabilities(answer)[1 : len(row)]]
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _scored_next(self, rows: Sequence[Ids], tokens: Sequence[Ids]) -> list[list[float]]:
        told = self._likeliest(rows) if self._tells_likeliest else [{}] * len(rows)
        found = {
            (*row, token): likeliest[token]
            for row, following, likeliest in zip(rows, tokens, told, strict=True)
            for token in following
            if token in likeliest
        }
        asked = [(*row, token) for row, following in zip(rows, tokens, strict=True) for token in following]
        echoed = [one for one in asked if one not in found]
        found |= {one: values[-1] for one, values in zip(echoed, self._scored(echoed), strict=True)}
        return [[found[*row, token] for token in following] for row, following in zip(rows, tokens, strict=True)]

    def _likeliest(self, rows: Sequence[Ids]) -> list[dict[int, float]]:
        """Natural log-probabilities of the tokens that are likeliest after each row, by id; empty where it tells no ids."""
        bodies = [
            {
                "model": self._model,
                "prompt": row,
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": _LIKELIEST,
                "return_tokens_as_token_ids": True,
            }
            for row in rows
        ]
        choices = map(self._choice, self._server.ask(_COMPLETIONS, bodies, "choices"))
        told = [(choice.get("logprobs") or {}).get("top_logprobs") or [None] for choice in choices]
        return [
            {int(name.removeprefix(_TOKEN_ID)): value for name, value in first.items() if name.startswith(_TOKEN_ID)}
            if isinstance(first, Mapping)
            else {}
            for first, *_ in told
        ]

    def _begins(self, prompt: str | Ids) -> tuple[str, Any]:
        """How a prompt goes on, and how many tokens it is."""
        body = {"model": self._model, "prompt": prompt, "max_tokens": 4, "temperature": 0}
        (answer,) = self._server.ask(_COMPLETIONS, [body], "choices")
        return str(self._choice(answer).get("text")), (answer.get("usage") or {}).get("prompt_tokens")

    def _echoes(self, rows: Sequence[tuple[int, ...]]) -> list[dict[str, Any]]:
        bodies = [
            {"model": self._model, "prompt": row, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
            for row in rows
        ]
        return self._server.ask(_COMPLETIONS, bodies, "choices")

    def _token_log_probabilities(self, answer: Mapping[str, Any]) -> list[float]:
        scores = (self._choice(answer).get("logprobs") or {}).get("token_logprobs")
        if not isinstance(scores, list):
            raise InputError(
                self._told(
                    "it gives no log-probabilities of a prompt that it echoes: let one that does (vLLM) play "
                    "this role, or transformers"
                )
            )
        return scores

    def _choice(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        choices = answer["choices"]
        if len(choices) != 1 or not isinstance(choices[0], dict):
            raise ValueError(self._told(f"an answer whose choices are not one: {str(choices)[:80]}"))
        found: dict[str, Any] = choices[0]
        return found


def _served(server: Server, base: ModelReference, settings: EngineSettings) -> str:
    """The base model's name on the server: the wanted one, its own, or that under which it serves its folder (vLLM's `root`).

    Another model of the same family has the same tokenizer, so that no probe would tell it.
    """
    models = server.models()
    names = [str(one["id"]) for one in models]
    wanted = settings.model or base.name
    if wanted in names:
        return wanted
    folders = {_last(base.name), base.path.name}
    # vLLM lists adapters, with their base, too.
    same = [str(one["id"]) for one in models if not one.get("parent") and _last(one.get("root")) in folders]
    if not settings.model and len(same) == 1:
        return same[0]
    raise InputError(
        server.told(
            f"it serves {', '.join(names) or 'no model'}, and not {wanted}: set the role's model to the one that has the "
            "base model's very weights"
        )
    )


def _last(name: Any) -> str:
    """Of a folder or a hub id: what stays when a server has it elsewhere."""
    return str(name or "").rstrip("/").rpartition("/")[2]


def _load_adapter(server: Server, adapter: Path) -> str:
    """The name under which the server has the adapter in a folder, from now on if not before."""
    if training_method(adapter) == "full":
        raise InputError(
            server.told("where all weights were trained there is no adapter: leave the role to transformers")
        )
    name, folder = f"xinstr-{adapter_hash(adapter)[:16]}", adapter.resolve()
    if name not in [one["id"] for one in server.models()]:
        try:
            server.order("/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        except (InputError, ValueError) as error:
            raise InputError(f"{error}: it has to see {folder} and {_ADAPTERS}") from None
    return name
