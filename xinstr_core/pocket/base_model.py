"""Build the pocket base model: byte-level BPE and a tiny Llama, trained on pocket pages and never on the task.

`python -m xinstr_core.pocket.base_model --output DIR` repeats what ships with the package.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from xinstr_core.pocket.pages import pages
from xinstr_core.pocket.phases import BLOCK_TOKENS, PHASES, Phase
from xinstr_core.training.batches import collate
from xinstr_core.training.rows import IGNORED, TrainingRow

VOCABULARY = 6144
END = "<|endoftext|>"
PAD = "<|pad|>"
# GPT-2's split with combining marks kept inside words: without \p{M} every Indic vowel sign cuts its word.
WORD_PATTERN = r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"


def train_tokenizer(texts: Iterator[str], vocabulary: int = VOCABULARY) -> Any:
    """Byte-level BPE: every text in every script can be written and read back exactly."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def new_model(tokenizer: Any, hidden: int = 192, layers: int = 4, heads: int = 4) -> Any:
    """A Llama with random weights. Embeddings are tied: they are a third of so small a model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=hidden * 8 // 3,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def packed_blocks(tokenizer: Any, texts: Iterator[str], blocks: int) -> list[dict[str, Any]]:
    """Pages joined by the end mark and cut into blocks of BLOCK_TOKENS: no padding, no token lost."""
    import numpy

    packed = numpy.empty(blocks * BLOCK_TOKENS, dtype=numpy.int64)
    filled = 0
    while filled < len(packed):
        rows = tokenizer([text + END for text in islice(texts, 1000)])["input_ids"]
        ids = numpy.concatenate([numpy.asarray(row) for row in rows])[: len(packed) - filled]
        packed[filled : filled + len(ids)] = ids
        filled += len(ids)
    return [{"input_ids": block, "labels": block} for block in packed.reshape(blocks, BLOCK_TOKENS).tolist()]


def page_rows(tokenizer: Any, texts: Iterator[str], rows: int) -> list[dict[str, Any]]:
    """One page a row, learned whole."""
    ids = [
        ids
        for start in range(0, rows, 1000)
        for ids in tokenizer([text + END for text in islice(texts, min(1000, rows - start))])["input_ids"]
    ]
    return [{"input_ids": row, "labels": row} for row in ids]


def mark_rows(tokenizer: Any, texts: Iterator[str], rows: int) -> list[dict[str, Any]]:
    """One page a row, learned by its last paragraph alone: the few tokens that say what a text is about would drown
    in the loss of those before them."""
    marked = []
    for text in islice(texts, rows):
        body, border, mark = text.rpartition("\n\n")
        read, learned = tokenizer([body + border, mark + END])["input_ids"]
        marked.append({"input_ids": read + learned, "labels": [IGNORED] * len(read) + learned})
    return marked


def batches_of_like_length(rows: list[dict[str, Any]], batch_rows: int) -> list[list[dict[str, Any]]]:
    """Batches whose rows need little padding, in shuffled order."""
    rng = random.Random("order of pages")
    ordered = []
    group = batch_rows * 16
    for start in range(0, len(rows), group):
        grouped = sorted(rows[start : start + group], key=lambda row: len(row["input_ids"]))
        batches = [grouped[i : i + batch_rows] for i in range(0, len(grouped), batch_rows)]
        rng.shuffle(batches)
        ordered += batches
    return ordered


def phase_rows(tokenizer: Any, phase: Phase, number: int) -> list[dict[str, Any]]:
    """The training rows of a phase in the order of their batches."""
    texts = pages(1 + number, phase.mix)
    if phase.packed:
        return packed_blocks(tokenizer, texts, phase.schedule_steps * phase.batch_rows)
    rows = phase.steps * phase.batch_rows
    if phase.marks is None:
        batches = batches_of_like_length(page_rows(tokenizer, texts, rows), phase.batch_rows)
    else:
        whole = batches_of_like_length(page_rows(tokenizer, texts, rows // 2), phase.batch_rows)
        marked = mark_rows(tokenizer, pages(101 + number, phase.marks), rows // 2)
        pairs = zip(whole, batches_of_like_length(marked, phase.batch_rows), strict=True)
        batches = [batch for pair in pairs for batch in pair]
    return [row for batch in batches for row in batch]


def build(output: Path) -> None:
    """Train all phases and write the model in float16 with its tokenizer.

    Phases and their checkpoints stay beside `output`, so a killed run goes on where it was.
    """
    from transformers import LlamaForCausalLM, set_seed

    set_seed(0)
    tokenizer_pages = pages(1, PHASES[0].mix)
    tokenizer = train_tokenizer(next(tokenizer_pages) for _ in range(40_000))
    model = new_model(tokenizer)
    for number, phase in enumerate(PHASES, start=1):
        finished = output.with_name(f"{output.name}-phase-{number}")
        if not finished.exists():
            _train_phase(model, tokenizer, phase, number, finished)
        model = LlamaForCausalLM.from_pretrained(finished)
    model.half().save_pretrained(output)
    tokenizer.save_pretrained(output)


def _muon(model: Any, learning_rate: float) -> Any:
    """Muon (Jordan 2024) for the matrices inside the layers, AdamW for embeddings and norms, behind one optimizer.

    Muon's step is scaled to the size of AdamW's, so that one learning rate serves both.
    """
    import torch

    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in inner}
    outer = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = (
        torch.optim.Muon(inner, lr=learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.1),
    )

    class Both(torch.optim.Optimizer):  # type: ignore[misc]  # torch's types are not followed, see pyproject.toml
        def __init__(self) -> None:
            super().__init__([p for one in optimizers for group in one.param_groups for p in group["params"]], {})
            self.param_groups = [group for one in optimizers for group in one.param_groups]

        def step(self, closure: Any = None) -> None:
            for one in optimizers:
                one.step()

        def state_dict(self) -> dict[str, Any]:
            return {"parts": [one.state_dict() for one in optimizers]}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            for one, state in zip(optimizers, state_dict["parts"], strict=True):
                one.load_state_dict(state)
            self.param_groups = [group for one in optimizers for group in one.param_groups]

    return Both()


def _train_phase(model: Any, tokenizer: Any, phase: Phase, number: int, finished: Path) -> None:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class StopEarly(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= phase.steps

    checkpoints = finished.with_name(finished.name + "-checkpoints")
    trainer = Trainer(
        model=model,
        train_dataset=phase_rows(tokenizer, phase, number),
        data_collator=lambda rows: collate(tokenizer.pad_token_id, [TrainingRow("", **row) for row in rows]),
        callbacks=[StopEarly()],
        optimizers=(_muon(model, phase.learning_rate) if phase.muon else None, None),
        args=TrainingArguments(
            output_dir=str(checkpoints),
            max_steps=phase.schedule_steps,
            per_device_train_batch_size=phase.batch_rows,
            learning_rate=phase.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=200 if phase.packed else 20,
            adam_beta2=0.95,
            weight_decay=0.1,
            bf16=True,
            use_cpu=True,
            train_sampling_strategy="random" if phase.packed else "sequential",
            remove_unused_columns=False,
            save_steps=500,
            save_total_limit=1,
            logging_steps=50,
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=0,
        ),
    )
    trainer.train(resume_from_checkpoint=True if any(checkpoints.glob("checkpoint-*")) else None)
    partial_folder = finished.with_name(finished.name + "-partial")
    trainer.model.save_pretrained(partial_folder)
    partial_folder.replace(finished)  # a finished phase is a whole one, whatever kills this


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Build the pocket base model: an estimated two and a half hours on two cores."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
