"""The base model behind a server of the OpenAI API that completes token ids, as vLLM does.

What is asked are the ids that training and the engine in this process take, too, so nothing that a text writes can be
taken for a control token, and no server renders a chat template of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from xinstr_core.engines.base import Capability, Completion, Decoding, LabelScores, Request, TokenScores
from xinstr_core.engines.memory import TokenBudget
from xinstr_core.engines.models import (
    ModelReference,
    adapter_hash,
    load_prompt_format,
    load_tokenizer,
    training_method,
)
from xinstr_core.engines.reading import Row, first_tokens, row_of
from xinstr_core.engines.server import Server
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.settings import EngineSettings

_COMPLETIONS = "/completions"
_AT_START = 30.0  # seconds for which a server may be without an answer when it is first asked
_ADAPTERS = "to load adapters (vLLM: --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment)"
_PROBE = "Which river flows here? Mto, नदी, แม่น้ำ, نہر"


class ServerEngine:
    """A causal language model that a server holds: the base as it is, or an adapter that train_adapter() made.

    The server has to see the adapter's folder under the same path. Scores are of token ids, and echoed by it.
    """

    capabilities = frozenset(
        {Capability.GENERATE, Capability.SCORE_COMPLETIONS, Capability.SCORE_LABELS, Capability.ADAPTERS}
    )

    def __init__(self, base: ModelReference, server: Server, model: str, rows_at_once: int) -> None:
        """`model` is the name that the server knows the base or an adapter by."""
        self._format = load_prompt_format(base, load_tokenizer(base))
        self._server = server
        self._model = model
        self.rows_at_once = rows_at_once
        self.usage = server.usage

    @classmethod
    def load(cls, base: ModelReference, adapter: Path | None, budget: TokenBudget, settings: EngineSettings) -> Self:
        """How much is read at once is the server's affair, not the `budget`'s.

        InputError where the server does not serve the base model, load the adapter, take token ids or score them.
        """
        # A server that is not there, or that its first scores end, is to be told at once, and not after its retry_seconds.
        hasty = settings.model_copy(update={"retry_seconds": min(settings.retry_seconds, _AT_START)})
        server = Server(hasty)
        model = _served(server, base, settings)
        if adapter is not None:
            model = _load_adapter(server, adapter)
        cls(base, server, model, 1).probe()
        return cls(base, Server(settings), model, settings.requests_at_once)

    def probe(self) -> None:
        """InputError where token ids or their scores do not bind: better now than wrong numbers for a night."""
        row = row_of(self._format, _PROBE)
        answer, *_ = self._echoes([row.prompt, row.prompt[:-1], row.prompt[:-2]])  # some fail on several at once alone
        if (scored := len(self._token_log_probabilities(answer)) - 1) != len(row):
            raise InputError(
                self._server.told(f"of {len(row)} token ids it scored {scored}: it has to take prompts as token ids")
            )
        if _PROBE not in str(self._choice(answer).get("text")):
            raise InputError(
                self._server.told(
                    f"it reads token ids of the base model as another text: {self._model} is another model"
                )
            )

    def give_up(self) -> None:
        self._server.give_up()

    def generate(self, requests: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """What is sampled is drawn by the server, from a seed of the row's key. SettingsError for what it cannot decode."""
        if decoding.guidance or decoding.repetition_penalty != 1:
            raise SettingsError(self._server.told("it decodes without guidance and without a repetition penalty"))
        rows = [row_of(self._format, request.prompt, request.completion) for request in requests]
        bodies = [
            {
                "model": self._model,
                "prompt": [*row.prompt, *row.following],
                "max_tokens": decoding.maximum_new_tokens,
                "temperature": decoding.temperature,
                "top_p": decoding.top_p,
                "seed": _seed(request.key, decoding),
                "stop_token_ids": self._format.stops,
                "return_token_ids": True,
            }
            for request, row in zip(requests, rows, strict=True)
        ]
        answers = self._server.ask(_COMPLETIONS, bodies, "choices")
        return [self._completion(*asked) for asked in zip(requests, rows, answers, strict=True)]

    def score(self, requests: Sequence[Request]) -> list[TokenScores]:
        rows = [row_of(self._format, request.prompt, request.completion) for request in requests]
        found = self._scored([(*row.prompt, *row.following, row.end) for row in rows])
        scores = [values[len(row.prompt) :] for row, values in zip(rows, found, strict=True)]
        return [
            TokenScores(request.key, tuple(values[:-1]), values[-1])
            for request, values in zip(requests, scores, strict=True)
        ]

    def score_labels(self, requests: Sequence[Request], labels: Sequence[str]) -> list[LabelScores]:
        """Raises ValueError for labels that begin with the same token."""
        asked = list[tuple[int, ...]]()
        for request in requests:
            shared, first = first_tokens([row_of(self._format, request.prompt, label) for label in labels], labels)
            asked += [(*shared.prompt, *shared.following, token) for token in first]
        last = [values[-1] for values in self._scored(asked)]
        return [
            LabelScores(request.key, tuple(last[place * len(labels) : (place + 1) * len(labels)]))
            for place, request in enumerate(requests)
        ]

    def embed(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError("it has no such capability")

    def _scored(self, rows: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Natural log-probabilities of every token of each row, the first one's 0: nothing stands before it."""
        answers = self._echoes(rows)
        return [
            [0.0, *self._token_log_probabilities(answer)[1 : len(row)]]
            for row, answer in zip(rows, answers, strict=True)
        ]

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
                self._server.told(
                    "it gives no log-probabilities of a prompt that it echoes: let one that does (vLLM) play "
                    "this role, or transformers"
                )
            )
        return scores

    def _choice(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        choices = answer["choices"]
        if len(choices) != 1 or not isinstance(choices[0], dict):
            raise ValueError(self._server.told(f"an answer of {len(choices)} choices in place of one"))
        found: dict[str, Any] = choices[0]
        return found

    def _completion(self, request: Request, row: Row, answer: Mapping[str, Any]) -> Completion:
        choice = self._choice(answer)
        finished = choice.get("finish_reason") == "stop"
        ids = choice.get("token_ids")
        if isinstance(ids, list):
            ids = [token for token in ids if token not in self._format.stops]
            text, written = self._format.text([*row.following, *ids]), len(ids)
        else:
            text = request.completion + str(choice.get("text", ""))
            written = int((answer.get("usage") or {}).get("completion_tokens", 0)) - finished
        return Completion(request.key, text, len(row.prompt), written, finished)


def _served(server: Server, base: ModelReference, settings: EngineSettings) -> str:
    """The base model's name on the server: the wanted one, its own, or that of the only model there."""
    models = server.models()
    names = [str(one["id"]) for one in models]
    whole = [str(one["id"]) for one in models if not one.get("parent")]  # vLLM lists adapters, with their base, too
    wanted = settings.model or base.name
    if wanted in names:
        return wanted
    if not settings.model and len(whole) == 1:
        return whole[0]
    raise InputError(
        server.told(f"it serves {', '.join(names) or 'no model'}, and not {wanted}: correct the role's model")
    )


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


def _seed(key: str, decoding: Decoding) -> int:
    """What is sampled for a row depends on seed and key: 31 bits, which all servers take."""
    return int.from_bytes(hashlib.sha256(f"{decoding.seed}|{key}".encode()).digest()[:4], "big") >> 1
