"""Engines by role: the one place that chooses, loads, shares and releases models."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Self

from xinstr_core.engines.base import Capability, Engine, TakesAdapters
from xinstr_core.engines.device_lock import DeviceLock
from xinstr_core.engines.encoders import BASE_MODEL, Encode, encode_in_batches, load_encoder
from xinstr_core.engines.fit import check_fits
from xinstr_core.engines.kinds import KINDS, load_engine
from xinstr_core.engines.ledger import Ledger
from xinstr_core.engines.memory import TokenBudget, give_back_freed
from xinstr_core.engines.models import ModelReference, load_prompt_format, load_tokenizer, load_trainable_model
from xinstr_core.engines.prompt_format import PlainFormat
from xinstr_core.engines.resume import Load
from xinstr_core.engines.translators import Translator, load_translator
from xinstr_core.errors import InputError, SettingsError
from xinstr_core.identity import fingerprint
from xinstr_core.languages import Language
from xinstr_core.schemas.shared import TrainingSpeed
from xinstr_core.settings import EngineSettings, Settings

# What an engine must be able to do in each role; where it is given an adapter, Capability.ADAPTERS too.
NEEDS = {
    "reader": {Capability.SCORE_COMPLETIONS},
    "reverse": {Capability.GENERATE, Capability.SCORE_COMPLETIONS},
    "rater": {Capability.SCORE_COMPLETIONS, Capability.SCORE_LABELS},
    "writer": {Capability.GENERATE},
    "tuned": {Capability.GENERATE, Capability.SCORE_COMPLETIONS},
    "encoder": {Capability.EMBED},
}


def check_roles(settings: Settings, roles: Iterable[str]) -> None:
    """SettingsError where the kind of engine that the settings choose for a role cannot play it."""
    for role in roles:
        _check(role, _needs(role, settings), settings)


def _check(role: str, needed: set[Capability], settings: Settings) -> None:
    kind = settings.engines.of(role).kind
    if missing := needed - KINDS[kind].capabilities:
        able = [name for name, other in KINDS.items() if needed <= other.capabilities]
        raise SettingsError(
            f"the {role} cannot be an engine of kind {kind!r}, which lacks: {', '.join(sorted(missing))}; "
            f"set engines.{role}.kind to one that can: {', '.join(able) or 'none'}"
        )


def _needs(role: str, settings: Settings, adapter: Path | None = None) -> set[Capability]:
    needed = set(NEEDS[role])
    if adapter is not None:
        needed.add(Capability.ADAPTERS)
    if role == "reverse" and settings.generation.guidance:
        needed.add(Capability.GUIDANCE)
    if role == "tuned" and settings.evaluation.repetition_penalty != 1:
        needed.add(Capability.REPETITION_PENALTY)
    return needed


class Engines:
    """The models of one stage run. Each is asked for by its role, which gives a handle: a call of it gives the model.

    A model is loaded when its handle is called, and not at all where no row is missing. One is held at a time: roles
    with the same base and adapter share it, those with another adapter too where an engine takes several, and before
    another is loaded it is let go. So a room calls the handle where it needs the model, before every batch, and keeps no
    model beyond that. SettingsError from a role that engines of the kind that the settings choose for it cannot play;
    BudgetError from a handle where no money is left for it, InputError where this server cannot play it. `base` is None
    for a stage that does not use the base model, and `roles` are those that it declares. `budget` is how much they read
    at once. `trainings` is what trainings with them told of their speed, by folder, `ledger` what every role's engine did.
    With `gpu` the first model that goes onto one waits until no other process has any there, and it is kept to the end.
    """

    def __init__(
        self,
        settings: Settings,
        base: ModelReference | None,
        budget: TokenBudget | None = None,
        roles: Collection[str] = tuple(NEEDS),
        ledger: Ledger | None = None,
        gpu: DeviceLock | None = None,
    ) -> None:
        self._settings = settings
        self._base = base
        self._budget = budget or TokenBudget()
        self._roles = roles
        self.ledger = ledger or Ledger()
        self._gpu = gpu
        self._held: tuple[tuple[Any, ...], Any] | None = None
        self._lent: Callable[[], Any] = lambda: None
        self.trainings: dict[str, TrainingSpeed] = {}

    @property
    def base(self) -> ModelReference:
        assert self._base is not None, "a stage that uses the base model has to declare it"
        return self._base

    def reader(self) -> Load:
        """The untouched base model, which scores."""
        return self._engine("reader")

    def embedder(self) -> Load:
        """The untouched base model, which turns texts of any language into vectors: an encoder, whatever diversity.encoder is."""
        return self._engine("encoder")

    def reverse(self, adapter: Path) -> Load:
        """What writes the instruction that a text would answer."""
        return self._engine("reverse", adapter)

    def rater(self, adapter: Path) -> Load:
        """What reads pairs for the evaluator."""
        return self._engine("rater", adapter)

    def writer(self, adapter: Path | None = None) -> Load:
        """What writes responses to the seeds' instructions: the base model, or one that was tuned on seeds."""
        return self._engine("writer", adapter)

    def tuned(self, adapter: Path | None = None) -> Load:
        """What is evaluated: the base model, the tuned model, a comparison arm."""
        return self._engine("tuned", adapter)

    def encoder(self) -> Callable[[], Encode]:
        """What turns instructions into vectors: the base model, or the sentence encoder of diversity.encoder."""
        name = self._settings.diversity.encoder
        if name == BASE_MODEL:
            engine = self.embedder()
            return lambda: partial(encode_in_batches, engine())
        return partial(self._model, ("encoder", name), partial(load_encoder, name))

    def translator(self, source: Language, target: Language) -> Callable[[], Translator]:
        """The model of seeds.translator, in one direction."""
        name = self._settings.seeds.translator
        assert name is not None
        return partial(
            self._model, ("translator", source.tag, target.tag), partial(load_translator, name, source, target)
        )

    @cached_property
    def tokenizer(self) -> Any:
        """The base model's, which is also that of all that is trained on it."""
        return load_tokenizer(self.base)

    @cached_property
    def prompt_format(self) -> PlainFormat:
        """How the base model, and all that is trained on it, is asked."""
        return load_prompt_format(self.base, self.tokenizer)

    def trainable(self, method: Literal["lora", "full"], start_from: Path | None = None) -> Any:
        """A model for a training, which alone holds it: the base, or what train_adapter() left in `start_from`."""
        self.release()
        self.take_gpus(1)
        check_fits(self.base, "float32" if method == "full" else self.base.precision)
        model = load_trainable_model(self.base, start_from, method)
        self._lent = weakref.ref(model)
        return model

    def release(self) -> None:
        """Let the held model go, and one that was trained and is done with, and free their memory."""
        self._held = None
        if self._lent() is not None:
            gc.collect()  # an adapted model refers to itself, and stays until a collection
        give_back_freed()

    def take_gpus(self, count: int) -> list[int]:
        """Wait until so many GPUs, or the ones that there are, are this process's; their locks, none on a processor."""
        return self._gpu.take(count) if self._gpu is not None else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()
        self.release()
        if self._gpu is not None:
            self._gpu.release()

    def identity(self, role: str, model: str) -> str:
        """What row keys name of a role's model: `model`, which says what its weights are, and the engine where another runs them.

        Two kinds of engines differ by rounding at least.
        """
        engine = self._settings.engines.of(role).identity()
        return fingerprint({"model": model, "engine": engine}) if engine else model

    def _engine(self, role: str, adapter: Path | None = None) -> Load:
        assert role in self._roles, f"a stage that asks for the {role} has to declare it"
        needed = _needs(role, self._settings, adapter)
        _check(role, needed, self._settings)
        chosen = self._settings.engines.of(role)

        def play() -> Engine:
            self.ledger.admit(chosen)
            base = replace(self.base, precision=chosen.precision or self.base.precision)
            load = partial(load_engine, base, adapter, self._budget, chosen)
            self._swap_adapter(chosen, adapter)
            engine: Engine = self._model(("engine", chosen, adapter), load, gpus=chosen.gpus_here)
            if lacking := needed - engine.capabilities:
                raise InputError(
                    f"the {role} cannot be {chosen.called(self.base.name)} at {chosen.address}, which does not "
                    f"{', '.join(sorted(lacking))}: let a server that does (vLLM) play it, or transformers"
                )
            self.ledger.play(role, chosen.called(self.base.name), chosen, engine.usage)
            return engine

        return play

    def _swap_adapter(self, chosen: EngineSettings, adapter: Path | None) -> None:
        """Hold the held weights with this adapter, where they are the same engine's and can."""
        if self._held is None:
            return
        (kind, *of), held = self._held
        if kind == "engine" and of[0] == chosen and of[1] != adapter and isinstance(held, TakesAdapters):
            self.ledger.close()  # what is asked to see that it binds is no role's
            swapped = held.with_adapter(adapter)
            if swapped is not None:
                self._held = ("engine", chosen, adapter), swapped

    def _model(self, key: tuple[Any, ...], load: Callable[[], Any], *, gpus: int | None = 1) -> Any:
        """The held model, or a loaded one in its place, which works with so many GPUs of this machine.

        None: other processes, which may be on this machine, take them, and for these they are let go.
        """
        if self._held is None or self._held[0] != key:
            self.release()
            if gpus:
                self.take_gpus(gpus)
            elif gpus is None and self._gpu is not None:
                self._gpu.release()
            self._held = key, load()
        return self._held[1]
