"""One partition a language. The registry file is the source of truth; Dagster's instance only mirrors it."""

from __future__ import annotations

import dagster as dg

languages = dg.DynamicPartitionsDefinition(name="languages")


def sync_languages(instance: dg.DagsterInstance, tags: list[str]) -> list[str]:
    """Add the registered languages that the instance does not know yet, sorted. Nothing is ever deleted: data outlives keys."""
    new = sorted(set(tags) - set(instance.get_dynamic_partitions("languages")))
    if new:
        instance.add_dynamic_partitions("languages", new)
    return new
