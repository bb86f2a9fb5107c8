"""`dataset_info.json`, by which LLaMA-Factory knows the files of an export: its `dataset_dir` is the export's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xinstr_core.exporting.split_files import WrittenSplit
from xinstr_core.schemas.declaration import Table
from xinstr_core.schemas.diversified_set import TRAIN
from xinstr_core.schemas.export import ALPACA, ALPACA_PREFERENCES, CHAT, SEED_CHAT

LLAMA_FACTORY_FILE = "dataset_info.json"
_CHAT: dict[str, Any] = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}
_INSTRUCTION = {"prompt": "instruction", "query": "input"}
# By table; of preferences it reads plain texts, and not TRL's lists of messages.
_READ_AS: dict[str, dict[str, Any]] = {
    CHAT.name: _CHAT,
    SEED_CHAT.name: _CHAT,
    ALPACA.name: {"formatting": "alpaca", "columns": {**_INSTRUCTION, "response": "output"}},
    ALPACA_PREFERENCES.name: {
        "formatting": "alpaca",
        "ranking": True,
        "columns": {**_INSTRUCTION, "chosen": "chosen", "rejected": "rejected"},
    },
}


def llama_factory_info(written: Mapping[str, Sequence[tuple[Table, WrittenSplit]]]) -> str:
    """The file, of what was written by language: `sw_chat` is the part to train on, `sw_chat_heldout` the other one."""
    entries = {
        f"{tag}_{table.name}{'' if one.split == TRAIN else f'_{one.split}'}": {
            "file_name": one.path,
            **_READ_AS[table.name],
        }
        for tag, splits in written.items()
        for table, one in splits
        if table.name in _READ_AS
    }
    return json.dumps(entries, ensure_ascii=False, indent=2) + "\n"
