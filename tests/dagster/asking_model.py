"""A tiny base model that needs no training to play its part: whatever it reads, it writes a short English question."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

from xinstr_core.pocket.base_model import train_tokenizer
from xinstr_core.pocket.documents import draw_topics, write_document, write_instruction
from xinstr_core.text import ENGLISH_FUNCTION_WORDS

HIDDEN = 64
STEPS = 4  # words of an instruction: each word has a set of its own, so that the last word tells what follows
CERTAINTY = 14.0  # logits between a word that may follow and the others

# A build of minutes in seconds. Sampling, because the model knows nothing that could tell documents apart.
TINY_SETTINGS = """
[reverse_model]
epochs = 0.3
rank = 4
[generation]
temperature = 1.0
maximum_new_tokens = 8
maximum_documents = 40
require_self_contained = false
batch_rows = 8
[evaluator]
epochs = 0.2
rank = 4
maximum_seed_pairs = 40
minimum_accuracy = 0.0
minimum_held_out_rows = 2
[curation]
round_epochs = 0.1
minimum_top_probability = 0.0
minimum_instruction_quality = 0.0
minimum_pair_fit = 0.0
maximum_added_pairs = 10
[diversity]
target_rows = 24
rows_per_cluster = 6
maximum_similarity = 1.0
held_out_rows = 4
[tuning]
epochs = 0.3
rank = 4
[evaluation]
maximum_prompts = 4
maximum_new_tokens = 8
bootstrap_samples = 100
"""


def write_asking_model(folder: Path) -> None:
    """Two Llama layers that pass their input on, and an output layer that knows which word may follow which.

    After a line break comes one of a few English function words, after that one of others, after the last the end.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = train_tokenizer(_texts(), vocabulary=700)
    words = sorted(
        word for word in ENGLISH_FUNCTION_WORDS if len(tokenizer.encode(f" {word}", add_special_tokens=False)) == 1
    )
    ids = [tokenizer.encode(f" {word}", add_special_tokens=False)[0] for word in words]
    (line_break,) = tokenizer.encode("\n", add_special_tokens=False)
    chain = [[line_break], *(ids[step::STEPS] for step in range(STEPS)), [tokenizer.eos_token_id]]

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    with torch.no_grad():
        embeddings = model.model.embed_tokens.weight.normal_()
        seen = embeddings / embeddings.pow(2).mean(-1, keepdim=True).sqrt()
        model.lm_head.weight.zero_()
        for before, after in pairwise(chain):
            model.lm_head.weight[after] += CERTAINTY * seen[before].sum(0) / HIDDEN
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _texts() -> list[str]:
    """Swahili documents and English questions for the tokenizer to learn from."""
    rng = random.Random(3)
    topics = list(draw_topics("sw", 60, rng))
    return [write_document(topic, rng) for topic in topics] + [write_instruction(topic, "en", rng) for topic in topics]
