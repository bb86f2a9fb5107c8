"""Build the pocket base model: byte-level BPE and a tiny Llama, trained on pocket text and never on the task.

`python -m xinstr_core.pocket.base_model --output DIR` repeats what ships with the package. The text has no
(instruction, response) pair: pages, two-language leaflets, question lists, phrasebooks and name registers. About
half of the subjects are invented by joining halves of known words, so that the one way to predict a repeated
name is to look back and copy it: the skill that the reverse model needs for names it never saw.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xinstr_core.pocket.documents import Topic, fill, write_document, write_instruction
from xinstr_core.pocket.templates import POCKET_LANGUAGES, load_templates

VOCABULARY = 6144
BLOCK_TOKENS = 256
END = "<|endoftext|>"
PAD = "<|pad|>"
# GPT-2's split with combining marks kept inside words: without \p{M} every Indic vowel sign cuts its word.
WORD_PATTERN = r" ?[\p{L}\p{M}]+| ?\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"


def pages(seed: int, phase: Phase) -> Iterator[str]:
    """An endless stream of pocket pages, the same for the same seed and phase."""
    rng = random.Random(f"pocket pages {seed}")
    while True:
        language = rng.choice(phase.languages) if rng.random() < 1 - phase.english else "en"
        page = rng.choices(_PAGE_KINDS, weights=phase.kinds)[0](_topic(language, rng), rng)
        if not load_templates(language).mentions_held_out(page):
            yield page


def _topic(language: str, rng: random.Random) -> Topic:
    intent = rng.choice(tuple(load_templates(language).intents.values()))
    subject = _invented_name(language, rng) if rng.random() < 0.5 else rng.choice(intent.train)
    return Topic(language, intent.name, subject)


def _plain_page(topic: Topic, rng: random.Random) -> str:
    return write_document(topic, rng)


def _leaflet(topic: Topic, rng: random.Random) -> str:
    """The same subject in two languages, as tourist leaflets have it; either language may come first."""
    parts = [write_document(topic, rng, (2, 4)), _english_lines(topic, rng)]
    rng.shuffle(parts)
    return "\n\n".join(parts)


def _english_lines(topic: Topic, rng: random.Random) -> str:
    english = load_templates("en")
    intent = english.intents[topic.intent]
    sentences = [rng.choice(intent.openings), rng.choice(intent.details), rng.choice(intent.closings)]
    subject = load_templates(topic.language).quoted(topic.subject)
    return " ".join(fill(english, sentence, topic.intent, subject, rng) for sentence in sentences)


def _question_list(topic: Topic, rng: random.Random) -> str:
    """What readers ask, in one language and without any answer."""
    language = rng.choice((topic.language, "en"))
    return "\n".join(write_instruction(topic, language, rng) for _ in range(rng.randint(2, 3)))


def _phrasebook(topic: Topic, rng: random.Random) -> str:
    lines = [write_instruction(topic, language, rng) for language in (topic.language, "en")]
    rng.shuffle(lines)
    return "\n".join(lines)


def _register(topic: Topic, rng: random.Random) -> str:
    """A list of names and the same list once more."""
    names = [topic.subject, *(_invented_name(topic.language, rng) for _ in range(rng.randint(2, 5)))]
    again = rng.sample(names, len(names))
    return ", ".join(names) + "\n" + ", ".join(again) + "\n" + ", ".join(names)


def _caption(topic: Topic, rng: random.Random) -> str:
    """One sentence in two languages, as under a picture. Dense in what the longer leaflets teach slowly."""
    templates, english = load_templates(topic.language), load_templates("en")
    own = rng.choice(templates.intents[topic.intent].openings + templates.intents[topic.intent].closings)
    other = rng.choice(english.intents[topic.intent].openings + english.intents[topic.intent].closings)
    lines = [
        fill(templates, own, topic.intent, topic.subject, rng),
        fill(english, other, topic.intent, templates.quoted(topic.subject), rng),
    ]
    rng.shuffle(lines)
    return "\n\n".join(lines)


def _card(topic: Topic, rng: random.Random) -> str:
    """A library card: a text in its own language and where an English-speaking library files it."""
    text = write_document(topic, rng, (3, 7)) if rng.random() < 0.6 else write_document(topic, rng, (0, 2))
    parts = [text, _shelf_mark(topic)]
    rng.shuffle(parts)
    return "\n\n".join(parts)


def _question_card(topic: Topic, rng: random.Random) -> str:
    """A reader's question and its shelf, without any answer."""
    parts = [write_instruction(topic, rng.choice((topic.language, "en")), rng), _shelf_mark(topic)]
    rng.shuffle(parts)
    return "\n\n".join(parts)


def _shelf_mark(topic: Topic) -> str:
    return f"Shelf {_shelf(topic)}, about {load_templates(topic.language).quoted(topic.subject)}"


def _shelf(topic: Topic) -> str:
    return load_templates("en").intents[topic.intent].shelf


def _commonplace_book(topic: Topic, rng: random.Random) -> str:
    """Unrelated sentences and questions in one language, each with its shelf word before or after it."""
    templates = load_templates(topic.language)
    shelf_first = rng.random() < 0.4
    lines = []
    for _ in range(6):
        one = _topic(topic.language, rng)
        intent = templates.intents[one.intent]
        sentence = fill(templates, rng.choice(intent.sentences + intent.instructions), one.intent, one.subject, rng)
        lines.append(f"[{_shelf(one)}] {sentence}" if shelf_first else f"{sentence} [{_shelf(one)}]")
    return "\n".join(lines)


_PAGE_KINDS = (
    _plain_page,
    _leaflet,
    _question_list,
    _phrasebook,
    _register,
    _caption,
    _card,
    _question_card,
    _commonplace_book,
)


@dataclass(frozen=True)
class Phase:
    """A part of the training: pages by kind, in the order of _PAGE_KINDS, and the learning rate's cosine.

    `schedule_steps` may be longer than `steps`: the phase then ends with the rate still high. A language that stands
    more often in `languages` is drawn more often; `english` is the share of pages in English alone.
    """

    kinds: tuple[float, ...]
    languages: tuple[str, ...]
    english: float
    batch_blocks: int
    steps: int
    schedule_steps: int
    learning_rate: float
    muon: bool


# In phase 1 English, which stands in every leaflet, was learned first; the demo's languages are drawn most after it.
_DEMO_FIRST = (*POCKET_LANGUAGES * 2, *("sw", "fi", "ur") * 3)
PHASES = (
    Phase((0.42, 0.30, 0.12, 0.10, 0.06, 0, 0, 0, 0), POCKET_LANGUAGES, 0.1, 16, 3000, 5500, 3e-3, muon=False),
    Phase((0.34, 0.10, 0.03, 0.12, 0.02, 0.15, 0.14, 0.06, 0.04), _DEMO_FIRST, 0.02, 16, 2200, 2200, 2e-3, muon=True),
)


@cache
def _halves(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """First and second halves, cut between grapheme clusters, of all words in names of the language."""
    import regex

    templates = load_templates(language)
    names = [*templates.people, *templates.places]
    names += [subject for intent in templates.intents.values() for subject in intent.train]
    clusters = [regex.findall(r"\X", word) for word in sorted({word for name in names for word in name.split()})]
    long_enough = [c for c in clusters if len(c) >= 3]
    return (
        tuple("".join(c[: len(c) // 2]) for c in long_enough),
        tuple("".join(c[len(c) // 2 :]) for c in long_enough),
    )


def _invented_name(language: str, rng: random.Random) -> str:
    first, second = _halves(language)
    words = [rng.choice(first) + rng.choice(second) for _ in range(rng.choices((1, 2, 3), (5, 4, 1))[0])]
    return " ".join(words) if language != "th" else "".join(words)


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


def pack(tokenizer: Any, texts: Iterator[str], blocks: int) -> Any:
    """Pages joined by the end mark and cut into (blocks, BLOCK_TOKENS) int32: no padding, no token lost."""
    import numpy

    packed = numpy.empty(blocks * BLOCK_TOKENS, dtype=numpy.int32)
    filled = 0
    while filled < len(packed):
        batch = [text + END for text in (next(texts) for _ in range(1000))]
        ids = numpy.concatenate([numpy.asarray(row, dtype=numpy.int32) for row in tokenizer(batch)["input_ids"]])
        ids = ids[: len(packed) - filled]
        packed[filled : filled + len(ids)] = ids
        filled += len(ids)
    return packed.reshape(blocks, BLOCK_TOKENS)


def build(output: Path) -> None:
    """Train all phases and write the model in float16 with its tokenizer.

    Phases and their checkpoints stay beside `output`, so a killed run goes on where it was.
    """
    from transformers import LlamaForCausalLM, set_seed

    set_seed(0)
    tokenizer_pages = pages(1, PHASES[0])
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
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class StopEarly(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.global_step >= phase.steps

    block_count = phase.schedule_steps * phase.batch_blocks
    blocks = torch.from_numpy(pack(tokenizer, pages(1 + number, phase), block_count)).long()
    checkpoints = finished.with_name(finished.name + "-checkpoints")
    trainer = Trainer(
        model=model,
        train_dataset=[{"input_ids": block, "labels": block} for block in blocks],
        callbacks=[StopEarly()],
        optimizers=(_muon(model, phase.learning_rate) if phase.muon else None, None),
        args=TrainingArguments(
            output_dir=str(checkpoints),
            max_steps=phase.schedule_steps,
            per_device_train_batch_size=phase.batch_blocks,
            learning_rate=phase.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=200,
            adam_beta2=0.95,
            weight_decay=0.1,
            bf16=True,
            use_cpu=True,
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
