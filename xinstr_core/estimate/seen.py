"""What stages that were built tell of one that will be: how fast its engines and trainings were, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xinstr_core.engines.base import Usage
from xinstr_core.engines.ledger import money
from xinstr_core.errors import InputError
from xinstr_core.estimate.work import Workload
from xinstr_core.languages import Language
from xinstr_core.schemas.shared import Cost, EngineUse
from xinstr_core.settings import EnginesSettings, TrainingSettings
from xinstr_core.store import Partition
from xinstr_core.workspace import Workspace


@dataclass(frozen=True)
class Seen:
    """What a built partition used: engines by role, and tokens trained a second (0: none); which it is, and when it was built."""

    asset: str
    language: str
    time: str
    uses: Mapping[str, EngineUse]
    trained_a_second: float

    def covers(self, work: Workload) -> bool:
        """Whether it did all kinds of what the work has. What a partition before it had done already is not in it."""
        read = sum(use.prompt_tokens for use in self.uses.values())
        written = sum(use.completion_tokens for use in self.uses.values())
        wanted = (work.prompt_tokens, work.completion_tokens, work.trained_tokens)
        there = (read, written, self.trained_a_second)
        return any(wanted) and all(found or not asked for asked, found in zip(wanted, there, strict=True))

    def expected(self, work: Workload) -> dict[str, Usage]:
        """Tokens and seconds of the engines by role: each in its part of what is read and written, as fast as then."""
        read = work.prompt_tokens / max(1, sum(use.prompt_tokens for use in self.uses.values()))
        written = work.completion_tokens / max(1, sum(use.completion_tokens for use in self.uses.values()))
        found = {}
        for role, use in self.uses.items():
            growth = written if use.completion_tokens else read  # to write takes longer than to read
            found[role] = Usage(
                prompt_tokens=round(use.prompt_tokens * read),
                cached_tokens=round(use.cached_tokens * read),
                completion_tokens=round(use.completion_tokens * written),
                seconds=use.seconds * growth,
            )
        return found

    def seconds(self, work: Workload) -> float:
        """Time of engines and trainings."""
        trained = work.trained_tokens / self.trained_a_second if work.trained_tokens else 0.0
        return sum(usage.seconds for usage in self.expected(work).values()) + trained

    def money(self, work: Workload, engines: EnginesSettings) -> float:
        """By the prices of today."""
        return sum(money(engines.of(role), usage) for role, usage in self.expected(work).items())


def seen(
    workspace: Workspace, language: Language, asset: str, work: Workload, training: TrainingSettings | None
) -> Seen | None:
    """The language's own partition of the asset, or the newest one of another language, that the same model and engines made.

    None where there is none that did all kinds of what the `work` has, and by the method of the `training` that it has.
    """
    model, engines = workspace.model(language), workspace.settings(language).engines
    for partition in _partitions(workspace, language, asset):
        found = _read(partition)
        if (
            found is not None
            and found.covers(work)
            and partition.made_of.get("model") == model.fingerprint
            and all(use.engine == engines.of(role).called(model.name) for role, use in found.uses.items())
            and (training is None or training.method in _methods(partition))
        ):
            return found
    return None


def rates(found: Iterable[Seen]) -> list[str]:
    """Rows and tokens a second of every role with its engine, a line each."""
    uses: dict[tuple[str, str], list[EngineUse]] = {}
    for one in {(one.asset, one.language): one for one in found}.values():
        for role, use in one.uses.items():
            uses.setdefault((role, use.engine), []).append(use)
    lines = []
    for (role, engine), of_role in sorted(uses.items()):
        seconds = sum(use.seconds for use in of_role)
        if seconds:
            rows = sum(use.rows for use in of_role) / seconds
            tokens = sum(use.prompt_tokens + use.completion_tokens for use in of_role) / seconds
            lines.append(f"{role} ({engine}): {rows:,.1f} rows/s, {tokens:,.0f} tokens/s")
    return lines


def _partitions(workspace: Workspace, language: Language, asset: str) -> Iterator[Partition]:
    """Those of an asset: the language's own, then others', the newest first; what cannot be read tells nothing."""
    others = list[Partition]()
    for tag in sorted(workspace.store.languages(asset), key=lambda tag: tag != language.tag):
        try:
            partition = workspace.store.get(asset, tag)
        except InputError:
            continue
        if partition is None:
            continue
        if tag == language.tag:
            yield partition
        else:
            others.append(partition)
    yield from sorted(others, key=lambda partition: str(partition.built.get("time", "")), reverse=True)


def _read(partition: Partition) -> Seen | None:
    try:
        cost = Cost.read(partition.cost)
    except InputError:  # nobody measured, or another release did
        return None
    rates = [speed.tokens_a_second for speed in cost.trainings.values()]
    return Seen(
        partition.asset,
        str(partition.manifest["language"]),
        str(partition.built.get("time", "")),
        cost.engines,
        sum(rates) / len(rates) if rates else 0.0,
    )


def _methods(partition: Partition) -> list[str]:
    """By which trainings were set to train: what a rate of theirs depends on most."""
    return [section["method"] for section in partition.made_of.get("settings", {}).values() if "method" in section]
