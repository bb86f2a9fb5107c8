"""Models with a fixed number of positions, with fewer embeddings than tokens, or without layers that LoRA knows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xinstr_core.engines.base import Decoding, Request
from xinstr_core.engines.encoding import maximum_positions, padded_length
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.engines.models import ModelReference, check_model, load_tokenizer, read_config, resolve_model
from xinstr_core.engines.roles import Engines
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.adapter import train_adapter
from xinstr_core.training.rows import Example

POSITIONS = 50  # no multiple of what rows are padded to
SMALL: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": POSITIONS},
    "gptj": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": POSITIONS, "rotary_dim": 8},
    "codegen": {"n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": POSITIONS, "rotary_dim": 8},
    "gpt_neo": {
        "hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_position_embeddings": POSITIONS,
        "attention_types": [[["global"], 1]],
    },
    "opt": {
        "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "word_embed_proj_dim": 32,
        "max_position_embeddings": POSITIONS,
    },
    "mpt": {"d_model": 32, "n_layers": 1, "n_heads": 2, "max_seq_len": POSITIONS, "expansion_ratio": 2},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 1, "state_size": 4},
    "mamba2": {
        "hidden_size": 32, "num_hidden_layers": 1, "state_size": 4, "num_heads": 4, "head_dim": 16, "n_groups": 1,
        "chunk_size": 16,
    },
}  # fmt: skip
FIXED = ("gpt2", "gptj", "codegen", "gpt_neo", "opt", "mpt")
SHORT = TrainingSettings(epochs=1, rank=2, batch_rows=2, maximum_tokens=200)
Make = Callable[[str], ModelReference]


@pytest.fixture(scope="module")
def make(tiny_model: ModelReference, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Random models with the tiny one's tokenizer, by their type."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer, folder = load_tokenizer(tiny_model), tmp_path_factory.mktemp("architectures")
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}

    def made(kind: str) -> ModelReference:
        if not (folder / kind).exists():
            torch.manual_seed(0)
            config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **ids, **SMALL[kind])
            AutoModelForCausalLM.from_config(config).save_pretrained(folder / kind)
            tokenizer.save_pretrained(folder / kind)
        return resolve_model(str(folder / kind))

    return made


def text_of(tokens: int, tokenizer: Any) -> str:
    """A text with so many tokens."""
    text = " a" * tokens
    assert len(tokenizer(text)["input_ids"]) == tokens
    return text


@pytest.mark.parametrize("kind", FIXED)
def test_a_row_may_fill_all_positions_and_one_that_is_longer_is_refused(make: Make, kind: str) -> None:
    base = make(kind)
    check_model(base)
    engine, tokenizer = TransformersEngine(base), load_tokenizer(base)
    full, long = (Request(str(n), text_of(n - 1, tokenizer), " a") for n in (POSITIONS, POSITIONS + 1))
    short = Request("short", "a", " a")
    written = [Request(str(n), text_of(n, tokenizer)) for n in (POSITIONS - 6, POSITIONS - 5)]
    found = list(isolated(engine.score, [full, long, short]))
    assert [isinstance(made, Fault) for _, made in found] == [False, True, False]
    assert str(found[1][1]).endswith(
        f"{POSITIONS + 1} tokens and 0 to be written: the model has {POSITIONS} positions')"
    )
    outcomes = list(isolated(lambda rows: engine.generate(rows, Decoding(6)), written))
    assert [isinstance(made, Fault) for _, made in outcomes] == [False, True]


@pytest.mark.parametrize("prompt", [8, POSITIONS - 20])
@pytest.mark.parametrize("kind", FIXED)
def test_rows_that_share_a_prompt_have_the_scores_that_the_model_itself_gives(
    make: Make, kind: str, prompt: int
) -> None:
    """Read in two steps where the padding leaves room for that, else in one."""
    import torch

    engine, tokenizer = TransformersEngine(make(kind)), load_tokenizer(make(kind))
    rows = [Request(f"{n}", text_of(prompt, tokenizer), " b c d e f g h i"[: 2 * n]) for n in (1, 2, 3, 8)]
    for row, scored in zip(rows, engine.score(rows), strict=True):
        asked, following = (tokenizer(text)["input_ids"] for text in (row.prompt, row.completion))
        with torch.inference_mode():
            logits = engine.model(input_ids=torch.tensor([asked + following]), use_cache=False).logits[0]
        wanted = logits.log_softmax(-1)[range(prompt - 1, prompt - 1 + len(following)), following]
        assert scored.tokens == pytest.approx(wanted.tolist(), abs=1e-4)


@pytest.mark.parametrize("kind", FIXED)
def test_training_takes_rows_up_to_the_positions_and_refuses_longer_ones(make: Make, kind: str, tmp_path: Path) -> None:
    base = make(kind)
    tokenizer = load_tokenizer(base)
    # A row has a token more, its end.
    examples = [Example(f"{n}", text_of(n - 3, tokenizer), " a a") for n in (5, POSITIONS, POSITIONS + 1)]
    trained = train_adapter(Engines(Settings(), base), examples, SHORT, tmp_path / "adapter")
    assert (trained.rows, trained.rejected) == (2, [["51", "too_many_tokens", 51]])


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_where_lora_knows_no_layers_it_is_said_in_a_line_and_all_weights_can_be_trained(
    make: Make, kind: str, tmp_path: Path
) -> None:
    engines, examples = Engines(Settings(), make(kind)), [Example("a", "a", " b")]
    with pytest.raises(InputError, match=r'in Mamba2?ForCausalLM.*set method = "full"') as raised:
        train_adapter(engines, examples, SHORT, tmp_path / "adapter")
    assert "\n" not in str(raised.value)
    whole = SHORT.model_copy(update={"method": "full"})
    assert train_adapter(engines, examples, whole, tmp_path / "whole").rows == 1


@pytest.fixture
def lacking(tiny_model: ModelReference, tmp_path: Path) -> Callable[..., ModelReference]:
    """The tiny model with a tokenizer that has tokens more than its weights."""

    def edited(**tokens: Any) -> ModelReference:
        folder = Path(shutil.copytree(tiny_model.path, tmp_path / "lacking"))
        tokenizer = load_tokenizer(tiny_model)
        tokenizer.add_special_tokens(tokens) if tokens else tokenizer.add_tokens(["asubuhi"])
        tokenizer.save_pretrained(folder)
        return resolve_model(str(folder))

    return edited


def test_a_word_that_the_weights_lack_is_refused_beforehand_and_a_row_with_it_too(
    lacking: Callable[..., ModelReference], tmp_path: Path
) -> None:
    base = lacking()
    with pytest.raises(InputError, match="ids up to 700, and it has embeddings for 700 tokens"):
        check_model(base)
    examples = [Example("odd", "Habari za asubuhi", " njema"), Example("good", "Habari", " njema")]
    trained = train_adapter(Engines(Settings(), base), examples, SHORT, tmp_path / "adapter")
    assert (trained.rows, [row[:2] for row in trained.rejected]) == (1, [["odd", "token_without_embedding"]])


@pytest.mark.parametrize("name", ["pad_token", "eos_token"])
def test_an_end_or_padding_that_the_weights_lack_is_an_input_error_before_anything_is_trained(
    lacking: Callable[..., ModelReference], tmp_path: Path, name: str
) -> None:
    base = lacking(**{name: "<|new|>"})
    for use in (
        check_model,
        lambda model: train_adapter(Engines(Settings(), model), [Example("a", "a", "b")], SHORT, tmp_path / "adapter"),
    ):
        with pytest.raises(
            InputError, match="ends or pads texts with a token that is not among the 700 of its weights"
        ):
            use(base)


def test_positions_by_whatever_name_and_padding_within_them(make: Make) -> None:
    assert [maximum_positions(read_config(make(kind))) for kind in ("gpt2", "mpt", "mamba")] == [50, 50, None]
    assert [padded_length(n, 50) for n in (1, 33, 50)] == [32, 50, 50]
    assert padded_length(33) == 64
