"""What TRL and LLaMA-Factory are told of an export; LLaMA-Factory itself reads one in benchmarks/export_llama_factory.py."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.core.exporting.conftest import BuiltHome, exported

TRIPLES = [("other_text", "p000", "p001"), ("weaker", "p001", "p001")]
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def folder(home: BuiltHome, tmp_path: Path) -> Path:
    exported(replace(home, triples=TRIPLES).build(), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(str(files("xinstr_core.pocket") / "model"))
    found.chat_template = TEMPLATE
    return found


def load(folder: Path, config: str) -> Any:
    from datasets import load_dataset

    return load_dataset(str(folder), config, cache_dir=str(folder.parent / "cache"))["train"]


def test_trl_takes_both_formats_for_conversations(folder: Path, tokenizer: Any) -> None:
    from trl.data_utils import is_conversational, maybe_apply_chat_template

    chat, preferences = load(folder, "chat")[0], load(folder, "preferences")[0]
    assert is_conversational(chat) and is_conversational(preferences)
    eos = tokenizer.eos_token
    assert maybe_apply_chat_template(chat, tokenizer)["text"] == (
        f"<user>What is thing 0?{eos}<assistant>Jibu la 0.{eos}"
    )
    applied = maybe_apply_chat_template(preferences, tokenizer)
    assert {side: applied[side] for side in ("prompt", "chosen", "rejected")} == {
        "prompt": f"<user>What is thing 0?{eos}<assistant>",
        "chosen": f"Jibu la 0.{eos}",
        "rejected": f"worse 0{eos}",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "columns"), [("chat", ["input_ids"]), ("preferences", ["prompt_ids", "chosen_ids", "rejected_ids"])]
)
def test_trl_trains_on_it_as_it_is(
    folder: Path, tokenizer: Any, tmp_path: Path, config: str, columns: list[str]
) -> None:
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    trainer, options = {"chat": (SFTTrainer, SFTConfig), "preferences": (DPOTrainer, DPOConfig)}[config]
    made = trainer(
        model=AutoModelForCausalLM.from_pretrained(str(files("xinstr_core.pocket") / "model"), dtype="float32"),
        processing_class=tokenizer,
        train_dataset=load(folder, config),
        args=options(
            output_dir=str(tmp_path / "trl"),
            max_steps=1,
            per_device_train_batch_size=2,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
        ),
    )
    rows = made.train_dataset
    assert set(columns) <= set(rows.column_names)
    if config == "chat":
        assert [tokenizer.decode(ids) for ids in rows["input_ids"]] == [
            f"<user>What is thing {n}?{tokenizer.eos_token}<assistant>Jibu la {n}.{tokenizer.eos_token}"
            for n in range(2)
        ]
    assert made.train().training_loss > 0


def test_llama_factory_is_told_of_every_file_that_it_reads(folder: Path) -> None:
    found = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    assert sorted(found) == ["sw_alpaca", "sw_alpaca_heldout", "sw_alpaca_preferences", "sw_chat", "sw_chat_heldout"]
    assert found["sw_chat"] == {
        "file_name": "sw/chat/train.parquet",
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
    assert found["sw_alpaca_preferences"] == {
        "file_name": "sw/alpaca_preferences/train.parquet",
        "formatting": "alpaca",
        "ranking": True,
        "columns": {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"},
    }
    for entry in found.values():
        [row, *_] = (folder / entry["file_name"]).with_suffix(".jsonl").read_text("utf-8").splitlines()
        assert set(entry["columns"].values()) <= json.loads(row).keys()
