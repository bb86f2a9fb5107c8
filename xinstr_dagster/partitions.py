"""One partition a language. The registry file is the source of truth; Dagster's instance only mirrors it."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from xinstr_core.store import Store

languages = dg.DynamicPartitionsDefinition(name="languages")


def sync_languages(instance: dg.DagsterInstance, tags: list[str]) -> list[str]:
    """Add the registered languages that the instance does not know yet. Returns them, sorted."""
    new = sorted(set(tags) - set(instance.get_dynamic_partitions("languages")))
    if new:
        instance.add_dynamic_partitions("languages", new)
    return new


def forget_languages(instance: dg.DagsterInstance, registered: Collection[str], store: Store) -> list[str]:
    """Remove the keys that are neither registered nor hold data, such as one that was typed in the UI. Returns them, sorted."""
    unknown = sorted(set(instance.get_dynamic_partitions("languages")) - set(registered))
    gone = [key for key in unknown if not store.holds(key)]
    for key in gone:
        instance.delete_dynamic_partition("languages", key)
    return gone
