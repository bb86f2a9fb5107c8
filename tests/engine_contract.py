"""What every engine does, whatever runs it: a class of tests for a subclass that says which engine, of which model.

What an engine gives is held against the model in this process, as transformers computes it in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from xinstr_core.engines.base import Completion, Decoding, Engine, Request, TokenScores
from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.engines.reading import last_states, log_probabilities, row_of
from xinstr_core.engines.resume import KEY, RowLog, run_rows
from xinstr_core.engines.transformers_engine import TransformersEngine
from xinstr_core.errors import InputError
from xinstr_core.progress import silent
from xinstr_core.prompts.render import prompt

Load = Callable[[Path | None], Engine]
SCRIPTS = [
    "Mto huu unaanzia milimani.", "यह नदी पहाड़ों से निकलती है।", "এই নদী পাহাড় থেকে আসে।", "இந்த ஆறு மலையில் தொடங்குகிறது.",
    "แม่น้ำสายนี้เริ่มจากภูเขา", "یہ دریا پہاڑوں سے نکلتا ہے۔", "Река начинается в горах.", "Ο ποταμός ξεκινά από τα βουνά.",
    "ይህ ወንዝ ከተራሮች ይጀምራል።", "הנהר מתחיל בהרים.", "강은 산에서 시작된다.", "川は山から始まる。", "ეს მდინარე მთებში იწყება.", "Գետը սկսվում է լեռներից։",
]  # fmt: skip
# The last ones write what is a control token of some tokenizer, and is text here.
OPENINGS = ["", "What", "How do I", " Is it", "</s>", "<|im_end|>", "<end_of_turn>"]
ASKED = [
    Request(f"key-{number:02}", prompt("reverse").render(text=text), opening)
    for number, (text, opening) in enumerate(zip(SCRIPTS, OPENINGS * 2, strict=True))
]
GIVEN = [replace(one, completion=f"{one.completion} Ni mto gani unaanzia milimani?") for one in ASKED]
LABELS = [" yes", " no", " so"]
SCHEMA = pl.Schema({KEY: pl.String, "text": pl.String})
ROUNDING = 1e-3  # of a natural log-probability in float32


def random_adapter(base: ModelReference, folder: Path) -> Path:
    """An adapter with random weights on both sides, so that it changes every logit."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    chosen = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_causal_model(base), chosen).save_pretrained(folder)
    return folder


def flat(scores: TokenScores) -> list[float]:
    return [*scores.tokens, scores.end]


class EngineContract:
    """A subclass has the fixtures `base`, `adapter` (of random_adapter) and `load`, all of the scope of a class."""

    @pytest.fixture(params=[False, True], ids=["base", "adapter"])
    def trained(self, request: pytest.FixtureRequest, adapter: Path) -> Path | None:
        return adapter if request.param else None

    def test_scores_are_the_models(self, load: Load, base: ModelReference, trained: Path | None) -> None:
        engine, own = load(trained), TransformersEngine(base, trained)
        for mine, its in zip(engine.score(GIVEN), own.score(GIVEN), strict=True):
            assert mine.key == its.key
            assert flat(mine) == pytest.approx(flat(its), abs=ROUNDING)
        for one, other in zip(engine.score_labels(GIVEN, LABELS), own.score_labels(GIVEN, LABELS), strict=True):
            assert one.key == other.key
            assert one.labels == pytest.approx(other.labels, abs=ROUNDING)

    def test_the_adapter_changes_them(self, load: Load, adapter: Path) -> None:
        changed, base = load(adapter).score(GIVEN), load(None).score(GIVEN)
        assert all(abs(sum(flat(one)) - sum(flat(other))) > ROUNDING for one, other in zip(changed, base, strict=True))

    def test_the_likeliest_text_is_the_models_wherever_it_is_clear(
        self, load: Load, base: ModelReference, trained: Path | None
    ) -> None:
        """Token by token, up to where the two likeliest are as likely to ROUNDING."""
        engine, own = load(trained), TransformersEngine(base, trained)
        mine, its = engine.generate(ASKED, Decoding(16)), own.generate(ASKED, Decoding(16))
        for asked, one, other in zip(ASKED, mine, its, strict=True):
            assert one.key == asked.key
            assert one.prompt_tokens == other.prompt_tokens
            assert one == other or as_likely(own, asked, one, other), (one, other)
        assert sum(one == other for one, other in zip(mine, its, strict=True)) >= 0.8 * len(ASKED)

    def test_the_order_and_company_of_rows_change_nothing(self, load: Load) -> None:
        engine = load(None)
        backwards = engine.score(GIVEN[::-1])[::-1]
        for alone, among in zip([engine.score([one])[0] for one in GIVEN[:4]], backwards, strict=False):
            assert alone.key == among.key
            assert flat(alone) == pytest.approx(flat(among), abs=ROUNDING)
        assert [one.key for one in engine.generate(ASKED[::-1], Decoding(2))] == [one.key for one in ASKED[::-1]]

    def test_what_is_sampled_depends_on_the_key_and_the_seed_alone(self, load: Load) -> None:
        engine, sampled = load(None), Decoding(8, 1.0, 0.95, seed=3)
        asked = [
            replace(one, prompt=prompt("reverse").render(text=20 * text))
            for one, text in zip(ASKED, SCRIPTS, strict=True)
        ]
        together = engine.generate(asked, sampled)  # more tokens than are read at once
        assert engine.generate(asked[::-1], sampled) == together[::-1]
        assert engine.generate(asked[:1], sampled) == together[:1]
        assert engine.generate(asked, replace(sampled, seed=4)) != together

    def test_nothing_asked_has_no_answers(self, load: Load) -> None:
        engine = load(None)
        assert engine.generate([], Decoding(4)) == engine.score([]) == engine.score_labels([], LABELS) == []

    def test_labels_that_share_a_token_are_refused(self, load: Load) -> None:
        with pytest.raises(ValueError, match="do not differ in their first token"):
            load(None).score_labels(GIVEN, [" yes", " yes so"])

    def test_a_row_that_is_too_long_fails_alone(self, load: Load, tmp_path: Path) -> None:
        engine = load(None)
        long = Request("long", "neno " * 40_000)

        def work(engine: Engine, batch: list[Request]) -> pl.DataFrame:
            written = engine.generate(batch, Decoding(2))
            return pl.DataFrame([(one.key, one.text) for one in written], SCHEMA, orient="row")

        found = run_rows(
            lambda: engine, [*ASKED, long], work, RowLog.open(tmp_path, SCHEMA), batch_rows=4, progress=silent
        )
        assert set(found.done[KEY]) == {one.key for one in ASKED}
        assert set(found.failed) == {"long"}

    def test_rows_and_tokens_are_counted(self, load: Load) -> None:
        engine = load(None)
        rows, written = engine.usage.rows, engine.usage.completion_tokens
        completions = engine.generate(ASKED, Decoding(3))
        assert engine.usage.rows - rows == len(ASKED)
        ends = sum(one.finished for one in completions)  # some count the token that ends a text, too
        told = sum(one.completion_tokens for one in completions)
        assert engine.usage.completion_tokens - written in (told, told + ends)

    def test_an_adapter_of_another_base_is_told_in_one_line(self, load: Load, adapter: Path, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        other = tmp_path / "of-another"
        other.mkdir()
        weights = load_file(adapter / "adapter_model.safetensors")
        save_file(
            {name: one[..., :-1].contiguous() for name, one in weights.items()}, other / "adapter_model.safetensors"
        )
        (other / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
        with pytest.raises(InputError) as told:
            load(other)
        assert "\n" not in str(told.value)
        assert load(None).score(GIVEN[:1])


def as_likely(own: TransformersEngine, asked: Request, one: Completion, other: Completion) -> bool:
    """Whether the first tokens in which two texts differ follow what they share as likely as each other, to ROUNDING."""
    rows = [row_of(own._format, asked.prompt, text.text) for text in (one, other)]
    first, second = (((*row.following, row.end)) for row in rows)
    place = next(place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    shared = replace(rows[0], following=first[:place])
    import torch

    states = last_states(own.model, [shared], own._pad)[0][-1:]
    found = log_probabilities(own.model, states, torch.tensor([[first[place], second[place]]])).squeeze(0).tolist()
    return abs(found[0] - found[1]) < ROUNDING
