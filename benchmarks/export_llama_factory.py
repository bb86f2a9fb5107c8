"""An export read by LLaMA-Factory's own loader, in an environment that has it, and held to the export's JSON lines.

    python -m venv ENV; ENV/bin/pip install llamafactory==0.9.5
    ENV/bin/python benchmarks/export_llama_factory.py DIR TOKENIZER

`DIR` is what `xinstr export` wrote, `TOKENIZER` any folder with a tokenizer, for the ids that a training would see. Prints a
line an entry of `dataset_info.json`, and ends with an error where a row differs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from llamafactory.data.data_utils import Role
from llamafactory.data.loader import _get_merged_dataset, get_dataset
from llamafactory.data.template import get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

USER, ASSISTANT = Role.USER.value, Role.ASSISTANT.value


def turns(row: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """(prompt, responses) of a line of the export, as LLaMA-Factory aligns one of its rows."""
    if "messages" in row:
        return row["messages"][:1], row["messages"][1:]
    responses = [row[side] for side in ("chosen", "rejected", "output") if side in row]
    asked = "\n".join(filter(None, (row["instruction"], row["input"])))
    return [turn(USER, asked)], [turn(ASSISTANT, response) for response in responses]


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def arguments(folder: Path, tokenizer: str, entry: str, ranking: bool) -> Any:
    return get_train_args(
        {
            "model_name_or_path": tokenizer,
            "dataset_dir": str(folder),
            "dataset": entry,
            "template": "chatml",
            "stage": "dpo" if ranking else "sft",
            "do_train": True,
            "output_dir": "/tmp/never-written",
            "use_cpu": True,
            "report_to": "none",
            "cutoff_len": 4096,
        }
    )


def main() -> None:
    folder, tokenizer = Path(sys.argv[1]), sys.argv[2]
    entries = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    for entry, how in entries.items():
        ranking = bool(how.get("ranking"))
        model, data, training, *_ = arguments(folder, tokenizer, entry, ranking)
        stage = "rm" if ranking else "sft"
        aligned = _get_merged_dataset([entry], model, data, training, stage=stage)
        lines = (folder / how["file_name"]).with_suffix(".jsonl").read_text("utf-8").splitlines()
        wanted = [turns(json.loads(line)) for line in lines]
        assert [(row["_prompt"], row["_response"]) for row in aligned] == wanted, entry
        module = load_tokenizer(model)
        template = get_template_and_fix_tokenizer(module["tokenizer"], data)
        tokenised = get_dataset(template, model, data, training, stage, **module)["train_dataset"]
        sides = "chosen_input_ids" if ranking else "input_ids"
        assert len(tokenised) == len(wanted), entry
        print(f"{entry}: {len(wanted)} rows as in the export, {sum(map(len, tokenised[sides]))} tokens to train on")


if __name__ == "__main__":
    main()
