"""Build the pocket base model: byte-level BPE and a tiny Llama, trained on pocket pages and never on the task.

`python -m xinstr_core.pocket.base_model --output DIR` repeats what ships with the package.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from xinstr_core.pocket.pages import PageMix, pages
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.training.rows import collate

VOCABULARY = 6144
BLOCK_TOKENS = 256
END = "<|endoftext|>"
PAD = "<|pad|>"
# GPT-2's split with combining marks kept inside words: without \p{M} every Indic vowel sign cuts its word.
WORD_PATTERN = r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"


@dataclass(frozen=True)
class Phase:
    """A part of the training. `schedule_steps` may be longer than `steps`: the rate is then still high at the end.

    `packed` rows are blocks of BLOCK_TOKENS that hold several pages; else a row is one page.
    """

    mix: PageMix
    packed: bool
    batch_rows: int
    steps: int
    schedule_steps: int
    learning_rate: float
    muon: bool


# docs/decisions/0001 tells how these came about. In phase 1 English, which stands in every leaflet, was learned first;
# the demo's languages are drawn most after it.
_DEMO = ("sw", "fi", "ur")
_DEMO_FIRST = (*POCKET_LANGUAGES * 2, *_DEMO * 3)
PHASES = (
    Phase(
        PageMix({"plain": 0.42, "leaflet": 0.30, "question_list": 0.12, "phrasebook": 0.10, "register": 0.06}),
        True,
        16,
        3000,
        5500,
        3e-3,
        muon=False,
    ),
    Phase(
        PageMix(
            {
                "plain": 0.34,
                "leaflet": 0.10,
                "question_list": 0.03,
                "phrasebook": 0.12,
                "register": 0.02,
                "caption": 0.15,
                "card": 0.14,
                "question_card": 0.06,
                "commonplace_book": 0.04,
            },
            _DEMO_FIRST,
            0.02,
        ),
        True,
        16,
        1000,
        2200,
        2e-3,
        muon=True,
    ),
    Phase(PageMix({"shelved_sentence": 1}, _DEMO, 0), False, 64, 200, 800, 1e-3, muon=False),
    Phase(
        PageMix({"caption": 0.2, "question_card": 0.2, "shelved_sentence": 0.6}, _DEMO_FIRST, 0.05),
        False,
        64,
        350,
        1000,
        1e-3,
        muon=False,
    ),
    Phase(PageMix({"phrasebook": 0.1, "caption": 0.1, "card": 0.8}, _DEMO, 0), False, 32, 280, 900, 1e-3, muon=False),
    Phase(
        PageMix(
            {
                "plain": 0.22,
                "leaflet": 0.08,
                "phrasebook": 0.15,
                "register": 0.04,
                "caption": 0.08,
                "card": 0.22,
                "question_card": 0.15,
                "shelved_sentence": 0.06,
            },
            (*POCKET_LANGUAGES, *_DEMO * 5),
            0.03,
        ),
        False,
        32,
        650,
        650,
        1e-3,
        muon=False,
    ),
    Phase(
        PageMix(
            {
                "plain": 0.12,
                "phrasebook": 0.20,
                "register": 0.10,
                "caption": 0.10,
                "card": 0.28,
                "question_card": 0.15,
                "shelved_sentence": 0.05,
            },
            _DEMO,
            0,
        ),
        False,
        32,
        480,
        480,
        1.2e-3,
        muon=False,
    ),
)


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


def single_pages(tokenizer: Any, texts: Iterator[str], rows: int, batch_rows: int) -> list[dict[str, Any]]:
    """One page a row, in an order whose batches hold pages of similar length."""
    rng = random.Random("order of pages")
    ids = [
        ids
        for start in range(0, rows, 1000)
        for ids in tokenizer([text + END for text in islice(texts, 1000)])["input_ids"]
    ]
    ordered = []
    group = batch_rows * 16
    for start in range(0, rows, group):
        grouped = sorted(ids[start : start + group], key=len)
        batches = [grouped[i : i + batch_rows] for i in range(0, len(grouped), batch_rows)]
        rng.shuffle(batches)
        ordered += [row for batch in batches for row in batch]
    return [{"input_ids": row, "labels": row} for row in ordered]


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

    rows, texts = phase.schedule_steps * phase.batch_rows, pages(1 + number, phase.mix)
    rows = rows if phase.packed else phase.steps * phase.batch_rows
    data = (
        packed_blocks(tokenizer, texts, rows)
        if phase.packed
        else single_pages(tokenizer, texts, rows, phase.batch_rows)
    )
    checkpoints = finished.with_name(finished.name + "-checkpoints")
    trainer = Trainer(
        model=model,
        train_dataset=data,
        data_collator=partial(collate, tokenizer.pad_token_id),
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
    trainer.model.save_pretrained(finished)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Build the pocket base model: an estimated hour and a half on two cores."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
