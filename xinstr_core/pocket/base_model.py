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

from xinstr_core.pocket.pages import HEADING, PageMix, pages
from xinstr_core.pocket.templates import POCKET_LANGUAGES
from xinstr_core.training.rows import IGNORED, collate

VOCABULARY = 6144
BLOCK_TOKENS = 256
LONGEST_MARK = 8  # tokens, bracket and end included
END = "<|endoftext|>"
PAD = "<|pad|>"
# GPT-2's split with combining marks kept inside words: without \p{M} every Indic vowel sign cuts its word.
WORD_PATTERN = r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"


@dataclass(frozen=True)
class Phase:
    """A part of the training. `schedule_steps` may be longer than `steps`: the rate is then still high at the end.

    `packed` rows are blocks of BLOCK_TOKENS that hold several pages; else a row is one page. With `last_paragraphs` a
    page without a mark is learned by its last paragraph alone.
    """

    mix: PageMix
    batch_rows: int
    steps: int
    schedule_steps: int
    learning_rate: float = 1e-3
    packed: bool = False
    last_paragraphs: bool = False


# docs/decisions/0001 tells how these came about: language and copying first, then one skill after the other on pages
# that hold little else, and everything mixed at last.
_FIRST_PAGES = {"plain": 0.42, "leaflet": 0.30, "question_list": 0.12, "phrasebook": 0.10, "register": 0.06}
_COMPARED_LINES = {"hinted_comparison": 0.2, "comparison_line": 0.7, "shelved_sentence": 0.1}
_LINES_AND_SHEETS = {
    "proof_line": 0.15,
    "proof_sheet": 0.3,
    "comparison_line": 0.15,
    "comparison_sheet": 0.35,
    "shelved_sentence": 0.05,
}
_SHEETS = {"proof_sheet": 0.25, "comparison_line": 0.25, "comparison_sheet": 0.4, "shelved_sentence": 0.1}
_EVERYTHING = {
    "plain": 0.1,
    "leaflet": 0.1,
    "question_list": 0.03,
    "phrasebook": 0.05,
    "register": 0.07,
    "caption": 0.12,
    "card": 0.2,
    "question_card": 0.08,
    "shelved_sentence": 0.04,
    "proof_line": 0.02,
    "proof_sheet": 0.06,
    "comparison_line": 0.05,
    "comparison_sheet": 0.08,
}
_MARKS_AND_LINES = {
    "shelved_text": 0.25,
    "headed_sentence": 0.2,
    "caption": 0.25,
    "proof_sheet": 0.1,
    "comparison_sheet": 0.15,
    "shelved_sentence": 0.05,
}
_HEADED_LINES = {
    "headed_sentence": 0.55,
    "caption": 0.15,
    "shelved_text": 0.1,
    "proof_sheet": 0.08,
    "comparison_sheet": 0.07,
    "shelved_sentence": 0.05,
}
_EVERYTHING_AGAIN = {
    "plain": 0.2,
    "leaflet": 0.06,
    "question_list": 0.03,
    "phrasebook": 0.05,
    "register": 0.05,
    "caption": 0.06,
    "card": 0.12,
    "question_card": 0.05,
    "shelved_text": 0.08,
    "headed_sentence": 0.12,
    "proof_sheet": 0.08,
    "comparison_sheet": 0.08,
    "shelved_sentence": 0.02,
}
_LAST = {"headed": 0.5, "plain": 0.25, "leaflet": 0.08, "register": 0.05, "card": 0.12}
_WITH_DEMO_TWICE = (*POCKET_LANGUAGES, "sw", "fi", "ur")
PHASES = (
    Phase(PageMix(_FIRST_PAGES), packed=True, batch_rows=16, steps=3000, schedule_steps=5500, learning_rate=3e-3),
    Phase(PageMix({"shelved_sentence": 1}, english=0.02), batch_rows=64, steps=500, schedule_steps=500),
    Phase(PageMix({"hinted_comparison": 1}, english=0.02), batch_rows=64, steps=160, schedule_steps=1000),
    Phase(PageMix(_COMPARED_LINES, english=0.02), batch_rows=64, steps=800, schedule_steps=1000),
    Phase(PageMix(_LINES_AND_SHEETS, english=0.02), batch_rows=32, steps=600, schedule_steps=900),
    Phase(PageMix(_SHEETS, english=0.02), batch_rows=32, steps=800, schedule_steps=1000),
    Phase(PageMix(_EVERYTHING, _WITH_DEMO_TWICE, english=0.03), batch_rows=32, steps=1500, schedule_steps=1500),
    Phase(PageMix(_MARKS_AND_LINES, english=0.02), 32, steps=500, schedule_steps=1000, last_paragraphs=True),
    Phase(PageMix(_HEADED_LINES, english=0.02), 32, steps=450, schedule_steps=1000, last_paragraphs=True),
    Phase(PageMix(_EVERYTHING_AGAIN, _WITH_DEMO_TWICE, english=0.03), 32, steps=500, schedule_steps=500),
    Phase(PageMix({"headed": 1}, _WITH_DEMO_TWICE, english=0.02), 32, steps=450, schedule_steps=1000),
    Phase(PageMix(_LAST, _WITH_DEMO_TWICE, english=0.02), 32, steps=350, schedule_steps=350),
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


def single_pages(tokenizer: Any, texts: Iterator[str], rows: int, phase: Phase) -> list[dict[str, Any]]:
    """One page a row, in an order whose batches hold pages of similar length, with marks or without.

    A page that ends in a mark or in a headed part is learned by that alone, and in batches of such pages: the one token that says
    what the text is about would drown in the loss of the tokens before it, or beside it.
    """
    rng = random.Random("order of pages")
    pages_ids = [_page_row(tokenizer, text, phase.last_paragraphs) for text in islice(texts, rows)]
    ordered = []
    group = phase.batch_rows * 16
    for start in range(0, rows, group):
        grouped = sorted(
            pages_ids[start : start + group], key=lambda row: (IGNORED in row["labels"], len(row["input_ids"]))
        )
        batches = [grouped[i : i + phase.batch_rows] for i in range(0, len(grouped), phase.batch_rows)]
        rng.shuffle(batches)
        ordered += [row for batch in batches for row in batch]
    return ordered


def _page_row(tokenizer: Any, text: str, last_paragraphs: bool) -> dict[str, Any]:
    body, border, learned = "", "", text
    if text.endswith("]"):
        body, border, learned = text.rpartition("[")
    elif text.startswith(HEADING):
        body, border, learned = text.rpartition(":\n")
    elif last_paragraphs:
        body, border, learned = text.rpartition("\n\n")
    read = tokenizer(body + border)["input_ids"]
    ids = tokenizer(learned + END)["input_ids"]
    return {"input_ids": read + ids, "labels": [IGNORED] * len(read) + ids}


def _kind_and_length(row: dict[str, Any]) -> tuple[bool, int]:
    learned = sum(label != IGNORED for label in row["labels"])
    return learned <= LONGEST_MARK, len(row["input_ids"])


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


def _train_phase(model: Any, tokenizer: Any, phase: Phase, number: int, finished: Path) -> None:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class StopEarly(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= phase.steps

    rows, texts = phase.schedule_steps * phase.batch_rows, pages(1 + number, phase.mix)
    rows = rows if phase.packed else phase.steps * phase.batch_rows
    data = packed_blocks(tokenizer, texts, rows) if phase.packed else single_pages(tokenizer, texts, rows, phase)
    checkpoints = finished.with_name(finished.name + "-checkpoints")
    trainer = Trainer(
        model=model,
        train_dataset=data,
        data_collator=partial(collate, tokenizer.pad_token_id),
        callbacks=[StopEarly()],
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
    parser = argparse.ArgumentParser(description="Build the pocket base model: about an hour and a half on two cores.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    build(parser.parse_args().output)


if __name__ == "__main__":
    main()
