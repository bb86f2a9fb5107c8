"""The header of a dataset card: what the hub and `datasets` read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xinstr_core.exporting.split_files import WrittenSplit, features
from xinstr_core.languages import Language
from xinstr_core.licences import hub_identifier
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.export import CHAT, EXPORTED, PREFERENCES

LICENCES_FILE = "LICENSE.md"
_SIZES = (10**3, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9)
_NAMES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
Written = Mapping[str, Sequence[tuple[Table, WrittenSplit]]]
"""The splits of every table that was written, by language."""


def dataset_header(languages: Sequence[Language], written: Written, licences: Sequence[str], name: str) -> str:
    """The header as YAML, without the lines around it. `licences` are those of the rows."""
    from huggingface_hub import DatasetCardData

    rows = sum(one.rows for splits in written.values() for table, one in splits if table is CHAT)
    tags = [language.tag for language in languages]
    configs = [*_configs(written)]
    preferences = any(table is PREFERENCES for splits in written.values() for table, _ in splits)
    data = DatasetCardData(
        language=[*dict.fromkeys((*(tag.partition("-")[0] for tag in tags), "en"))],
        language_details=[f"{one.tag.partition('-')[0]}-{one.script}" for one in languages],
        **_licence(licences),
        pretty_name=name,
        annotations_creators=["machine-generated"],
        language_creators=["found", "machine-generated"],
        multilinguality=["multilingual"],
        size_categories=[_size(rows)],
        source_datasets=["original"],
        task_categories=["text-generation"],
        tags=[
            "instruction-tuning",
            "cross-lingual",
            "synthetic",
            "x-instruction",
            *(["preference"] if preferences else []),
        ],
        configs=[_config(name, splits) for name, _, splits in configs],
        dataset_info=[_info(*config) for config in configs],
    )
    return str(data.to_yaml(line_break="\n")).strip()


def config_names(written: Written) -> list[str]:
    """Every name that `load_dataset` takes."""
    return [name for name, _, _ in _configs(written)]


def _configs(written: Written) -> list[tuple[str, Table, list[WrittenSplit]]]:
    """(name, table, splits): one a format over all languages, and where there are several one a format and language."""
    found = []
    for table in EXPORTED:
        by_tag = {tag: [one for of, one in splits if of is table] for tag, splits in written.items()}
        by_tag = {tag: splits for tag, splits in by_tag.items() if splits}
        if by_tag:
            found.append((table.name, table, [one for splits in by_tag.values() for one in splits]))
        if len(written) > 1:
            found += [(f"{table.name}-{tag}", table, splits) for tag, splits in by_tag.items()]
    return found


def _config(name: str, splits: Sequence[WrittenSplit]) -> dict[str, Any]:
    files: dict[str, list[str]] = {}
    for one in splits:
        files.setdefault(one.split, []).append(one.path)
    return {
        "config_name": name,
        "data_files": [{"split": split, "path": paths} for split, paths in files.items()],
        **({"default": True} if name == CHAT.name else {}),
    }


def _info(name: str, table: Table, splits: Sequence[WrittenSplit]) -> dict[str, Any]:
    names = list(dict.fromkeys(one.split for one in splits))
    totals = [
        {
            "name": split,
            "num_bytes": sum(one.size_in_memory for one in splits if one.split == split),
            "num_examples": sum(one.rows for one in splits if one.split == split),
        }
        for split in names
    ]
    return {
        "config_name": name,
        "features": features(table),
        "splits": totals,
        "download_size": sum(one.size_on_disk for one in splits),
        "dataset_size": sum(one.size_in_memory for one in splits),
    }


def _licence(licences: Sequence[str]) -> dict[str, Any]:
    """The licence, or all of them; where the hub has no name for one, `other` with the page that tells them all."""
    identifiers = [hub_identifier(licence) for licence in licences]
    if None in identifiers:
        return {"license": "other", "license_name": "licences-of-the-rows", "license_link": LICENCES_FILE}
    known = sorted({identifier for identifier in identifiers if identifier})
    return {"license": known[0] if len(known) == 1 else known}


def _size(rows: int) -> str:
    for size, (below, name) in enumerate(zip(_SIZES, _NAMES, strict=True)):
        if rows < below:
            return f"{_NAMES[size - 1]}<n<{name}" if size else f"n<{name}"
    return "n>1B"
