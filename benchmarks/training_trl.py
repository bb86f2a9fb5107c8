"""One training with TRL's SFTTrainer, for benchmarks/training.py, in an environment that has it.

`python training_trl.py JOB.json`: rows (input_ids, labels) in their order, base model, precision, method; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Clock(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.ends.append(time.process_time())


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    held = "float32" if job["method"] == "full" else job["precision"]
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, held))
    clock = Clock()
    lora = LoraConfig(
        r=job["rank"], lora_alpha=2 * job["rank"], target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.0
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(job["rows"]),
            peft_config=lora if job["method"] == "lora" else None,
            callbacks=[clock],
            args=SFTConfig(
                output_dir=folder,
                max_steps=job["steps"],
                per_device_train_batch_size=job["batch_rows"],
                learning_rate=job["learning_rate"],
                lr_scheduler_type="cosine",
                warmup_steps=1,
                max_grad_norm=1.0,
                weight_decay=0.0,
                max_length=None,
                bf16=job["precision"] == "bfloat16",
                use_cpu=True,
                train_sampling_strategy="sequential",
                gradient_checkpointing=job["activation_checkpointing"],
                logging_steps=1,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                dataloader_pin_memory=False,
                seed=0,
            ),
        )
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    peak = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM"))
    print(
        json.dumps({"losses": losses, "seconds": clock.ends[-1] - clock.ends[0], "peak": int(peak.split()[1]) // 1024})
    )


if __name__ == "__main__":
    main()
